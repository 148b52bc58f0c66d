"""What an hls4ml type holds, and what it does to a number."""

from __future__ import annotations

from typing import Any

import numpy as np


def called(kind: Any) -> str:
    """Return a type's name, without the vendor's prefix."""
    return str(kind).replace("ap_", "")


def fraction(kind: Any) -> int:
    """Return a type's fraction bits."""
    return int(kind.width) - int(kind.integer)


def limits(kind: Any) -> tuple[float, float]:
    """Return the smallest and the largest number of a type."""
    top = 2.0 ** (int(kind.integer) - bool(kind.signed))
    return (-top if kind.signed else 0.0), top - 2.0 ** -fraction(kind)


def saturates(kind: Any) -> bool:
    """Say whether a type cuts what does not fit; else it wraps."""
    return "SAT" in str(kind.saturation_mode)


def described(kind: Any) -> str:
    """Return a type's name and limits, for people."""
    low, high = limits(kind)
    return f"{called(kind)} holds {low:.4g} to {high:.4g}"


def holds(kind: Any, low: float, high: float) -> bool:
    """Say whether a type's limits are no nearer than two numbers."""
    lowest, highest = limits(kind)
    return lowest <= low and high <= highest


def outside(kind: Any, values: np.ndarray) -> float:
    """Return the share of numbers that are more than a step beyond a type's limits."""
    low, high = limits(kind)
    step = 2.0 ** -fraction(kind)
    return float(np.mean((values < low - step) | (values > high + step)))


def on(values: np.ndarray, kind: Any) -> np.ndarray:
    """Return numbers as an `ap_fixed` holds them: truncated or rounded, wrapped or cut."""
    low, high = limits(kind)
    step = 2.0 ** -fraction(kind)
    scaled = np.asarray(values, np.float64) / step
    whole = np.floor(scaled + 0.5) if "RND" in str(kind.rounding_mode) else np.floor(scaled)
    if saturates(kind):
        return np.clip(whole * step, low, high)
    count = 2.0 ** int(kind.width)
    lowest = low / step
    return (np.mod(whole - lowest, count) + lowest) * step
