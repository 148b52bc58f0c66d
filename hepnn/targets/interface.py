"""What the targets share: `interface.json`, one input and one output, and the build log."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import DataError, TargetError

#: Written beside every artefact: what goes in, in which order and on which grid, what comes out.
NAME = "interface.json"


def single_input(model: Any, target: str) -> tuple[int, ...]:
    """Return the shape of one event.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs, or an axis of no fixed length.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise TargetError(
            f"target {target}: model {model.name!r} has {len(model.inputs)} inputs and"
            f" {len(model.outputs)} outputs; it takes one of each"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise TargetError(f"target {target}: input shape {shape} has an axis of no fixed length")
    return shape


def events(x: np.ndarray, shape: tuple[int, ...], artefact: str) -> np.ndarray:
    """Return inputs as contiguous float32 `(events, *shape)`.

    Raises
    ------
    DataError
        If one event does not have the shape that the artefact was written for.
    """
    x = np.ascontiguousarray(x, np.float32)
    if x.shape[1:] != shape:
        raise DataError(f"{artefact} takes events of shape {shape}, got {x.shape[1:]}")
    return x


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """Send what Python and native code print, on either stream, to the end of a file."""
    with path.open("a") as log, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(log))
        # Not so sys.stderr: loggers that start in here would keep the closed file.
        for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)):
            if stream is not None:
                with contextlib.suppress(ValueError, OSError):
                    stream.flush()
            _point(number, log.fileno(), stack)
        yield
        log.flush()


def one_line(error: BaseException) -> str:
    """Return the first line of an error that says something, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else error.__class__.__name__
    return text if len(text) <= 200 else text[:197] + "..."


def _point(number: int, target: int, stack: contextlib.ExitStack) -> None:
    """Make a file descriptor write where another does, until the stack is left."""
    try:
        kept = os.dup(number)
    except OSError:  # closed streams, as under a daemon
        return
    os.dup2(target, number)
    stack.callback(os.close, kept)
    stack.callback(os.dup2, kept, number)
