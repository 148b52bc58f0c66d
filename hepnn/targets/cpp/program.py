"""Any network as straight-line C++: alkaid's integer program, a constant an operation.

Every number of the program is held as a count of its own steps, a power of two each; shifts bring
two numbers to one step. Where all of them, and all that is computed on the way, fit into 32 bits,
so does the code. Programs of many operations are cut into functions; what one leaves for another
lies in an array, whose places are used again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.fixed_point import Lane

#: Operations in one function: compilers need more than proportionally long for longer ones.
_OPERATIONS = 1500

#: Words of the code, the widest that a number may be.
WORDS = (32, 64)

_NEGATIVE, _INPUT, _ADD, _SUBTRACT, _RELU, _QUANTIZE, _SHIFTED, _CONSTANT = range(-2, 6)
_CHOOSE, _MULTIPLY, _LOOK_UP, _BITS_OF_ONE, _BITS_OF_TWO, _SUM = range(6, 12)

#: By alkaid's number, what is done bit by bit.
_BITWISE = ("&", "|", "^")
_INVERTED, _ANY = 0, 1


class Program:
    """alkaid's program as statements of C++.

    Parameters
    ----------
    comb
        alkaid's `CombLogic`.
    lane
        The grid that the inputs are on, for one event.

    Attributes
    ----------
    bits : int
        32 or 64: of the words that hold every number.
    fractions : list of int
        Fraction bits of the outputs.

    Raises
    ------
    TargetError
        If a number needs more than 64 bits, or an operation has no form here.
    """

    def __init__(self, comb: Any, lane: Lane) -> None:
        self._comb = comb
        self._steps = [_step(op.qint.step) for op in comb.ops]
        parts = (np.asarray(part, np.int64).ravel().tolist() for part in (lane.k, lane.i, lane.f))
        self._entering = list(zip(*parts, strict=True))
        self.widest = 1
        self._code = [self._expression(n) for n in range(len(comb.ops))]
        self.bits = next((word for word in WORDS if self.widest <= word), 0)
        if not self.bits:
            raise TargetError(f"target cpp: a number needs {self.widest} bits; there are 64")
        self.fractions = [
            self._steps[place] - shift if place >= 0 else 0
            for place, shift in zip(comb.out_idxs, comb.out_shifts, strict=True)
        ]

    @property
    def operations(self) -> int:
        """How many operations there are."""
        return len(self._code)

    def source(self) -> str:
        """Return tables and functions, `infer` the last of them."""
        ends = [*range(_OPERATIONS, len(self._code), _OPERATIONS), len(self._code)]
        if len(ends) == 1:
            return self._tables() + _function("void infer", self._body(0, ends[0]))
        slots = self._slots()
        kept = max(slots.values(), default=0) + 1
        parts, start = [self._tables(), "namespace {\n"], 0
        calls = [f"    word kept[{kept}];"]
        for number, end in enumerate(ends):
            body = self._body(start, end, slots)
            head = f"void part{number}"
            parts.append(_function(head, body, ", word *kept"))
            calls.append(f"    part{number}(x, y, kept);")
            start = end
        parts.append("}  // namespace\n")
        return "\n".join([*parts, _function("void infer", calls)])

    def _body(self, start: int, end: int, slots: dict[int, int] | None = None) -> list[str]:
        slots = slots or {}
        lines = []
        used = {a for op in self._comb.ops[start:end] for a in op.addr if a < start}
        outputs = [
            (number, place)
            for number, place in enumerate(self._comb.out_idxs)
            if start <= place < end or (place < 0 and start == 0)
        ]
        lines += [f"    const word v{a} = kept[{slots[a]}];" for a in sorted(used)]
        for n in range(start, end):
            lines.append(f"    const word v{n} = {self._code[n]};")
            if n in slots:
                lines.append(f"    kept[{slots[n]}] = v{n};")
        for number, place in outputs:
            sign = "-" if self._comb.out_negs[number] else ""
            lines.append(f"    y[{number}] = {f'{sign}v{place}' if place >= 0 else '0'};")
        return lines

    def _slots(self) -> dict[int, int]:
        """Return the places of the numbers that a later function needs."""
        last: dict[int, int] = {}
        for n, op in enumerate(self._comb.ops):
            for place in op.addr:
                if place // _OPERATIONS != n // _OPERATIONS:
                    last[place] = n // _OPERATIONS
        slots: dict[int, int] = {}
        free: list[int] = []
        ending: dict[int, list[int]] = {}
        count = 0
        for place in sorted(last):
            here = place // _OPERATIONS
            for done in [end for end in ending if end < here]:
                free += ending.pop(done)
            if not free:
                free.append(count)
                count += 1
            slots[place] = free.pop()
            ending.setdefault(last[place], []).append(slots[place])
        return slots

    def _tables(self) -> str:
        tables = self._comb.lookup_tables or ()
        used = sorted({op.data[0] for op in self._comb.ops if op.opcode == _LOOK_UP})
        lines = ["namespace {", *(_table(number, tables[number]) for number in used)]
        return "\n".join([*lines, "}  // namespace\n\n"]) if used else ""

    def _expression(self, n: int) -> str:
        """Return what operation `n` computes, in steps of its result."""
        op = self._comb.ops[n]
        step = self._steps[n]
        match op.opcode:
            case code if code == _INPUT:
                return self._input(op, step)
            case code if code == _NEGATIVE:
                return self._sum(n, [(False, op.addr[0], 0)])
            case code if code in (_ADD, _SUBTRACT):
                first, second = op.addr
                return self._sum(n, [(True, first, 0), (code == _ADD, second, op.data[0])])
            case code if code == _SUM:
                signs, shifts = op.data[0 : 2 * len(op.addr) : 2], op.data[1 : 2 * len(op.addr) : 2]
                return self._sum(n, list(zip(map(bool, signs), op.addr, shifts, strict=True)))
            case code if code == _SHIFTED:
                return self._sum(n, [(True, op.addr[0], 0)], op.data)
            case code if code == _CONSTANT:
                return self._constant(op.data[0])
            case code if code == _RELU:
                (place,) = op.addr
                kept = f"(v{place} > 0 ? v{place} : 0)"
                high = max(self._comb.ops[place].qint.max, 0.0)
                return self._wrapped(_shifted(kept, step - self._steps[place]), op, 0.0, high)
            case code if code == _QUANTIZE:
                scaled = op.data[0]
                ends = (end * 2.0**scaled for end in self._comb.ops[op.addr[0]].qint[:2])
                return self._wrapped(self._on(op.addr[0], step, scaled), op, *ends)
            case code if code == _MULTIPLY:
                first, second = op.addr
                shift = step - self._steps[first] - self._steps[second]
                bits = sum(_bits(self._comb.ops[place].qint) for place in op.addr)
                self.widest = max(self.widest, bits + max(shift, 0))
                return _shifted(f"(v{first} * v{second})", shift)
            case code if code == _CHOOSE:
                return self._choice(op, step)
            case code if code == _LOOK_UP:
                return self._look_up(op, step)
            case code if code == _BITS_OF_ONE and op.data[0] == _INVERTED:
                return self._wrapped(f"(~v{op.addr[0]})", op, -math.inf, math.inf)
            case code if code == _BITS_OF_ONE and op.data[0] == _ANY:
                return f"v{op.addr[0]} != 0"
            case code if code == _BITS_OF_TWO:
                scaled, kind = op.data
                first, second = self._on(op.addr[0], step), self._on(op.addr[1], step, scaled)
                text = f"({first} {_BITWISE[kind]} {second})"
                return self._wrapped(text, op, -math.inf, math.inf)
        raise TargetError(f"target cpp: alkaid's operation {op.opcode} has no form in C++ here")

    def _input(self, op: Any, step: int) -> str:
        (number,) = op.data
        signed, integer, fraction = self._entering[number]
        shift = self._comb.inp_shifts[number]
        text = _shifted(f"x[{number}]", step - fraction + shift)
        low, high = -signed * 2.0**integer, 2.0**integer - 2.0**-fraction
        self.widest = max(self.widest, signed + integer + fraction + 2)
        return self._wrapped(text, op, low * 2.0**shift, high * 2.0**shift)

    def _sum(
        self, n: int, terms: list[tuple[bool, int, int]], constant: tuple[int, ...] = ()
    ) -> str:
        """Return a sum, computed in the smallest step of its terms."""
        step = max(self._steps[n], *(self._steps[place] - scaled for _, place, scaled in terms))
        if constant:
            value, fraction = constant
            step = max(step, fraction)
        text = ""
        for plus, place, scaled in terms:
            sign = " + " if plus else " - "
            text += (sign if text else sign.strip(" +")) + self._on(place, step, scaled)
        if constant:
            text += f" + {self._constant(value * 2.0 ** (step - fraction))}"
        finer = step - self._steps[n]
        self.widest = max(self.widest, _bits(self._comb.ops[n].qint) + finer + len(terms) + 1)
        return _shifted(f"({text})", -finer) if finer else text

    def _choice(self, op: Any, step: int) -> str:
        if_set, if_not, key = op.addr
        held = self._comb.ops[key].qint
        # The highest bit of a number is its sign, where it has one.
        highest = 1 << (sum(map(int, held.kif)) - 1)
        is_set = f"v{key} < 0" if held.min < 0 else f"v{key} >= {_literal(highest)}"
        first, second = self._on(if_set, step), self._on(if_not, step, op.data[0])
        ends = [*self._comb.ops[if_set].qint[:2]]
        ends += [end * 2.0 ** op.data[0] for end in self._comb.ops[if_not].qint[:2]]
        return self._wrapped(f"({is_set} ? {first} : {second})", op, min(ends), max(ends))

    def _look_up(self, op: Any, step: int) -> str:
        number, place = op.data[0], op.addr[0]
        held = self._comb.ops[place].qint
        lowest = round(held.min / held.step)
        shift = step - int(self._comb.lookup_tables[number].spec.out_kif[2])
        self.widest = max(self.widest, _bits(op.qint) + abs(shift) + 1)
        return _shifted(f"table{number}[v{place} - {_literal(lowest)}]", shift)

    def _on(self, place: int, step: int, scaled: int = 0) -> str:
        """Return a number times ``2**scaled``, counted in steps of ``2**-step``."""
        shift = step - self._steps[place] + scaled
        self.widest = max(self.widest, _bits(self._comb.ops[place].qint) + max(shift, 0) + 1)
        return _shifted(f"v{place}", shift)

    def _wrapped(self, text: str, op: Any, low: float, high: float) -> str:
        """Return the lowest bits of a number between `low` and `high`, as the result holds them."""
        signed, integer, fraction = map(int, op.qint.kif)
        if low >= -signed * 2.0**integer and high < 2.0**integer:
            return text
        bits = signed + integer + fraction
        self.widest = max(self.widest, bits + 2)
        mask = _literal((1 << bits) - 1)
        if not signed:
            return f"{text} & {mask}"
        half = _literal(1 << (bits - 1))
        return f"(({text} + {half}) & {mask}) - {half}"

    def _constant(self, value: float) -> str:
        self.widest = max(self.widest, int(abs(value)).bit_length() + 2)
        return _literal(value)


def _step(step: float) -> int:
    """Return the fraction bits of numbers that are multiples of `step`."""
    return -int(math.frexp(step)[1] - 1)


def _bits(held: Any) -> int:
    largest = max(abs(held.min), abs(held.max)) / held.step
    return int(largest).bit_length() + 1


def _shifted(text: str, shift: int) -> str:
    if shift > 0:
        return f"{text} * {_literal(1 << shift)}"
    return f"({text} >> {-shift})" if shift else text


def _literal(value: float) -> str:
    whole = int(value)
    if whole != value:
        raise TargetError(f"target cpp: a constant of {value} steps is none")
    text = f"{whole}" if abs(whole) < 1 << 31 else f"INT64_C({whole})"
    return text if whole >= 0 else f"({text})"


def _function(head: str, body: list[str], more: str = "") -> str:
    return "\n".join([f"{head}(const word *x, word *y{more}) {{", *body, "}\n"])


def _table(number: int, table: Any) -> str:
    values = ", ".join(_numbers(table))
    return f"constexpr word table{number}[] = {{{values}}};"


def _numbers(table: Any) -> Iterator[str]:
    """Yield the entries of a table, as alkaid holds them: the lowest bits of a number."""
    signed, integer, fraction = table.spec.out_kif
    bits = int(signed) + int(integer) + int(fraction)
    for entry in table.table:
        value = int(entry) % (1 << bits)
        yield str(value - (1 << bits) if signed and value >> (bits - 1) else value)
