"""Progress in a terminal, in one that cannot move its cursor, and in a batch log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from hepnn import console


def _shown(monkeypatch: pytest.MonkeyPatch, **terminal: object) -> str:
    out = io.StringIO()
    monkeypatch.setattr(console, "stderr", Console(file=out, highlight=False, **terminal))
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with console.epochs("float", 9, events=1000) as progress:
        for epoch in range(9):
            clock[0] += 10.0
            progress(epoch, {"loss": 1 / (epoch + 1), "val_loss": 0.5, "beta": 1.0})
    return out.getvalue()


def test_a_batch_log_gets_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _shown(monkeypatch).splitlines()
    # After the first epoch, every thirty seconds, and after the last.
    assert lines == [
        "float: epoch 1/9, 0:01:20 left, 100 events/s loss 1 val_loss 0.5",
        "float: epoch 4/9, 0:00:50 left, 100 events/s loss 0.25 val_loss 0.5",
        "float: epoch 7/9, 0:00:20 left, 100 events/s loss 0.1429 val_loss 0.5",
        "float: epoch 9/9, 100 events/s loss 0.1111 val_loss 0.5",
    ]


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_a_terminal_without_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("TERM", "dumb" if variable == "TERM" else "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    text = _shown(monkeypatch, force_terminal=True, width=120)
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", text)  # no colour
    if variable == "TERM":
        assert text.replace("\n", "").isprintable()  # and no cursor moved
    assert "loss" in text
