"""From a Keras model to the bytes of a `.tflite`.

Every conversion goes through a concrete function of one event: the quantizers' parameters fold
to constants, and what ships has no batch axis to resize. Recurrent layers are written out, a step
after the other: TFLite has no arrays of tensors, and loops cost it more than the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.interface import one_line
from hepnn.targets.tflite.closed_form import closed_form
from hepnn.targets.tflite.folding import folded

#: Calibration events shown to the int8 converter; more do not move its ranges.
_REPRESENTATIVE = 500


def float32(model: Any) -> bytes:
    """Convert in float32; fixed-point lanes in closed form, bit for bit."""
    with closed_form(model):
        converter = _converter(model)
    return _run(converter)


def float16(model: Any) -> bytes:
    """Convert with weights kept in float16 and float32 arithmetic."""
    import tensorflow as tf

    with closed_form(model):
        converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _run(converter)


def int8(model: Any, calibration: np.ndarray) -> bytes:
    """Convert to integers throughout, ranges taken from calibration events.

    Parameters
    ----------
    model
        The network after its input scaling: an int8 input has one scale for all features.
    calibration
        Inputs of that network `(events, ...)`.
    """
    import tensorflow as tf

    step = max(1, len(calibration) // _REPRESENTATIVE)
    chosen = np.asarray(calibration[::step][:_REPRESENTATIVE], np.float32)

    def representative() -> Iterator[list[np.ndarray]]:
        for event in chosen:
            yield [event[None]]

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _run(converter)


def refusals(model: Any) -> dict[str, str]:
    """Convert every layer alone and return what the refused ones said, by layer name."""
    import keras

    said = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            float32(keras.Model(layer.input, layer.output))
        except TargetError as error:
            said[layer.name] = str(error)
        except (ValueError, AttributeError):
            # A layer of several calls is no model of its own.
            continue
    return said


def _converter(model: Any) -> Any:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2 as frozen,
    )

    from hepnn.layers.recurrent import written_out

    # Several inputs only come up when a merging layer is tried alone.
    shapes = [(1, *tensor.shape[1:]) for tensor in model.inputs]
    specs = [tf.TensorSpec(shape, tf.float32, name=f"x{n}") for n, shape in enumerate(shapes)]

    def one_event(*x: Any) -> Any:
        return model(x[0] if len(x) == 1 else list(x), training=False)

    try:
        with written_out(model):
            concrete = frozen(tf.function(one_event).get_concrete_function(*specs))
    except Exception as error:  # whatever a layer raises while it is traced
        raise TargetError(f"cannot be traced at batch 1: {one_line(error)}") from error
    return tf.lite.TFLiteConverter.from_concrete_functions([folded(concrete)], tf.Module())


def _run(converter: Any) -> bytes:
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises RuntimeError, ValueError and its own
        raise TargetError(f"TFLite does not take it: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Find the operations that the converter's long message complains about."""
    lines = str(error).splitlines()
    for mark in ("Custom ops:", "Flex ops:", "TF Select ops:"):
        for line in lines:
            if line.strip().startswith(mark):
                return f"no builtin operation for {line.strip().removeprefix(mark).strip()}"
    return one_line(error)
