"""Expressions over columns: what a card's quantities, selections and conditions are written in.

They look like Python and are Python's grammar, read by `ast`; what is in the tables below is
carried out by numpy and awkward, and anything else is refused when the text is read. Nothing
is evaluated as code.

- Operators `+ - * / // % **`, comparisons (also chained), `and or not`, `& | ~`, and
  `a if condition else b`. They go event by event, and member by member through lists; `&` and
  `|` are logic between conditions and work on the bits of whole numbers.
- `x[:, 0]` and `x[:, :4]` cut each event's list; `x[mask]`, `x[argsort(y)]` and `x[argmax(y)]`
  choose from it.
- The functions of `hepnn.data.functions`, and `pi`.
- `p4(pt, eta, phi, mass)` makes four-momenta, which have `.pt`, `.eta`, `.mass` and so on, can
  be added and subtracted, and summed over a list.

Whole numbers are computed with as int64, whatever a file stores them as. Powers, and operations
between constants, are computed in floats.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hepnn.data import functions, operations
from hepnn.data.eventwise import is_momenta, rank, settled
from hepnn.data.formats.reader import no_column, one_line
from hepnn.data.four_momenta import ATTRIBUTES, attribute, pairs
from hepnn.data.operations import ARITHMETIC, BITS, COMPARISONS
from hepnn.errors import DataError, HepnnError, RecipeError, nearest

LONGEST = 2000
DEEPEST = 50
LARGEST_POWER = 16

Columns = Mapping[str, Any]
Step = Callable[[Columns], Any]


class Expression:
    """A text that gives a value from columns.

    Attributes
    ----------
    text : str
        As it was written.
    names : frozenset of str
        The columns it needs.

    Raises
    ------
    RecipeError
        If the text is no expression or says something that is not allowed.

    Examples
    --------
    >>> mass = Expression("sqrt(E**2 - px**2 - py**2 - pz**2)")
    >>> sorted(mass.names)
    ['E', 'px', 'py', 'pz']
    >>> float(mass({"E": np.array([5.0]), "px": 0.0, "py": 0.0, "pz": 3.0})[0])
    4.0
    """

    def __init__(self, text: str, where: str = "") -> None:
        self.text = text
        self.where = where
        self._needed: set[str] = set()
        self._step = self._parsed()
        self.names = frozenset(self._needed)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(self, columns: Columns, where: str = "") -> Any:
        """Return the value: a number, numpy's array, or awkward's of lists or four-momenta.

        Parameters
        ----------
        columns
            numpy arrays `(events, ...)` and awkward arrays of lists, by name.
        where
            File or dataset, for messages; by default where the expression was written.

        Raises
        ------
        DataError
            If a column is missing, naming the nearest, or if an operation fails on them.
        """
        where = where or self.where
        for name in sorted(self.names):
            if name not in columns:
                raise DataError(_at(where, no_column(name, columns, "column", "columns")))
        try:
            with np.errstate(all="ignore"):
                return self._step(columns)
        except _Failed as error:
            raise DataError(_at(where, str(error))) from error.__cause__

    def _parsed(self) -> Step:
        if len(self.text) > LONGEST:
            raise RecipeError(_at(self.where, f"an expression of more than {LONGEST} characters"))
        text = self.text.strip().replace("\n", " ")
        if keyword.iskeyword(text) and text.islower():  # a column may well be called `class`
            self._needed.add(text)
            return lambda columns: columns[text]
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError as error:
            raise self._wrong(f"no expression: {_hint(text, error)}") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._wrong("no expression, or too deeply nested") from error
        return self._step_of(tree.body, 1)

    def _wrong(self, message: str) -> RecipeError:
        text = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return RecipeError(_at(self.where, f"{text!r}: {message}"))

    def _refused(self, node: ast.AST, hint: str = "") -> RecipeError:
        place = getattr(node, "col_offset", 0) + 1
        kind = type(node).__name__
        return self._wrong(f"{hint or f'{kind} is not allowed'}, at character {place}")

    def _step_of(self, node: ast.AST, depth: int) -> Step:
        if depth > DEEPEST:
            raise self._wrong(f"nested more than {DEEPEST} deep")
        builders: dict[type, Callable[..., Step]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._boolean,
            ast.Compare: self._comparison,
            ast.IfExp: self._choice,
            ast.Call: self._call,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
        }
        if type(node) not in builders:
            raise self._refused(node)
        return builders[type(node)](node, depth + 1)

    def _constant(self, node: ast.Constant, depth: int) -> Step:
        value = self._number(node)
        return lambda columns: value

    def _number(self, node: ast.AST) -> int | float:
        """Return a constant, which may have a sign."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._number(node.operand)
        if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
            raise self._refused(node, "a number is needed, and column names are not quoted")
        value = node.value
        if isinstance(value, int) and not -(2**63) < value < 2**63 or not math.isfinite(value):
            raise self._refused(node, "a number out of range")
        return value

    def _name(self, node: ast.Name, depth: int) -> Step:
        name = node.id
        if name == "pi":
            return lambda columns: math.pi
        if "__" in name:
            raise self._refused(node, f'{name!r} is no plain name: column("{name}")')
        return self._column(name)

    def _column(self, name: str) -> Step:
        self._needed.add(name)
        return lambda columns: columns[name]

    def _operation(self, node: ast.AST, call: Callable[..., Any], *steps: Step) -> Step:
        def run(columns: Columns) -> Any:
            values = [step(columns) for step in steps]
            try:
                return settled(call(*values))
            except (HepnnError, _Failed):
                raise
            except Exception as error:  # numpy and awkward fail in many ways
                raise _Failed(f"{ast.unparse(node)!r}: {one_line(error)}") from error

        return run

    def _binary(self, node: ast.BinOp, depth: int) -> Step:
        sides = [self._step_of(node.left, depth), self._step_of(node.right, depth)]
        if type(node.op) in BITS:
            operator = type(node.op)
            return self._operation(node, lambda a, b: operations.bitwise(operator, a, b), *sides)
        if type(node.op) not in ARITHMETIC:
            raise self._refused(node, f"{type(node.op).__name__} is not allowed")
        if isinstance(node.op, ast.Pow):
            self._check_power(node.right)
        ufunc = ARITHMETIC[type(node.op)]
        return self._operation(node, lambda a, b: operations.arithmetic(ufunc, a, b), *sides)

    def _check_power(self, node: ast.AST) -> None:
        signed = node.operand if isinstance(node, ast.UnaryOp) else node
        if not isinstance(signed, ast.Constant):
            raise self._refused(node, "a power is a constant; else exp(power * log(x))")
        if abs(self._number(node)) > LARGEST_POWER:
            raise self._refused(node, f"a power above {LARGEST_POWER}")

    def _unary(self, node: ast.UnaryOp, depth: int) -> Step:
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            value = self._number(node)
            return lambda columns: value
        inner = self._step_of(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return self._operation(node, operations.logical(np.logical_not), inner)
        if isinstance(node.op, ast.Invert):
            return self._operation(node, operations.inverted, inner)
        sign = np.negative if isinstance(node.op, ast.USub) else np.positive
        return self._operation(node, functions.elementwise(sign), inner)

    def _boolean(self, node: ast.BoolOp, depth: int) -> Step:
        ufunc = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return self._all_of(node, ufunc, [self._step_of(value, depth) for value in node.values])

    def _all_of(self, node: ast.AST, ufunc: Any, steps: list[Step]) -> Step:
        combined = steps[0]
        for step in steps[1:]:
            combined = self._operation(node, operations.logical(ufunc), combined, step)
        return combined

    def _comparison(self, node: ast.Compare, depth: int) -> Step:
        sides = [node.left, *node.comparators]
        if len(sides) > 2 and any(
            isinstance(side, ast.BinOp) and type(side.op) in BITS for side in sides
        ):
            raise self._refused(node, "comparisons beside & or | need brackets: (a > 1) & (b > 2)")
        steps = [self._step_of(side, depth) for side in sides]
        compared = []
        for operator, left, right in zip(node.ops, steps, steps[1:], strict=False):
            if type(operator) not in COMPARISONS:
                raise self._refused(node, f"{type(operator).__name__} is not allowed")
            compare = functions.elementwise(COMPARISONS[type(operator)])
            compared.append(self._operation(node, compare, left, right))
        return self._all_of(node, np.logical_and, compared)

    def _choice(self, node: ast.IfExp, depth: int) -> Step:
        parts = [self._step_of(part, depth) for part in (node.test, node.body, node.orelse)]
        return self._operation(node, functions.where, *parts)

    def _call(self, node: ast.Call, depth: int) -> Step:
        name = self._called(node)
        if name == "column":
            quoted = node.args[0]
            if not isinstance(quoted, ast.Constant) or not isinstance(quoted.value, str):
                raise self._refused(node, 'column takes a quoted name: column("a.b")')
            return self._column(quoted.value)
        if name == "pairs":
            raise self._refused(node, "pairs(x) are two: take pairs(x)[0] and pairs(x)[1]")
        steps = [self._step_of(argument, depth) for argument in node.args]
        return self._operation(node, functions.FUNCTIONS[name].call, *steps)

    def _called(self, node: ast.Call) -> str:
        """Return a function's name, its arguments counted."""
        if not isinstance(node.func, ast.Name):
            raise self._refused(node, "only functions are called, by their name")
        name = node.func.id
        if name not in functions.FUNCTIONS:
            hint = no_column(name, functions.FUNCTIONS, "function", "functions")
            raise self._refused(node, hint)
        function = functions.FUNCTIONS[name]
        fewest, most = function.counts
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            raise self._refused(node, f"arguments of {name}({function.arguments}) go by place")
        if not fewest <= len(node.args) <= most:
            hint = f"; see {name}imum(a, b)" if name in ("min", "max") else ""
            raise self._refused(
                node, f"{len(node.args)} arguments for {name}({function.arguments}){hint}"
            )
        return name

    def _attribute(self, node: ast.Attribute, depth: int) -> Step:
        name = node.attr
        if name not in ATTRIBUTES:
            raise self._refused(node, f"no attribute {name!r}; {nearest(name, ATTRIBUTES)}")
        inner = self._step_of(node.value, depth)
        return self._operation(node, lambda value: attribute(value, name), inner)

    def _subscript(self, node: ast.Subscript, depth: int) -> Step:
        value, index = node.value, node.slice
        if isinstance(value, ast.Call) and self._called(value) == "pairs":
            member = self._number(index)
            if member not in (0, 1):
                raise self._refused(index, "pairs(x) has only [0] and [1]")
            inner = self._step_of(value.args[0], depth)
            return self._operation(node, lambda x: pairs(x, int(member)), inner)
        inner = self._step_of(value, depth)
        if isinstance(index, ast.Tuple):
            cut = tuple(self._cut(one) for one in index.elts)
            if len(cut) < 2 or cut[0] != slice(None):
                raise self._refused(index, "the first place is the events': x[:, ...]")
            return self._operation(node, lambda x: operations.cut_out(x, cut), inner)
        if isinstance(index, ast.Slice | ast.Constant):
            raise self._refused(index, "this would choose events; lists are cut by x[:, ...]")
        return self._operation(node, operations.chosen, inner, self._step_of(index, depth))

    def _cut(self, node: ast.AST) -> int | slice:
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return slice(*(None if part is None else self._whole(part) for part in parts))
        return self._whole(node)

    def _whole(self, node: ast.AST) -> int:
        value = self._number(node)
        if type(value) is not int:
            raise self._refused(node, "a whole number is needed")
        return value


class _Failed(Exception):
    """An operation that failed on the columns; the caller adds where."""


def flat(value: Any, n: int, where: str = "") -> np.ndarray:
    """Return an expression's value as one number, or condition, an event.

    Parameters
    ----------
    value
        What an expression gave.
    n
        Number of events; a single number goes for all of them.
    where
        For the message.

    Returns
    -------
    array
        Shape `(n,)`: floats, whole numbers or conditions.

    Raises
    ------
    DataError
        If the expression gives lists, four-momenta or texts, or another number of events.
    """
    if is_momenta(value):
        raise DataError(_at(where, "four-momenta, where one number an event is needed: take .pt"))
    if rank(value) > 1:
        hint = "sum(...), [:, 0] or first(...)"
        raise DataError(_at(where, f"lists, where one number an event is needed: reduce by {hint}"))
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(_at(where, "texts, where one number an event is needed"))
    if array.ndim and len(array) != n:
        raise DataError(_at(where, f"{len(array)} values for {n} events"))
    return array if array.ndim else np.broadcast_to(array, (n,))


def _at(where: str, message: str) -> str:
    return f"{where}: {message}" if where else message


def _hint(text: str, error: SyntaxError) -> str:
    """Return a syntax error's message, or that a column's name is a word of Python's."""
    allowed = {"and", "or", "not", "if", "else", "True", "False"}
    for word in "".join(c if c.isidentifier() or c.isdigit() else " " for c in text).split():
        if keyword.iskeyword(word) and word not in allowed:
            return f'{word!r} is a word of the language: column("{word}")'
    return f"{error.msg}, at character {error.offset or 1}"
