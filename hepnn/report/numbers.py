"""Numbers as a reader wants them: digits that mean something, and a unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

#: What stands where there is nothing.
NOTHING = "–"


def count(value: Any) -> str:
    """Write a whole number.

    >>> count(22500)
    '22,500'
    """
    return f"{round(value):,}" if _is_number(value) else _other(value)


def significant(value: Any, digits: int = 3) -> str:
    """Write a number with so many significant digits; whole ones in full.

    >>> significant(0.004567), significant(1234.5), significant(3.0e-6), significant(5612)
    ('0.00457', '1,234', '3e-06', '5,612')
    """
    if not _is_number(value):
        return _other(value)
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    size = math.floor(math.log10(abs(value)))
    if not -4 <= size < 12:
        return f"{value:.{digits}g}"
    return f"{value:,.{max(digits - 1 - size, 0)}f}"


def percent(value: Any, digits: int = 2) -> str:
    """Write a fraction as a percentage, with so many significant digits below one.

    >>> percent(0.7254), percent(0.00089), percent(0), percent(1.0)
    ('72.5 %', '0.089 %', '0 %', '100 %')
    """
    if not _is_number(value):
        return _other(value)
    share = 100 * value
    if share in (0, 100):
        return f"{share:.0f} %"
    return f"{share:.1f} %" if abs(share) >= 1 else f"{significant(share, digits)} %"


def measured(
    value: Any, interval: Sequence[float] | None = None, *, scale: float = 1.0, unit: str = ""
) -> tuple[str, str]:
    """Write a measured value and its interval, to two digits of the interval's half-width.

    >>> measured(0.72536, (0.7224, 0.7284), scale=100, unit=" %")
    ('72.54 %', '72.24 to 72.84')
    >>> measured(251.3, (230.2, 275.0))
    ('251', '230 to 275')
    >>> measured(2.051e-9, (1.98e-9, 2.12e-9), unit=" s")
    ('2.051e-09 s', '1.980e-09 to 2.120e-09')
    """
    if not _is_number(value):
        return _other(value), ""
    if interval is None or not all(map(_is_number, interval)) or len(interval) != 2:
        return significant(value * scale, 4) + unit, ""
    low, high = interval[0] * scale, interval[1] * scale
    half = (high - low) / 2
    digit = 1 - math.floor(math.log10(half)) if half > 0 else 4
    if digit > 8:  # more zeros than can be read
        largest = max(abs(value), abs(interval[0]), abs(interval[1])) * scale
        mantissa = max(digit + math.floor(math.log10(largest)), 0)
        shown = [f"{number * scale:.{mantissa}e}" for number in (value, *interval)]
        return f"{shown[0]}{unit}", f"{shown[1]} to {shown[2]}"
    places = min(max(digit, 0), 6)
    # A half-width of tens or hundreds: whole numbers, two digits of them would be rounding up.
    return f"{value * scale:,.{places}f}{unit}", f"{low:,.{places}f} to {high:,.{places}f}"


def size(value: Any) -> str:
    """Write a number of bytes.

    >>> size(980), size(41_234), size(3_210_000)
    ('980 B', '41.2 kB', '3.21 MB')
    """
    if not _is_number(value):
        return _other(value)
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def nanoseconds(value: Any) -> str:
    """Write a short time.

    >>> nanoseconds(88), nanoseconds(7312), nanoseconds(1_400_000)
    ('88 ns', '7.31 µs', '1.4 ms')
    """
    if not _is_number(value):
        return _other(value)
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} ns"


def duration(value: Any) -> str:
    """Write a time of seconds to hours.

    >>> duration(0.43), duration(12.34), duration(252), duration(3900)
    ('0.43 s', '12.3 s', '4 min 12 s', '1 h 05 min')
    """
    if not _is_number(value):
        return _other(value)
    if value < 59.95:
        return f"{value:.3g} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _other(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
