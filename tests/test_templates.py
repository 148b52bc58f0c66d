"""The templates of linear classifiers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hepnn import architectures, evaluation, vocabularies
from hepnn.data import scaling
from hepnn.plots import templates
from hepnn.plots.style import COLOURS

CLASSES = ["first", "second", "third"]


def _patches(path: Path, colour: str) -> int:
    """Count the shapes of a colour."""
    root = ElementTree.parse(path).getroot()
    return sum(f"fill: {colour}" in element.get("style", "") for element in root.iter())


def test_what_speaks_for_a_class_is_blue_and_against_it_orange(tmp_path: Path) -> None:
    weights = np.zeros((3, 4, 5))
    weights[0, 1, 2], weights[1, 0, 0], weights[1, 3, 4] = 1.0, -1.0, -0.5
    path = templates.draw(weights, CLASSES, tmp_path / "templates.svg")
    assert _patches(path, COLOURS[0]) == 1
    assert _patches(path, COLOURS[1]) == 2  # two shades


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("vocabulary", vocabularies.VOCABULARIES)
@pytest.mark.parametrize(
    ("shape", "hidden", "drawn"),
    [((8, 8, 1), [], True), ((8, 8, 1), [4], False), ((64,), [], False)],
)
def test_only_linear_networks_of_images_have_them(
    vocabulary: str, shape: tuple[int, ...], hidden: list[int], drawn: bool, tmp_path: Path
) -> None:
    nn = vocabularies.get(vocabulary)
    nn.scaling = scaling.standard(np.random.default_rng(0).normal(size=(50, *shape)))
    model = architectures.get("mlp")(shape, (3,), nn=nn, hidden=hidden)
    evaluation._templates(model, CLASSES, tmp_path)
    assert (tmp_path / "templates.svg").exists() is drawn
