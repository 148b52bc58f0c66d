"""Fits or not: what a firmware needs, with its error band, against what its part may give.

A need is `{"value": ..., "low": ..., "high": ...}`. It fits when even `high` is within what may
be used, does not fit when even `low` is beyond, and between the two nothing can be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hepnn.targets.kit import Kit

FITS, TOO_LARGE, OPEN, UNKNOWN = "fits", "does not fit", "cannot say", "not known"

#: What every firmware needs; without it nothing can be said.
_FIRST = "lut"


def exactly(value: float) -> dict[str, float]:
    """Return a need that is known.

    >>> exactly(3)
    {'value': 3, 'low': 3, 'high': 3}
    """
    return {"value": value, "low": value, "high": value}


def part_of(kit: Kit) -> dict[str, Any]:
    """Return what is kept beside an artefact: part, resources and the share of them."""
    resources = None if kit.resources is None else kit.resources.model_dump()
    return {"part": kit.part, "resources": resources, "share": kit.share}


def verdict(needs: Mapping[str, Mapping[str, float]], part: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the needs fit, and a line that says so.

    Parameters
    ----------
    needs
        By resource: `lut`, `ff`, `dsp`, `bram` (blocks of 36 kbit), `uram`.
    part
        Of `part_of`.

    Returns
    -------
    dict
        `verdict`, `text`, and for every resource `needs` and `may_use`.

    >>> part = {"part": "xc", "resources": {"lut": 1000}, "share": 0.5}
    >>> verdict({"lut": {"value": 450, "low": 400, "high": 520}}, part)["text"]
    'cannot say: 450 (400 to 520) of 500 LUT, 50 % of xc'
    """
    resources, share = part.get("resources"), part.get("share", 1.0)
    if not resources:
        text = f"the kit does not say what {part.get('part') or 'its part'} has"
        return {"verdict": UNKNOWN, "text": f"{UNKNOWN}: {text}"}
    found: dict[str, dict[str, Any]] = {}
    for name, need in needs.items():
        may_use = resources.get(name, 0) * share
        found[name] = {"needs": dict(need), "may_use": may_use, "verdict": _one(need, may_use)}
    outcomes = [one["verdict"] for one in found.values()]
    if _FIRST not in found:
        outcomes.append(OPEN)
    outcome = next((word for word in (TOO_LARGE, OPEN) if word in outcomes), FITS)
    telling = [name for name, one in found.items() if one["verdict"] == outcome]
    where = f"{100 * share:g} % of {part.get('part')}"
    if not telling:
        text = f"{outcome}: LUTs are not known without the vendor's tool ({where})"
    else:
        # All fit: the one that comes nearest to its limit.
        name = max(telling, key=lambda name: _fill(found[name]))
        text = f"{outcome}: {_words(found[name])} {name.upper()}, {where}"
    return {"verdict": outcome, "text": text, "share": share, "part": part.get("part"), **found}


def clock(period: Mapping[str, float], clock_period_ns: float) -> str:
    """Say whether the clock is met, for the shortest period that the design can have.

    >>> clock({"value": 4.4, "low": 3.4, "high": 5.7}, 5.0)
    'cannot say: needs 4.4 ns (3.4 to 5.7), the clock has 5 ns'
    """
    outcome = {FITS: "met", TOO_LARGE: "missed", OPEN: OPEN}[_one(period, clock_period_ns)]
    band = "" if period["low"] == period["high"] else f" ({period['low']:g} to {period['high']:g})"
    return f"{outcome}: needs {period['value']:g} ns{band}, the clock has {clock_period_ns:g} ns"


def _one(need: Mapping[str, float], may_use: float) -> str:
    if need["high"] <= may_use:
        return FITS
    return TOO_LARGE if need["low"] > may_use else OPEN


def _fill(one: Mapping[str, Any]) -> float:
    return one["needs"]["high"] / max(one["may_use"], 1e-9)


def _words(one: Mapping[str, Any]) -> str:
    need = one["needs"]
    band = "" if need["low"] == need["high"] else f" ({need['low']:,.0f} to {need['high']:,.0f})"
    return f"{need['value']:,.0f}{band} of {one['may_use']:,.0f}"
