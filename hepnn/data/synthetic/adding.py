"""The adding problem: sum two marked numbers of a long sequence.

S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997) 1735, section 5.4, in the form of
M. Arjovsky, A. Shah, Y. Bengio (arXiv:1511.06464, section 4.2): values are uniform in [0, 1), one
is marked in the first half of the sequence and one in the second, and the target is their sum.
(The first paper has values in [-1, 1], sequences of several lengths, both marks in the first half
and the sum scaled to [0, 1].)

Who always answers 1 has a mean squared error of 1/6, the variance of the sum of two uniform
numbers.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration

BASELINE = 1 / 6


class Options(Declaration):
    """Options of the set."""

    sequences: int = Field(10_000, ge=2)
    length: int = Field(50, ge=2)
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `value` and `marker` (sequences, length), and `sum`."""
    rng = np.random.default_rng(options.seed)
    value = rng.random((options.sequences, options.length), np.float32)
    half, every = options.length // 2, np.arange(options.sequences)
    first = rng.integers(0, half, options.sequences)
    second = rng.integers(half, options.length, options.sequences)
    marker = np.zeros(value.shape, np.float32)
    marker[every, first] = 1
    marker[every, second] = 1
    return {"value": value, "marker": marker, "sum": value[every, first] + value[every, second]}
