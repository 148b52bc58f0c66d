"""Features that follow from others, recomputed inside a compiled graph.

A small part of the language of `hepnn.data.expressions`: numbers, features by name, `+ - * / **`
and the functions below.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hepnn.errors import RecipeError, nearest

FUNCTIONS = {
    "abs": 1,
    "arctan2": 2,
    "cos": 1,
    "cosh": 1,
    "exp": 1,
    "hypot": 2,
    "log": 1,
    "maximum": 2,
    "minimum": 2,
    "sin": 1,
    "sinh": 1,
    "sqrt": 1,
}

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


class Formula:
    """An expression over features.

    Parameters
    ----------
    text
        As `log(maximum(pt, 0.1))`.
    names
        The features there are.
    where
        For messages.

    Raises
    ------
    RecipeError
        If the text says something else, or names an unknown feature.

    Examples
    --------
    >>> Formula("pt * (x + 1)**2", ["pt", "x"])({"pt": 2.0, "x": 1.0})
    8.0
    """

    def __init__(self, text: str, names: Sequence[str], where: str = "") -> None:
        self._where, self._text = where, text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise self._wrong("no expression") from error
        self._check(self._tree, names)

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the value of tensors by name."""
        return self._value(self._tree, values)

    def _wrong(self, reason: str) -> RecipeError:
        return RecipeError(f"{self._where}: {self._text!r}: {reason}")

    def _check(self, node: ast.AST, names: Sequence[str]) -> None:
        if isinstance(node, ast.Name):
            if node.id not in names:
                raise self._wrong(f"no feature {node.id!r}; {nearest(node.id, names)}")
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            self._check(node.left, names)
            self._check(node.right, names)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            self._check(node.operand, names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if FUNCTIONS.get(name) != len(node.args) or node.keywords:
                raise self._wrong(f"no function {name}({len(node.args)} arguments)")
            for argument in node.args:
                self._check(argument, names)
        elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
            raise self._wrong(f"{type(node).__name__} is not taken here")

    def _value(self, node: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BinOp):
            sides = (self._value(side, values) for side in (node.left, node.right))
            return _OPERATORS[type(node.op)](*sides)
        if isinstance(node, ast.UnaryOp):
            return -self._value(node.operand, values)
        from keras import ops

        arguments = [self._value(argument, values) for argument in node.args]
        if node.func.id == "hypot":
            return ops.sqrt(arguments[0] ** 2 + arguments[1] ** 2)
        return getattr(ops, node.func.id)(*arguments)
