"""Autoencoders: published counts, tied kernels, the divergence, and encoders that start others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _build(
    name: str, shape: tuple[int, ...], output: tuple[int, ...] | None = None, **hyper: Any
) -> Any:
    return architectures.get(name)(shape, output or shape, nn=vocabularies.get("float"), **hyper)


def _of_layers(*sides: int) -> int:
    """Return the parameters of layers with biases between so many neurons."""
    return sum(a * b + b for a, b in zip(sides, sides[1:], strict=False))


def test_the_autoencoder_of_hinton_and_salakhutdinov() -> None:
    """784-1000-500-250-30 and back (Science 313 (2006) 504, figure 1 and supporting material)."""
    encoder, decoder = (784, 1000, 500, 250, 30), (30, 250, 500, 1000, 784)
    model = _build("autoencoder", (784,))
    assert model.count_params() == _of_layers(*encoder) + _of_layers(*decoder) == 2_837_314
    tied = _build("autoencoder", (784,), tied=True)
    biases = sum(decoder[1:])
    assert tied.count_params() == _of_layers(*encoder) + biases


def test_the_variational_autoencoder_of_kingma_and_welling() -> None:
    """500 units on either side (section 5), mean and log-variance of 20 codes (figure 2)."""
    model = _build("vae", (784,))
    assert model.count_params() == _of_layers(784, 500) + 2 * _of_layers(500, 20) + _of_layers(
        20, 500, 784
    )


def test_images_come_back_as_images() -> None:
    for upsampling in ("transposed", "nearest"):
        model = _build(
            "autoencoder",
            (8, 12, 2),
            kind="convolutional",
            hidden=[3, 4],
            latent=5,
            upsampling=upsampling,
        )
        assert model.output_shape == (None, 8, 12, 2)
    assert _build("autoencoder", (4, 3), hidden=[5], latent=2).output_shape == (None, 4, 3)


@pytest.mark.parametrize(("cell", "blocks"), [("simple", 1), ("lstm", 4), ("gru", 3)])
def test_a_recurrent_one_has_the_counts_of_its_cells(cell: str, blocks: int) -> None:
    """`blocks` matrices of inputs and states by units, with biases, on either side of the code."""
    steps, features, units, code = 5, 3, 4, 2
    model = _build(
        "autoencoder", (steps, features), kind="recurrent", hidden=[units], latent=code, cell=cell
    )
    recurrent = [blocks * (x * units + units * units + units) for x in (features, code)]
    assert model.count_params() == sum(recurrent) + _of_layers(units, code) + _of_layers(
        units, features
    )
    assert model.output_shape == (None, steps, features)


def test_a_recurrent_encoder_reads_from_the_end() -> None:
    """What stands first is read last: of a code whose memory is short, it alone counts."""
    model = _build("autoencoder", (6, 1), kind="recurrent", hidden=[1], latent=1, cell="simple")
    layer = model.get_layer("encoder1")
    for variable, value in zip(layer.weights, (1.0, 0.0, 0.0), strict=True):
        variable.assign(np.full(variable.shape, value))
    from hepnn.training import network

    x = np.random.default_rng(0).normal(size=(4, 6, 1)).astype(np.float32)
    states = network.predict(network.up_to(model, "encoder1"), x)
    assert np.allclose(states, np.tanh(x[:, 0]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape", "hyper", "message"),
    [
        ("autoencoder", (8,), {"kind": "convolutional"}, "takes images"),
        ("autoencoder", (8, 12, 1), {"kind": "convolutional"}, "halved 3 times; .*multiple of 8"),
        ("autoencoder", (8,), {"kind": "convolution"}, "known: dense, convolutional, recurrent"),
        ("vae", (8,), {"kind": "recurrent"}, "vae has no kind 'recurrent'"),
        (
            "autoencoder",
            (8, 8, 1),
            {"kind": "convolutional", "hidden": [2], "tied": True, "upsampling": "nearest"},
            "tied kernels need upsampling: transposed",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    name: str, shape: tuple[int, ...], hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        _build(name, shape, **hyper)


def test_other_outputs_than_inputs_are_refused() -> None:
    with pytest.raises(RecipeError, match="set task: reconstruct"):
        _build("autoencoder", (8,), (5,))


@pytest.mark.parametrize("vocabulary", ["hgq", "qkeras"])
def test_tied_kernels_are_refused_in_fixed_point(vocabulary: str) -> None:
    nn = vocabularies.get(vocabulary)
    with pytest.raises(RecipeError, match="has no TiedDense; set tied: false"):
        architectures.get("autoencoder")((8,), (8,), nn=nn, tied=True)


def test_a_tied_decoder_multiplies_with_the_transposed_kernels() -> None:
    model = _build("autoencoder", (6,), hidden=[5], latent=2, activation="tanh", tied=True)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.normal(size=variable.shape))
    first, code = (np.asarray(model.get_layer(name).kernel) for name in ("encoder1", "latent"))
    bias = {layer.name: np.asarray(layer.bias) for layer in model.layers if layer.weights}
    x = rng.normal(size=(7, 6)).astype(np.float32)
    h = np.tanh(x @ first + bias["encoder1"]) @ code + bias["latent"]
    wanted = np.tanh(h @ code.T + bias["decoder1"]) @ first.T + bias["output"]
    assert np.allclose(model(x), wanted, atol=1e-5)


def test_a_tied_convolution_is_the_adjoint() -> None:
    """<conv(x), y> = <x, conv_transposed(y)> for the same kernel."""
    import keras

    from hepnn.layers.tied import TiedConv2D, TransposedConv2D

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 8, 8, 2)).astype(np.float32)
    maps, kernel = TiedConv2D(3, 3, strides=2, padding="same")(x)
    y = rng.normal(size=maps.shape).astype(np.float32)
    back = TransposedConv2D(2)([y, kernel])
    assert np.vdot(np.asarray(maps), y) == pytest.approx(np.vdot(x, np.asarray(back)), rel=1e-4)


def test_a_tied_kernel_gets_the_gradient_of_both_layers(tmp_path: Path) -> None:
    import tensorflow as tf

    from hepnn.training import network

    model = _build("autoencoder", (6,), hidden=[5], latent=2, activation="tanh", tied=True)
    x = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)

    def loss() -> Any:
        return tf.reduce_mean((model(x) - x) ** 2)

    kernel = model.get_layer("encoder1").kernel
    with tf.GradientTape() as tape:
        value = loss()
    slope = np.asarray(tape.gradient(value, kernel.value))
    start, step = np.asarray(kernel), 1e-2
    for place in ((0, 0), (3, 2)):
        moved = []
        for sign in (1, -1):
            changed = start.copy()
            changed[place] += sign * step
            kernel.assign(changed)
            moved.append(float(loss()))
        assert slope[place] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=2e-2, abs=1e-5)
    kernel.assign(start)
    model.save(tmp_path / "tied.keras")
    again = network.load_model(tmp_path / "tied.keras")
    assert np.array_equal(network.predict(again, x), network.predict(model, x))
    assert len(again.trainable_variables) == 2 * 2 + 2


def test_the_divergence_is_that_of_monte_carlo() -> None:
    """KL(q || p) = E_q[log q - log p], with a million draws of each dimension."""
    from hepnn.layers.variational import divergence_of

    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    epsilon = rng.normal(size=(1_000_000, 1))
    wanted = np.zeros(4)
    for event, dimension in np.ndindex(4, 3):
        spread = np.exp(log_variance[event, dimension] / 2)
        z = mean[event, dimension] + spread * epsilon
        log_q = -0.5 * epsilon**2 - np.log(spread)
        wanted[event] += float((log_q + 0.5 * z**2).mean())
    assert np.allclose(divergence_of(mean, log_variance), wanted, rtol=5e-3)
    assert np.allclose(divergence_of(np.zeros((1, 3)), np.zeros((1, 3))), 0)


def test_samples_have_mean_and_variance_and_inference_the_mean() -> None:
    from hepnn.layers.variational import GaussianSample

    layer = GaussianSample(8, seed=1)
    mean = np.tile(np.array([[2.0, -1.0]], np.float32), (200_000, 1))
    log_variance = np.tile(np.log([[0.25, 4.0]]).astype(np.float32), (200_000, 1))
    drawn = np.asarray(layer([mean, log_variance], training=True))
    assert np.allclose(drawn.mean(axis=0), mean[0], atol=0.02)
    assert np.allclose(drawn.var(axis=0), [0.25, 4.0], rtol=0.02)
    assert np.array_equal(layer([mean, log_variance], training=False), mean)


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_both_drivers_log_the_parts_of_the_elbo(engine: str) -> None:
    """Loss = reconstruction + beta KL; the encoder moves, its log-variance too."""
    import keras

    from hepnn.recipe import Fit
    from hepnn.run import Events
    from hepnn.tasks.reconstruct import Reconstruct
    from hepnn.training import fit

    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    events, task = Events(x, x, np.ones(300, np.float32)), Reconstruct()
    model = _build("vae", (6,), hidden=[8], latent=2, beta=0.5)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    outcome = fit.fit(
        model,
        events,
        events,
        Fit(epochs=2, batch=100, learning_rate=0.01, keep="last", engine=engine),
        loss=task.loss(),
        metrics=task.metrics(),
    )
    history = {name: np.array(values) for name, values in outcome.history.items()}
    for prefix in ("", "val_"):
        loss, kl = history[f"{prefix}loss"], history[f"{prefix}kl"]
        assert np.allclose(loss, history[f"{prefix}reconstruction"] + 0.5 * kl, rtol=1e-5)
        assert (kl > 0).all()
    after = {v.path: v.numpy() for v in model.trainable_variables}
    for path in ("encoder1/kernel", "z_mean/kernel", "z_log_variance/kernel"):
        assert not np.array_equal(before[path], after[path]), path
    # What is seen of the validation events is what the weights kept give: the mean, no draw.
    error = ((model.predict(x, verbose=0) - x) ** 2).mean()
    assert history["val_reconstruction"][-1] == pytest.approx(error, rel=1e-4)


def test_what_ships_has_no_noise_and_the_same_bits() -> None:
    from hepnn.targets.inference import without_noise

    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    for vocabulary in ("float", "hgq"):
        nn = vocabularies.get(vocabulary)
        hyper = {"hidden": [5], "latent": 2, "activation": "relu"}
        noisy = architectures.get("autoencoder")((6,), (6,), nn=nn, denoising=0.3, **hyper)
        sampled = architectures.get("vae")((6,), (6,), nn=nn, **hyper)
        for model in (noisy, sampled):
            shipped = without_noise(model)
            names = {layer.name for layer in shipped.layers}
            assert not names & {"noise", "latent", "z_log_variance"} or model is noisy
            assert "noise" not in names
            assert np.array_equal(shipped.predict(x, verbose=0), model.predict(x, verbose=0))
            assert without_noise(shipped) is shipped


def test_an_encoder_has_the_layers_of_its_autoencoder() -> None:
    from hepnn.training import network

    hypers: list[dict[str, Any]] = [
        {"hidden": [5, 4], "latent": 3},
        {"hidden": [5, 4], "latent": 3, "tied": True},
        {"kind": "convolutional", "hidden": [2, 3], "latent": 3},
        {"kind": "recurrent", "hidden": [4, 3], "latent": 3, "cell": "gru"},
    ]
    for hyper in hypers:
        shape = {"convolutional": (8, 8, 1), "recurrent": (5, 3)}.get(hyper.get("kind", ""), (6,))
        whole = _build("autoencoder", shape, **hyper)
        own = {key: value for key, value in hyper.items() if key != "tied"}
        classifier = _build("encoder", shape, (4,), **own)
        assert network.warm_start(classifier, whole) == ["encoder1", "encoder2", "latent"]
        x = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
        codes = [network.predict(network.up_to(m, "latent"), x) for m in (whole, classifier)]
        assert np.allclose(*codes, atol=1e-6)
