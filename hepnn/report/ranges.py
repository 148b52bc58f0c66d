"""What a firmware can hold beside what it meets, where its types were calibrated from events."""

from __future__ import annotations

from typing import Any

from hepnn.report import numbers
from hepnn.report.folder import Contents


def of_artefacts(contents: Contents) -> list[dict[str, Any]]:
    """Return, for each artefact with calibrated types, the rows of its ranges and its tables."""
    return [
        {
            "stage": stage,
            "name": name,
            "rows": [_row(one) for one in written["ranges"]],
            "tables": [_table(one) for one in written.get("tables", ())],
            "beyond": sum(one["beyond"] != "fits" for one in written["ranges"]),
        }
        for stage, exported in contents.exports.items()
        for name, written in exported.items()
        if written.get("ranges")
    ]


def _row(one: dict[str, Any]) -> dict[str, Any]:
    reach = _span(one["interval"])
    return {
        "label": f"{one['layer']}, {one['kind']}",
        "cells": [
            {"text": _span(one["seen"])},
            {"text": reach, "small": "" if one["propagated"] else "as seen"},
            {"text": one["type"]},
            {"text": _span(one["holds"])},
            {"text": one["beyond"], "state": "" if one["beyond"] == "fits" else "bad"},
        ],
    }


def _table(one: dict[str, Any]) -> dict[str, Any]:
    cells = [
        one["function"],
        numbers.count(one["entries"]),
        _span(one["addressed"]),
        numbers.significant(one["step"]),
        numbers.significant(one["error"]),
        numbers.percent(one.get("flips")),
    ]
    return {"label": one["layer"], "cells": [{"text": text} for text in cells]}


def _span(ends: list[float]) -> str:
    return " to ".join(numbers.significant(end) for end in ends)
