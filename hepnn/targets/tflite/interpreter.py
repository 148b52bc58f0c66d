"""The LiteRT interpreter of a `.tflite`, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn.errors import RunError, TargetError
from hepnn.targets.interface import one_line


def opened(content: bytes, path: Path, threads: int = 1, size: int | None = None) -> Any:
    """Return an interpreter of a model that is in memory.

    Parameters
    ----------
    content
        What the file holds.
    path
        Where it came from, for errors.
    threads
        Of the interpreter.
    size
        Bytes that it should have, where they are known.

    Raises
    ------
    RunError
        If the content is no whole model.
    TargetError
        If LiteRT refuses it.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if content[4:8] != b"TFL3" or (size is not None and len(content) != size):
        # The interpreter maps the model as it lies there, and may crash on half of one.
        raise RunError(f"{path}: damaged or cut short; run 'hepnn deploy' again")

    def prepared(**options: Any) -> Any:
        lite = Interpreter(model_content=content, num_threads=threads, **options)
        lite.allocate_tensors()
        return lite

    try:
        try:
            return prepared()
        except RuntimeError as error:  # of some int8 networks; LiteRT's own kernels take them
            if "XNNPACK" not in str(error):
                raise
        alone = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return prepared(experimental_op_resolver_type=alone)
    except (ValueError, RuntimeError) as error:
        raise TargetError(f"{path}: LiteRT refuses it: {one_line(error)}") from error
