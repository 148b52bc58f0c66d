"""Seven faults of alkaid 0.8.2's tracing, mended for as long as a network is traced.

The first five gave firmware that differs from the Keras model without a word, the others stop
the tracer. They were found by comparing random operations with plain arithmetic, and are here
with the smallest case that shows them.

1. *A wrap to one unsigned bit forgets the shift of its source.* `x` in 0...15; `2 x` on a lane
   k, i, f = 0, 4, -3 is bit 3 of `2 x`; the pass that tidies up sign bits turns it into bit 3
   of `x`, whenever the wanted bit has the weight of the unshifted source's highest one. It may
   do so for a shift to the right, where both are copies of the sign.
2. *A constant on an unsigned lane wraps with one bit too many.* -1.75 on 0, 4, 0 became 30; it
   is 14. Neurons whose weights are all pruned are constants.
3. *Rounding to the even neighbour (RND_CONV) looks for the tie at the wrong bit* when the half
   that is added brings the number to a coarser grid: `2 y + 0.25` for whole `y` on 1, 5, 1.
4. *The larger of two numbers is the wrong one* when their difference cannot be negative, because
   its highest bit is then no sign: `max(x + y, x)` for `y >= 0`.
5. *A choice by the sign of a number takes another bit* where the program, gone through once
   more, knows the number to be in a smaller range. Two quantizations of `x` in 0...15 to whole
   numbers, a and b, become one; `a - b / 2`, first held for -7.5...15, is then 0...7.5, and
   `max(a - b / 2, -1)` looks at the bit of 4. A convolution of repeated pixels has such sums.
6. *A matrix product of nothing but constants* ends in a bare StopIteration.
7. *A matrix product with numbers of one bit, the sign alone,* looks them up in a table meant for
   0 and 1, and ends in an assertion.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import ROUNDINGS

#: alkaid's code of a choice between two numbers by the highest bit of a third.
_CHOICE = 6

#: The mends replace methods of alkaid's classes, so one network is traced at a time.
_TRACING = threading.RLock()


@contextlib.contextmanager
def repaired() -> Iterator[None]:
    """Mend alkaid's tracing inside the block, and put everything back after it."""
    from alkaid.trace import fixed_variable_array
    from alkaid.trace.fixed_variable import FVariable
    from alkaid.trace.passes import canon
    from alkaid.types import CombLogic

    with _TRACING, contextlib.ExitStack() as stack:
        for owner, name, mend in (
            (canon, "canonicalize_msb_wraps", _mended_canonicalization),
            (fixed_variable_array, "cmvm", _mended_product),
            (FVariable, "quantize", _mended_quantize),
            (FVariable, "max_of", _mended_maximum),
            (FVariable, "min_of", _mended_minimum),
            (CombLogic, "exec_op", _mended_execution),
        ):
            original = getattr(owner, name)
            setattr(owner, name, mend(original))
            stack.callback(setattr, owner, name, original)
        yield


def _mended_canonicalization(original: Any) -> Any:
    def canonicalize_msb_wraps(comb: Any) -> Any:
        tidied = original(comb)
        operations = [
            before if before.data != after.data and before.data[0] > 0 else after
            for before, after in zip(comb.ops, tidied.ops, strict=True)
        ]
        return tidied._replace(ops=operations)

    return canonicalize_msb_wraps


def _mended_product(original: Any) -> Any:
    def cmvm(matrix: np.ndarray, vector: Any, options: Any) -> np.ndarray:
        from alkaid.trace.fixed_variable import FVariable

        terms = np.asarray(vector).ravel()
        weighted = terms[np.any(matrix != 0, axis=1)]
        if not any(_is_variable(term) for term in weighted):
            values = np.array([float(term.low) for term in terms])
            values = np.where(np.any(matrix != 0, axis=1), values, 0.0)
            sums = values @ np.asarray(matrix, np.float64)
            constants = [FVariable.from_const(float(total), hwconf=vector.hwconf) for total in sums]
            return np.array(constants, dtype=object)
        if any(_is_lone_sign(term) for term in weighted):
            options = {**options, "binary_lut": False}
        return original(matrix, vector, options)

    return cmvm


def _mended_quantize(original: Any) -> Any:
    def quantize(
        self: Any,
        k: int,
        i: int,
        f: int,
        overflow_mode: str = "WRAP",
        round_mode: str = "TRN",
    ) -> Any:
        k, i, f = int(k), int(i), int(f)
        if k + i + f <= 0:
            return self.from_const(0.0, hwconf=self.hwconf)
        if not _is_variable(self):
            value = _on_lane(float(self.low), k, i, f, overflow_mode, round_mode)
            return self.from_const(value, hwconf=self.hwconf)
        if round_mode != "RND_CONV":
            return original(self, k, i, f, overflow_mode, round_mode)
        x = self
        if overflow_mode != "WRAP":
            low, high = _ends(k, i, f, overflow_mode)
            x = x.max_of(low).min_of(high)
        return quantize(_rounded_to_even(x, f), k, i, f)

    return quantize


def _mended_maximum(original: Any) -> Any:
    def max_of(self: Any, other: Any) -> Any:
        if _is_variable(other):
            difference = self - other
            if difference.low >= 0:
                return self
            if difference.high <= 0:
                return other
        return original(self, other)

    return max_of


def _mended_minimum(original: Any) -> Any:
    def min_of(self: Any, other: Any) -> Any:
        if _is_variable(other):
            difference = self - other
            if difference.low >= 0:
                return other
            if difference.high <= 0:
                return self
        return original(self, other)

    return min_of


def _mended_execution(original: Any) -> Any:
    def exec_op(self: Any, op: Any, buffer: Any, inputs: Any) -> Any:
        if op.opcode != _CHOICE or not _is_variable(buffer[op.addr[2]]):
            return original(self, op, buffer, inputs)
        if_set, if_not, key = (buffer[place] for place in op.addr)
        held = self.ops[op.addr[2]].qint
        # The highest bit, in the range that the number was held for, is set from here on; of a
        # number with a sign, below here.
        turn = 0.0 if held.min < 0 else 2.0 ** (held.kif[1] - 1)
        below, from_there = key.high < turn, key.low >= turn
        if below or from_there:
            is_set = below if held.min < 0 else from_there
            return if_set if is_set else if_not * 2.0 ** op.data[0]
        return original(self, op, buffer, inputs)

    return exec_op


def _is_variable(value: Any) -> bool:
    from alkaid.trace.fixed_variable import FVariable

    return isinstance(value, FVariable) and value.low != value.high


def _is_lone_sign(value: Any) -> bool:
    signed, integer, fraction = value.kif
    return bool(signed) and 1 + integer + fraction == 1


def _rounded_to_even(x: Any, f: int) -> Any:
    """Bring `x` to where cutting it below `2**-f` rounds it, a tie to the even neighbour.

    Half a step less one last place is added, and the last place when the number that stays is
    odd: then a tie alone is carried up from an odd number and falls short from an even one.
    """
    _, _, fraction = x.kif
    if f >= fraction or not _is_variable(x):
        return x
    last = 2.0**-fraction
    odd = x.quantize(0, 1 - f, f)
    return x + (2.0 ** (-f - 1) - last) + odd * 2.0 ** (f - fraction)


def _on_lane(x: float, k: int, i: int, f: int, overflow: str, rounding: str) -> float:
    """Quantize a number that is known now."""
    if overflow != "WRAP":
        low, high = _ends(k, i, f, overflow)
        x = min(max(x, low), high)
    steps = float(ROUNDINGS[rounding](np.array([x * 2.0**f]))[0])
    if overflow == "WRAP":
        half = k * 2.0 ** (i + f)
        steps = (steps + half) % 2.0 ** (k + i + f) - half
    return steps * 2.0**-f


def _ends(k: int, i: int, f: int, overflow: str) -> tuple[float, float]:
    high = 2.0**i - 2.0**-f
    return -k * (high if overflow == "SAT_SYM" else 2.0**i), high
