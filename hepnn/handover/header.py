"""The interface as constants of C++: names, units and steps, in the order of the numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence

NAME = "quantities.h"

_TEXT = """\
// What goes into the network and what comes out, in the order of the numbers.
#pragma once

#define QUANTITIES_OF_{namespace}

namespace {namespace} {{

struct Quantity {{
    const char *name, *unit;
    double step, lowest, highest;  // of its grid
}};

constexpr Quantity QUANTITIES[] = {{
{inputs}
}};

constexpr Quantity RESULTS[] = {{
{outputs}
}};

}}  // namespace {namespace}
"""


def text(rows: Sequence[dict[str, str]], namespace: str) -> str:
    """Return the header.

    Parameters
    ----------
    rows
        Of the interface, as `ports.rows` gives them.
    namespace
        Of the network.
    """
    sides: dict[str, list[str]] = {"input": [], "output": []}
    for row in rows:
        # JSON's escapes are C++'s, but for signs that source code may hold as they are.
        name, unit = (json.dumps(row[key], ensure_ascii=False) for key in ("name", "unit"))
        numbers = ", ".join(row[key] for key in ("step", "lowest", "highest"))
        sides[row["direction"]].append(f"    {{{name}, {unit}, {numbers}}},")
    inputs, outputs = ("\n".join(lines) for lines in sides.values())
    return _TEXT.format(namespace=namespace, inputs=inputs, outputs=outputs)
