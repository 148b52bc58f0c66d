"""The support matrix: which narrow variant goes where, as tests found it.

`support.json` has, for every variant, its architecture and a verdict for each vocabulary and
target. The tests export every one of them, compare it with Keras, and fail where the verdict is
another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn import files

#: Where the verdicts are kept.
FILE = Path(__file__).with_name("support.json")

#: What a stage is made with, and where it goes.
VOCABULARIES = ("float", "hgq", "qkeras")
TARGETS = ("tflite", "tflite-int8", "hls4ml", "rtl")

#: How a table says a verdict; a refusal begins with `no: ` and goes on with its reason.
SIGNS = {"exact": "=", "near": "≈", "bounded": "≈", "measured": "m"}

LEGEND = (
    "= equal bits on every event tried, ends of range and far beyond included; ≈ within 1e-5 "
    "of the outputs' range (TFLite) or calibrated fixed point (hls4ml); m int8, its flips "
    "measured; – refused before training, the reason by `hepnn list architectures --json`"
)

#: By variant: `architecture`, and `verdicts` by vocabulary and target.
Verdicts = dict[str, dict[str, Any]]


def verdicts() -> Verdicts:
    """Return what the tests found of every variant."""
    return files.read_json(FILE)


def rows(known: Verdicts) -> list[dict[str, str]]:
    """Return the matrix as rows of a table, a sign a cell."""
    return [
        {
            "variant": label,
            **{
                f"{vocabulary} {target}": sign(found["verdicts"][vocabulary][target])
                for vocabulary in VOCABULARIES
                for target in TARGETS
            },
        }
        for label, found in sorted(known.items())
    ]


def sign(verdict: str) -> str:
    """Return the sign of a verdict.

    >>> sign("no: no top-k in fixed point")
    '–'
    """
    return "–" if verdict.startswith("no: ") else SIGNS[verdict]


def markdown(known: Verdicts) -> str:
    """Return the matrix as a Markdown table."""
    heads = {"tflite": "TFLite", "tflite-int8": "int8", "hls4ml": "hls4ml", "rtl": "RTL"}
    names = {"float": "float", "hgq": "HGQ", "qkeras": "QKeras"}
    columns = [f"{names[v]} {heads[t]}" for v in VOCABULARIES for t in TARGETS]
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + ":-:|" * len(columns)]
    lines += ["| " + " | ".join(row.values()) + " |" for row in rows(known)]
    return "\n".join(lines) + "\n"
