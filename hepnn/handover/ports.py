"""Every number of an interface: its name, its unit, its bits, and what they mean."""

from __future__ import annotations

import csv as tables
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane

NAME = "interface.csv"

COLUMNS = ("direction", "name", "unit", "port", "bits", "type", "lsb", "step", "lowest", "highest")


def rows(content: dict[str, Any], quantities: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row for every number that goes in or comes out, in the order of the ports.

    Parameters
    ----------
    content
        `interface.json` of the target.
    quantities
        The run's names and units.

    Returns
    -------
    list of dict
        With the keys of `COLUMNS`; empty for a target whose numbers have no ports.
    """
    if "bits" not in content.get("input", {}):
        return []
    inputs, outputs = quantities["inputs"], quantities["outputs"]
    features = [(one["name"], one.get("unit", "1")) for one in inputs.get("features", ())]
    targets = outputs.get("targets") or [{"name": name} for name in outputs.get("names") or ()]
    results = [(one["name"], one.get("unit", "1")) for one in targets]
    return [
        *_side("input", content["input"], features),
        *_side("output", content["output"], results),
    ]


def csv(table: Sequence[dict[str, str]]) -> str:
    """Return the rows as comma-separated values."""
    stream = io.StringIO()
    writer = tables.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def _side(side: str, port: dict[str, Any], known: list[tuple[str, str]]) -> list[dict[str, str]]:
    shape = tuple(port["shape"])
    size = math.prod(shape)
    names = _named(side, shape, known)
    grid = port.get("grid")
    lane = _lane(grid, shape) if grid else None
    bits = port.get("bits") or [None] * size
    placed = port.get("ports") or [port["port"]] * size
    table = []
    for number in range(size):
        row = dict.fromkeys(COLUMNS, "")
        row |= {"direction": side, "name": names[number][0], "unit": names[number][1]}
        row |= {"port": placed[number], "type": port.get("type", "")}
        if bits[number]:
            row["bits"] = "[{}:{}]".format(*bits[number])
        elif port.get("bits"):
            row["bits"] = "none: not used"
        lsb = port.get("lsb")
        if lane is not None:
            k, i, f = (int(part.flat[number]) for part in (lane.k, lane.i, lane.f))
            ends = lane.lowest.flat[number], lane.highest.flat[number]
            row |= {"step": _text(2.0**-f), "lowest": _text(ends[0]), "highest": _text(ends[1])}
            if not row["type"]:
                width = max(k + i + f, 0)
                row |= {"type": f"{'' if k else 'u'}int{width}", "lsb": _text(2.0**-f)}
        elif lsb is not None:
            signed, width = int(port["signed"]), port["width"]
            row["lowest"] = _text(-signed * lsb * 2.0 ** (width - 1))
            row["highest"] = _text(lsb * (2.0 ** (width - signed) - 1))
        if isinstance(lsb, float | int):
            row["lsb"] = _text(lsb)
        table.append(row)
    return table


def _named(
    side: str, shape: tuple[int, ...], known: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return name and unit of every number; of the last axis, where it has the names."""
    inner = [index for index in np.ndindex(*shape[:-1])] if shape else [()]
    last = shape[-1] if shape else 1
    if len(known) != last:
        return [(f"{side}{_index((*index, n))}", "") for index in inner for n in range(last)]
    return [(name + _index(index), unit) for index in inner for name, unit in known]


def _index(index: tuple[int, ...]) -> str:
    return "".join(f"[{n}]" for n in index)


def _lane(grid: dict[str, Any], shape: tuple[int, ...]) -> Lane:
    # Outputs are stated without modes: what leaves fits.
    return Lane.from_grid({"rounding": "TRN", "overflow": "WRAP", **grid}, shape)


def _text(value: float) -> str:
    return repr(float(value) + 0.0).removesuffix(".0")  # no minus before a zero
