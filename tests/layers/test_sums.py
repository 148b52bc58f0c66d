"""Sums are the same for one event as for many."""

from __future__ import annotations

import numpy as np
import pytest

from hepnn import console

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_keras_alone_adds_along_another_axis() -> None:
    import subprocess
    import sys

    code = (
        "import numpy as np; from keras import ops;"
        "x, y = np.zeros((1, 3, 3), 'f'), np.arange(3, dtype='f').reshape(1, 3, 1);"
        "assert np.array_equal(ops.add(x, y), x + y.reshape(1, 1, 3))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    "shapes", [((3, 3), (3, 1)), ((3, 1), (3, 3)), ((2, 1), (2, 1)), ((3,),) * 2]
)
@pytest.mark.parametrize("events", [1, 2])
def test_numbers_are_added_where_they_stand(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], events: int
) -> None:
    import keras

    console.import_tensorflow()
    console.import_tensorflow()
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-8, 8, (events, *shape)).astype(np.float32) for shape in shapes)
    first, second = (keras.Input(shape) for shape in shapes)
    model = keras.Model([first, second], keras.layers.Add()([first, second]))
    np.testing.assert_array_equal(model.predict([x, y], verbose=0), x + y)
    np.testing.assert_array_equal(keras.ops.add(x, y), x + y)
    np.testing.assert_array_equal(keras.ops.add(x, np.float32(2)), x + 2)
    bias = x.reshape(-1, x.shape[-1])[0]
    np.testing.assert_array_equal(keras.ops.add(x, bias), x + bias)


def test_tflite_takes_a_sum_of_two_narrow_sequences() -> None:
    import keras

    from hepnn.targets.tflite import convert, interpreter

    inputs = keras.Input((2, 1))
    model = keras.Model(inputs, keras.layers.Add()([inputs, keras.layers.ReLU()(inputs)]))
    lite = interpreter.opened(convert.float32(model), "sum")
    x = np.array([[[1.5], [-2.0]]], np.float32)
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    lite.invoke()
    found = lite.get_tensor(lite.get_output_details()[0]["index"])
    np.testing.assert_array_equal(found, x + np.maximum(x, 0))
