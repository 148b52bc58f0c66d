"""Every dataset that comes along: its card loads, its data are there and are what the card says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hepnn import declarations
from hepnn.data import card as cards
from hepnn.data import dataset as datasets
from hepnn.data import division, functions

NAMES = declarations.names("datasets")

#: Fetched by Keras on first use.
FETCHED = [name for name in NAMES if cards.load(name)[0].source.format == "keras"]

LARGEST = 25e6


def test_sub_datasets_have_names_too() -> None:
    assert {"jets", "jets/constituents", "calorimeter/segmentation", "xor"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_says_what_it_is(name: str) -> None:
    card, folder = cards.load(name)
    assert card.name == name
    assert card.title and card.licence
    assert any((place / "card.md").is_file() for place in (folder, folder.parent))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FETCHED])
def test_every_group_is_read_and_divided(name: str) -> None:
    for group in cards.load(name)[0].inputs:
        data = datasets.open_dataset(name, [group])
        parts = division.divide(data, limit=2000)
        x = parts.train.events.x  # type: ignore[union-attr]
        assert x.shape[1:] == data.shape
        assert np.isfinite(x).all()
        assert len(data.features) in (x.shape[-1], 1)
        assert sum(parts.events.values()) > 0


def test_committed_samples_stay_small() -> None:
    root = declarations.root("datasets")
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < LARGEST


def test_the_page_of_datasets_lists_every_function() -> None:
    text = (declarations.root("datasets") / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)\(", text, re.MULTILINE)
    assert listed == list(functions.FUNCTIONS)
