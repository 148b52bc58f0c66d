"""The copying memory problem: repeat symbols after a delay.

S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997) 1735, in the form of M. Arjovsky,
A. Shah, Y. Bengio (arXiv:1511.06464, section 4.1). With M symbols and a delay T the input has
T + 2 M tokens: M symbols, T - 1 blanks, the sign to begin, M blanks. The wanted output is T + M
blanks and then the symbols. Tokens are the paper's plus one, since 0 is padding: symbols from 1 to
n, the blank n + 1, the sign n + 2.

Who answers blank up to the sign and then guesses has the cross-entropy of `baseline`.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration


class Options(Declaration):
    """Options of the set."""

    sequences: int = Field(10_000, ge=2)
    symbols: int = Field(8, ge=2, description="how many different ones there are")
    length: int = Field(10, ge=1, description="how many are to be repeated")
    delay: int = Field(20, ge=1)
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `input` and `output` (sequences, delay + 2 length)."""
    rng = np.random.default_rng(options.seed)
    n, m, t = options.symbols, options.length, options.delay
    symbols = rng.integers(1, n + 1, (options.sequences, m))
    given = np.full((options.sequences, t + 2 * m), n + 1, np.int32)
    wanted = given.copy()
    given[:, :m] = symbols
    given[:, m + t - 1] = n + 2
    wanted[:, m + t :] = symbols
    return {"input": given, "output": wanted}


def baseline(options: Options) -> float:
    """Return M ln(n) / (T + 2 M), the cross-entropy a token of who remembers nothing.

    >>> round(baseline(Options()), 4)
    0.5199
    """
    total = options.length * np.log(options.symbols)
    return float(total / (options.delay + 2 * options.length))
