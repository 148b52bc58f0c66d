"""Old data sets stored in pickle's format, read as data: nothing is unpickled.

The stream's operations are walked over by `pickletools`, and those that make numbers, strings,
lists, tuples, dictionaries and numpy's arrays of them are carried out here. No name is looked
up, no class made, no function called: the names that stand for numpy's arrays are known
as marks, and any other name, or any other operation, is refused.
"""

from __future__ import annotations

import io
import pickletools
import re
from typing import Any

import numpy as np

from hepnn.errors import DataError

_VALUES = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG1", "BINFLOAT"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = {"BINPUT", "LONG_BINPUT", "PUT"}
_GET = {"BINGET", "LONG_BINGET", "GET"}

#: Whole numbers in a row, as they fill millions of a file's bytes: one, two or four bytes each.
_WHOLE = re.compile(rb"K.|M..|J....", re.DOTALL)
_ROW = re.compile(rb"(?:K.|M..|J....)+", re.DOTALL)

_NUMBERS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f4", "f8", "b1"}
_REBUILD = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_BYTES = "_codecs encode"
_NAMES = {*_REBUILD, "numpy ndarray", "numpy dtype", _BYTES}


class _Mark:
    """Where the members of a list, tuple or dictionary begin."""


class _Name(str):
    """A name that stands in the stream."""


class _Type:
    """A numpy type: its code, and its byte order."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "="


class _Array:
    """A numpy array: its content comes after it."""

    content: Any = None


def read(stream: bytes, where: str) -> Any:
    """Read what a stream holds.

    Parameters
    ----------
    stream
        The bytes of one pickle.
    where
        The file, for messages.

    Returns
    -------
    object
        Numbers, strings (those of Python 2 as `str`, a character a byte), bytes, lists, tuples,
        dictionaries; an array of numbers as numpy's, an array of objects as a list.

    Raises
    ------
    DataError
        If the stream is damaged or holds anything else.
    """
    walk = _Walk(where)
    data = io.BytesIO(stream)
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name == "STOP":
                break
            walk.step(operation.name, argument)
            row = _ROW.match(stream, data.tell())
            if row is not None:  # many times faster than one by one
                walk.stack += [
                    int.from_bytes(one[1:], "little", signed=len(one) == 5)
                    for one in _WHOLE.findall(row[0])
                ]
                data.seek(row.end())
        return _plain(walk.stack.pop())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{where}: damaged: {error}") from error
    except RecursionError as error:
        raise DataError(f"{where}: holds itself") from error


class _Walk:
    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _PUT:
            self.memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in _GET:
            stack.append(self.memo[int(argument)])
        elif name == "MARK":
            stack.append(_Mark)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name in ("APPENDS", "SETITEMS", "TUPLE"):
            self._gather(name)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name in _TUPLES:
            size = _TUPLES[name]
            members = tuple(stack[len(stack) - size :])
            del stack[len(stack) - size :]
            stack.append(members)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "GLOBAL":
            stack.append(self._known(argument))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(self._known(f"{module} {attribute}"))
        elif name == "REDUCE":
            arguments, of = stack.pop(), stack.pop()
            stack.append(self._made(of, arguments))
        elif name == "BUILD":
            self._fill(stack.pop(), stack[-1])
        elif name not in ("PROTO", "FRAME"):
            raise DataError(f"{self.where}: holds more than arrays and lists ({name}); refused")

    def _gather(self, name: str) -> None:
        at = len(self.stack) - 1 - self.stack[::-1].index(_Mark)
        members = self.stack[at + 1 :]
        del self.stack[at:]
        if name == "TUPLE":
            self.stack.append(tuple(members))
        elif name == "APPENDS":
            self.stack[-1].extend(members)
        else:
            self.stack[-1].update(zip(members[::2], members[1::2], strict=True))

    def _known(self, name: str) -> _Name:
        if name not in _NAMES:
            raise DataError(f"{self.where}: names {name.replace(' ', '.')!r}, and is refused")
        return _Name(name)

    def _made(self, of: Any, arguments: Any) -> Any:
        if isinstance(of, _Name) and of in _REBUILD:
            return _Array()
        if isinstance(of, _Name) and of == "numpy dtype":
            code = str(arguments[0])
            if code not in _NUMBERS | {"O8"}:
                raise DataError(f"{self.where}: holds an array of type {code!r}; refused")
            return _Type(code)
        if isinstance(of, _Name) and of == _BYTES:
            return arguments[0].encode("latin-1")
        raise DataError(f"{self.where}: would call {of!r}; refused")

    def _fill(self, state: Any, of: Any) -> None:
        if isinstance(of, _Type):
            of.order = {"<": "<", ">": ">"}.get(str(state[1]), "=")
        elif isinstance(of, _Array):
            _, shape, kind, fortran, content = state
            if kind.code == "O8":
                of.content = content
                return
            raw = content.encode("latin-1") if isinstance(content, str) else content
            numbers = np.frombuffer(raw, np.dtype(kind.code).newbyteorder(kind.order))
            of.content = numbers.reshape(shape, order="F" if fortran else "C")
        else:
            raise DataError(f"{self.where}: would change {type(of).__name__}; refused")


def _plain(value: Any) -> Any:
    """Replace the marks of arrays, at the top and in a dictionary, by the arrays."""
    if isinstance(value, _Array):
        return value.content
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value
