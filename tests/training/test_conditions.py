"""What holds of a network during its fit alone: penalties, frozen layers, precision, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import convolutional, dense, images, quantities

from hepnn.errors import RecipeError
from hepnn.recipe import Fit
from hepnn.recipe.regularizers import Dropout, Regularize
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

X = quantities(events=96)
LABELS = (X[:, 0] > np.median(X[:, 0])).astype(np.int64)
EVENTS = Events(X, LABELS, np.ones(len(X), np.float32))


def _fit(model: Any, **settings: Any) -> Any:
    from hepnn.tasks.classify import Classify
    from hepnn.training import fit

    plan = Fit(**{"epochs": 2, "batch": 32, "keep": "last", "learning_rate": 0.01, **settings})
    return fit.fit(model, EVENTS, EVENTS, plan, loss=Classify().loss(), seed=1)


def test_the_gradient_of_the_penalties_is_that_of_the_powers() -> None:
    import tensorflow as tf

    from hepnn.training.conditions import penalized

    model = dense("float", X)
    with penalized(model, Regularize(l1=0.1, l2=0.2, l3=0.3)), tf.GradientTape() as tape:
        penalty = sum(model.losses)
    kernels = [v for v in model.trainable_variables if v.name == "kernel"]
    values = [kernel.numpy().astype(np.float64) for kernel in kernels]
    expected = sum(
        0.1 * np.abs(w).sum() + 0.2 * (w**2).sum() + 0.3 * (np.abs(w) ** 3).sum() for w in values
    )
    assert float(penalty) == pytest.approx(expected, rel=1e-5)
    for slope, w in zip(tape.gradient(penalty, [k.value for k in kernels]), values, strict=True):
        own = 0.1 * np.sign(w) + 0.4 * w + 0.9 * w * np.abs(w)
        assert slope.numpy() == pytest.approx(own, rel=1e-4, abs=1e-6)
    assert not model.losses


def test_kernels_in_fixed_point_keep_the_penalties_of_their_own() -> None:
    from hepnn.training.conditions import penalized

    model = dense("hgq", X, beta=1e-3)
    kernel = model.get_layer("first").kernel
    kernel.regularizer = lambda w: 7.0
    model(X[:4])
    before = float(sum(model.losses))  # EBOPs too
    with penalized(model, Regularize(l1=0.5)):
        kernels = [v for v in model.trainable_variables if v.name == "kernel"]
        added = sum(0.5 * np.abs(k.numpy()).sum() for k in kernels)
        model(X[:4])
        assert len(kernels) == 3
        assert float(sum(model.losses)) == pytest.approx(before + added, rel=1e-5)
    assert kernel.regularizer(kernel) == 7.0


@pytest.mark.parametrize(("engine", "vocabulary"), [("epoch", "hgq"), ("keras", "float")])
def test_a_penalty_makes_small_weights_also_in_fixed_point(engine: str, vocabulary: str) -> None:
    sizes = []
    for weight in (0.0, 1.0):
        model = dense(vocabulary, X)
        _fit(model, engine=engine, regularize={"l3": weight}, epochs=3)
        sizes.append(np.abs(model.get_layer("first").kernel.numpy()).max())
    assert sizes[1] < sizes[0] - 0.01


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [
        ("first", {"first"}),
        ("second", {"first", "second"}),
        (["second"], {"second"}),
        ("s*", {"second"}),
        (["first", "log*"], {"first", "logits"}),
    ],
)
@pytest.mark.parametrize("vocabulary", ["float", "hgq"])
def test_frozen_layers_keep_their_bits_and_are_free_again(
    vocabulary: str, freeze: Any, kept: set[str]
) -> None:
    from hepnn.training.conditions import frozen

    model = dense(vocabulary, X)
    before = [v.path for v in model.trainable_variables]
    with frozen(model, freeze):
        left = {v.path.split("/")[0] for v in model.trainable_variables}
        assert left == {"first", "second", "logits"} - kept
    assert [v.path for v in model.trainable_variables] == before
    assert not model.get_layer("input_scaling").trainable


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_only_what_is_not_frozen_is_trained(engine: str) -> None:
    model = dense("float", X)
    before = {v.path: v.numpy() for v in model.variables}
    _fit(model, engine=engine, freeze="second")
    same = {v.path for v in model.variables if np.array_equal(before[v.path], v.numpy())}
    assert "logits/kernel" not in same
    assert {"first/kernel", "first/bias", "second/kernel", "second/bias"} <= same


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ("firts", "fit.freeze: no layer 'firts'; did you mean 'first'"),
        (["conv*"], r"fit.freeze: no layer 'conv\*'"),
        ("logits", "no layer is left to train"),
    ],
)
def test_layers_that_cannot_be_frozen_are_refused(freeze: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _fit(dense("float", X), freeze=freeze)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_alike_and_leaves_float32(precision: str) -> None:
    losses = {}
    for engine in ("epoch", "keras"):
        model = dense("float", X)
        outcome = _fit(model, engine=engine, precision=precision, average=0.5)
        losses[engine] = outcome.history["loss"]
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    plain = _fit(dense("float", X), engine="epoch", average=0.5).history["loss"]
    assert losses["epoch"] == pytest.approx(losses["keras"], rel=1e-2)
    assert losses["epoch"] == pytest.approx(plain, rel=5e-2)
    assert losses["epoch"] != plain  # it is not the same arithmetic


def test_fixed_point_is_not_trained_in_half_precision() -> None:
    with pytest.raises(RecipeError, match="in fixed point, which is exact in float32 only"):
        _fit(dense("hgq", X), precision="mixed_bfloat16")


@pytest.mark.parametrize("vocabulary", ["float", "hgq", "qkeras"])
def test_dropout_is_in_training_alone(vocabulary: str) -> None:
    from hepnn.training import dropout

    options = {"bits": 6, "ranges": RANGES} if vocabulary == "qkeras" else {}
    model = dense(vocabulary, X, **options)
    trained = dropout.inserted(model, Dropout(inputs=0.2, hidden=0.5))
    named = [layer.name for layer in trained.layers if "Dropout" in type(layer).__name__]
    assert named == ["fit_dropout_inputs", "fit_dropout_second", "fit_dropout_logits"]
    at_inference = np.asarray(trained(X))
    assert np.array_equal(at_inference, np.asarray(model(X)))
    assert not np.array_equal(np.asarray(trained(X, training=True)), at_inference)
    for engine in ("epoch", "keras") if vocabulary == "float" else ():
        _fit(trained, engine=engine)
    for variable in trained.get_layer("first").trainable_variables:
        variable.assign_add(np.full(variable.shape, 0.25, np.float32))
    after = dropout.taken_out(trained, model)
    assert after is model
    assert not any("Dropout" in type(layer).__name__ for layer in model.layers)
    assert np.array_equal(np.asarray(model(X)), np.asarray(trained(X)))
    assert not np.array_equal(np.asarray(model(X)), at_inference)


RANGES = {
    f"{layer}.{part}": 4.0
    for layer in ("first", "second", "logits")
    for part in ("input", "kernel", "bias")
} | {f"{layer}.input.min": -1.0 for layer in ("first", "second", "logits")}


def test_half_of_the_inputs_are_dropped_and_the_others_doubled() -> None:
    import keras

    from hepnn.training import dropout

    trained = dropout.inserted(dense("float", X), Dropout(inputs=0.5))
    probe = keras.Model(trained.inputs, trained.get_layer("fit_dropout_inputs").output)
    scaled = np.asarray(probe(X))
    dropped = np.asarray(probe(X, training=True))
    there = dropped != 0
    assert dropped[there] == pytest.approx(2 * scaled[there], rel=1e-6)
    assert there.mean() == pytest.approx(0.5, abs=0.1)


def test_spatial_dropout_drops_whole_channels() -> None:
    import keras

    from hepnn.architectures import resnet
    from hepnn.training import dropout
    from hepnn.vocabularies import get

    build = resnet.NARROW[next(iter(resnet.NARROW))]
    model = resnet.build(build.input_shape, build.output_shape, nn=get("float"), **build.hyper)
    trained = dropout.inserted(model, Dropout(spatial=0.5))
    places = [layer for layer in trained.layers if "SpatialDropout" in type(layer).__name__]
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    assert len(places) == len(convolutions) - 1
    x = np.random.default_rng(0).normal(size=(4, *build.input_shape)).astype(np.float32)
    seen = np.asarray(keras.Model(trained.inputs, places[0].output)(x, training=True))
    channels = np.moveaxis(seen, -1, 1).reshape(-1, seen[0, ..., 0].size)
    empty = (channels == 0).all(axis=1)
    assert 0 < empty.mean() < 1


def test_dropout_without_a_place_is_refused() -> None:
    from hepnn.training import dropout

    with pytest.raises(RecipeError, match="fit.dropout.spatial: architecture .* has no place"):
        dropout.inserted(dense("float", X), Dropout(spatial=0.5))
    small = convolutional("float", images())
    with pytest.raises(RecipeError, match="has no place"):
        dropout.inserted(small, Dropout(spatial=0.5))  # its one convolution is the first


def test_an_architecture_can_have_dropout_of_its_own_beside() -> None:
    from hepnn.architectures import fully_convolutional
    from hepnn.training import dropout
    from hepnn.vocabularies import get

    narrow = next(iter(fully_convolutional.NARROW.values()))
    hyper = {**narrow.hyper, "dropout": (0.2, 0.5)}
    nn = get("float")
    nn.scaling = {"exponent": np.zeros(1), "offset": np.zeros(1)}
    model = fully_convolutional.build(narrow.input_shape, narrow.output_shape, nn=nn, **hyper)
    trained = dropout.inserted(model, Dropout(inputs=0.1))
    assert {"dropout_inputs", "fit_dropout_inputs"} <= {layer.name for layer in trained.layers}
