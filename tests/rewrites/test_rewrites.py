"""Rewrites keep what they promise, and refuse where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from hepnn import rewrites
from hepnn.errors import HepnnError, RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _finished(inputs, outputs):
    """Return the model with random weights and statistics, and events for it."""
    import keras

    model = keras.Model(inputs, outputs, name="given")
    rng = np.random.default_rng(7)
    for variable in model.variables:
        if "seed" not in variable.path:
            low = 0.5 if "variance" in variable.path else -1.0
            variable.assign(rng.uniform(low, 1.0, variable.shape))
    x = rng.normal(size=(64, *inputs.shape[1:])).astype(np.float32)
    return model, x


def normalized():
    import keras

    layers = keras.layers
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="conv_norm")(x)
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization(scale=False, name="depthwise_norm")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5, name="dense")(x)
    x = layers.BatchNormalization(center=False, name="dense_norm")(x)
    both = layers.Dense(5, name="used_twice")(x)
    norm = layers.BatchNormalization(name="stays")(both)
    return _finished(inputs, layers.Add()([both, norm]))


def noisy():
    import keras

    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.GaussianNoise(0.1)(layers.Dropout(0.2)(inputs))
    return _finished(inputs, layers.Dense(3)(layers.GaussianDropout(0.1)(x)))


def probable():
    import keras

    inputs = keras.Input((5,))
    return _finished(inputs, keras.layers.Dense(4, activation="softmax", name="last")(inputs))


def probable_alone():
    import keras

    inputs = keras.Input((5,))
    return _finished(inputs, keras.layers.Softmax()(keras.layers.Dense(4)(inputs)))


def pooled():
    import keras

    layers = keras.layers
    inputs = keras.Input((7, 6, 2))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(3, 1)(inputs))
    return _finished(inputs, layers.Dense(4, name="dense")(x))


def transposed(kernel, stride, padding, size=(4, 5)):
    import keras

    inputs = keras.Input((*size, 2))
    options = {"strides": stride, "padding": padding, "activation": "relu", "name": "up"}
    return _finished(inputs, keras.layers.Conv2DTranspose(3, kernel, **options)(inputs))


def layer_normalized():
    import keras

    layers = keras.layers
    inputs = keras.Input((4, 3))
    x = layers.LayerNormalization(name="norm")(layers.Dense(6)(inputs))
    return _finished(inputs, layers.Dense(2)(layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("make", "name", "layers", "kinds"),
    [
        (
            normalized,
            "fold-batch-normalization",
            ["conv_norm", "depthwise_norm", "dense_norm"],
            {"BatchNormalization": 1},
        ),
        (
            noisy,
            "remove-noise",
            ["dropout", "gaussian_noise", "gaussian_dropout"],
            {"Dropout": 0, "GaussianNoise": 0, "GaussianDropout": 0},
        ),
        (probable, "softmax-to-logits", ["last"], {"Dense": 1}),
        (probable_alone, "softmax-to-logits", ["softmax"], {"Softmax": 0}),
        (pooled, "pool-powers-of-two", ["mean"], {"ZeroPadding2D": 1}),
    ],
)
def test_a_rewrite_keeps_what_it_promises(make, name, layers, kinds) -> None:
    import keras

    keras.backend.clear_session()
    model, x = make()
    before = model.predict(x, verbose=0)
    other, (told,) = rewrites.apply(model, [name], x)
    assert sorted(told["layers"]) == sorted(layers)
    after = other.predict(x, verbose=0)
    if told["promise"] == "outputs":
        np.testing.assert_allclose(after, before, atol=1e-5 * np.ptp(before))
        assert other.layers[-1].name == model.layers[-1].name
    else:  # logits: their softmax is what there was
        exponential = np.exp(after - after.max(axis=1, keepdims=True))
        np.testing.assert_allclose(exponential / exponential.sum(axis=1)[:, None], before, 1e-4)
    left = [layer.__class__.__name__ for layer in other.layers]
    assert {kind: left.count(kind) for kind in kinds} == kinds
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)  # is as it was


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 3)])
def test_a_transposed_convolution_is_an_upsampling_and_a_convolution(
    kernel, stride, padding
) -> None:
    model, x = transposed(kernel, stride, padding)
    other, (told,) = rewrites.apply(model, ["upsample-and-convolve"], x)
    before = model.predict(x, verbose=0)
    np.testing.assert_allclose(other.predict(x, verbose=0), before, atol=1e-5 * np.ptp(before))
    assert "Conv2DTranspose" not in [layer.__class__.__name__ for layer in other.layers]
    assert told["layers"] == ["up"]


def test_batches_are_normalized_by_the_events_that_enter() -> None:
    import keras

    model, x = layer_normalized()
    entering = keras.Model(model.inputs, model.get_layer("norm").input).predict(x, verbose=0)
    other, (told,) = rewrites.apply(model, ["normalize-batches"], x)
    norm = other.get_layer("norm")
    flat = entering.reshape(-1, 6)
    np.testing.assert_allclose(norm.moving_mean, flat.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, flat.var(axis=0), rtol=1e-4)
    assert told["promise"] == "nothing" and told["max_abs_diff"] > 0


def test_what_applies_is_offered_by_layer() -> None:
    model, _ = pooled()
    assert rewrites.offered(model) == {"mean": ["pool-powers-of-two"]}
    assert rewrites.offered(layer_normalized()[0]) == {"norm": ["normalize-batches"]}


def test_a_rewrite_that_does_nothing_or_breaks_its_promise_is_refused(monkeypatch) -> None:
    model, x = pooled()
    with pytest.raises(HepnnError, match="applies to no layer"):
        rewrites.apply(model, ["remove-noise"], x)
    with pytest.raises(RecipeError, match="unknown rewrite 'remove-nois'; did you mean"):
        rewrites.apply(model, ["remove-nois"], x)
    from hepnn.rewrites import pooling

    real = pooling.rewritten

    def wrong(*given):
        other = real(*given)
        other.get_layer("dense").kernel.assign(other.get_layer("dense").kernel * 1.001)
        return other

    monkeypatch.setattr(pooling, "rewritten", wrong)
    with pytest.raises(HepnnError, match="outputs differ by .*; not done"):
        rewrites.apply(model, ["pool-powers-of-two"], x)
