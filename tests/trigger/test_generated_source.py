"""Events that a generator makes for a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import FEATURES, three_clouds, write_card, write_events

from hepnn.data.generate import job
from hepnn.errors import DataError, RecipeError
from hepnn.run import Run
from hepnn.trigger import command, source
from hepnn.trigger.menu import Menu


@pytest.fixture(scope="module")
def menu(shipped: Run, tmp_path_factory: pytest.TempPathFactory) -> Menu:
    import shutil

    path = tmp_path_factory.mktemp("generated") / "clouds"
    shutil.copytree(shipped.path, path)
    command.threshold(str(path), "background=0.1", signal=["high"])
    return command.menu_of(str(path))


def test_new_events_of_the_asked_settings_in_the_order_they_were_made(
    menu: Menu, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def make(kind: str, out: Path, seed: int, overrides: dict[str, Any]) -> Path:
        asked.append((kind, seed, overrides))
        (out / "other").mkdir(parents=True)
        write_card(out / "other", labels={"column": "kind", "classes": ["a", "b"]})
        own = out / "own"
        own.mkdir()
        write_card(own)
        write_events(own, *three_clouds(overrides["events"], seed))
        return out

    monkeypatch.setattr(job, "make", make)
    made = source.opened("generator:clouds,events=300,mpi=false", menu, 7)
    assert asked == [("clouds", 7, {"events": 300, "mpi": False})]
    x, y = three_clouds(300, 7)
    np.testing.assert_array_equal(made.x, x[:, [FEATURES.index(n) for n in menu.features]])
    np.testing.assert_array_equal(made.y, y)
    assert made.drawn is None and not made.fault.any()


def test_what_cannot_be_made_or_taken_is_one_line(
    menu: Menu, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match="did you mean 'jets'"):
        source.opened("generator:jetz", menu)
    with pytest.raises(RecipeError, match="per_class"):
        source.opened("generator:jets,per_clas=3", menu)

    def make(kind: str, out: Path, seed: int, overrides: dict[str, Any]) -> Path:
        out.mkdir()
        write_card(out, labels={"column": "kind", "classes": ["a", "b"]})
        write_events(out, *(part[:5] for part in three_clouds()))
        return out

    monkeypatch.setattr(job, "make", make)
    with pytest.raises(DataError, match="none of its events are the network's"):
        source.opened("generator:others", menu)
