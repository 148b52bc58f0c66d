"""Small networks, and inputs that try all of their arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn import vocabularies
from hepnn.data import scaling


def quantities(features: int = 6, events: int = 400, seed: int = 0) -> np.ndarray:
    """Return physical quantities whose scales span five orders of magnitude."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** np.linspace(-2, 3, features)
    return (scale * (rng.normal(size=(events, features)) + 1.5)).astype(np.float32)


def images(events: int = 200, seed: int = 0) -> np.ndarray:
    """Return grey images of 8 x 8, 0 to 255."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (events, 8, 8, 1)).astype(np.float32)


def dense(
    vocabulary: str,
    x: np.ndarray,
    uneven: bool = False,
    units: tuple[int, int] = (16, 12),
    **options: Any,
) -> Any:
    """Return a network of dense layers; `uneven` gives each lane another width, some none."""
    import keras

    keras.utils.set_random_seed(1)
    nn = vocabularies.get(vocabulary, **options)
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.Dense(units[0], activation="relu", name="first")(h)
    h = nn.Dense(units[1], activation="relu", name="second")(h)
    model = keras.Model(inputs, nn.Dense(4, name="logits")(h))
    return _finished(model, vocabulary, x, uneven)


def convolutional(vocabulary: str, x: np.ndarray, uneven: bool = False) -> Any:
    """Return a network with a convolution and pooling."""
    import keras

    keras.utils.set_random_seed(2)
    nn = vocabularies.get(vocabulary)
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.Conv2D(4, 3, activation="relu", name="conv")(h)
    h = nn.MaxPooling2D(2, name="pool")(h)
    h = nn.Flatten(name="flat")(h)
    model = keras.Model(inputs, nn.Dense(5, name="logits")(h))
    return _finished(model, vocabulary, x, uneven)


def digits_classifier() -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a plain softmax classifier of digits, as anybody would train it, and all events."""
    import keras
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu", name="hidden"),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:1200], y[:1200], epochs=25, batch_size=32, verbose=0)
    return model, x, y


def lane(k: Any, i: Any, f: Any, **modes: Any) -> Any:
    """Return a frozen lane of given bits, that wraps where it is not said otherwise."""
    from hgq.config import QuantizerConfig
    from keras import initializers, ops

    class Given(initializers.Initializer):
        def __init__(self, values):
            self.values = values

        def __call__(self, shape, dtype=None):
            return ops.cast(np.broadcast_to(self.values, shape), dtype)

    config = {"overflow_mode": "WRAP", "trainable": False, "ic": None, "fc": None, **modes}
    k, i, f = (Given(np.asarray(part, np.float32)) for part in (k, i, f))
    return QuantizerConfig("kif", "datalane", k0=k, i0=i, f0=f, **config)


def trying(x: np.ndarray, seed: int = 5) -> np.ndarray:
    """Return inputs off the grid and in range, at the ends of range, and far outside of it."""
    rng = np.random.default_rng(seed)
    low, high = x.min(axis=0), x.max(axis=0)
    inside = rng.uniform(low, high, (300, *x.shape[1:]))
    ends = np.where(rng.random((100, *x.shape[1:])) < 0.5, low, high)
    power = 2.0 ** np.floor(np.log2(np.maximum(np.abs(high), 1e-3)))
    ends = np.concatenate([ends, np.stack([power * 2.0**n * s for n in range(4) for s in (-1, 1)])])
    outside = rng.normal(size=(300, *x.shape[1:])) * 10.0 ** rng.integers(-3, 7, (300, 1)).reshape(
        300, *[1] * (x.ndim - 1)
    )
    return np.concatenate([inside, ends, x[:50] * 50, outside]).astype(np.float32)


def _finished(model: Any, vocabulary: str, x: np.ndarray, uneven: bool) -> Any:
    if vocabulary != "hgq":
        return model
    from hgq.utils import trace_minmax

    rng = np.random.default_rng(7)
    for layer in model.layers:
        if uneven and getattr(layer, "enable_iq", False):
            for quantizer in getattr(layer.iq, "quantizers", [layer.iq]):
                if quantizer.quantizer.trainable and layer.trainable:
                    width = quantizer.quantizer._f
                    width.assign(rng.integers(0, 8, width.shape))
    trace_minmax(model, x)
    return model
