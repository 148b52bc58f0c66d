"""What others reported of released packages, with those installed: caught, explained, mended.

`deploy/KNOWN_LIMITS.md` lists every report, those too that cannot be seen any more.
"""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from networks import digits_classifier, lane

from hepnn import agreement
from hepnn.recipe import Bounds
from hepnn.run import Events, Run
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import doctor
from hepnn.targets.kit import HLSOptions, Kit
from hepnn.tasks.classify import Classify

KIT = Kit(name="test", title="test", targets=["hls4ml"])

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

pytestmark = pytest.mark.usefixtures("tensorflow")


def verdict(wanted: np.ndarray, got: np.ndarray, labels: np.ndarray) -> str:
    """Return what `hepnn agree` calls firmware of a float stage that answers so."""
    events = Events(wanted, labels, np.ones(len(wanted), np.float32))
    figures = agreement.compare(wanted, got, events, Classify())
    return agreement.verdict(SimpleNamespace(promise="bounded"), figures, Bounds())["verdict"]


def alone(precision: dict[str, str] | None = None) -> Kit:
    """Return a kit that lets hls4ml choose types as it does by itself, but for single ones."""
    return Kit(
        name="alone",
        title="alone",
        targets=["hls4ml"],
        hls4ml=HLSOptions(types="default", precision=precision or {}),
    )


class Classifier:
    """A trained classifier of digits, and what Keras answers."""

    def __init__(self, model: Any, x: np.ndarray, labels: np.ndarray) -> None:
        self.model, self.x, self.labels = model, x, labels
        self.wanted = model.predict(x, verbose=0)

    def examined(self, kit: Kit) -> tuple[doctor.Examination, str]:
        """Return what the doctor sees in a conversion, and what agreement calls it."""
        seen = doctor.examine(self.model, kit, self.x, self.x)
        return seen, verdict(self.wanted, seen.outputs, self.labels)


@pytest.fixture(scope="module")
def flat(tensorflow: None) -> Classifier:
    """Return a plain classifier with a softmax."""
    return Classifier(*digits_classifier())


@pytest.fixture(scope="module")
def ours(flat: Classifier) -> str:
    """Return what agreement calls the calibrated conversion of it."""
    seen, called = flat.examined(KIT)
    assert not seen.findings
    return called


@needs_compiler
@pytest.mark.parametrize(
    ("precision", "says", "mend"),
    [
        # hls4ml #1512: the default softmax decides otherwise than Keras.
        pytest.param(
            {}, "is addressed by the upper bits of fixed<38,18", "digit.result", id="1512"
        ),
        # hls4ml #1443: the softmax called latency is right in one of five.
        pytest.param(
            {"digit_softmax.implementation": "latency"},
            "fixed<18,8,RND,SAT,0> holds -128 to 128",
            "digit_softmax.implementation",
            id="1443",
        ),
        # hls4ml #640: a network of 12 bits with 12-bit tables of one integer bit differs.
        pytest.param(
            {
                "digit.result": "fixed<16,6>",
                "digit_softmax.exp_table": "fixed<12,1>",
                "digit_softmax.inv_table": "fixed<12,1>",
            },
            "entries of exp_table up to 1 wrap, fixed<12,1",
            "digit_softmax.exp_table",
            id="640",
        ),
    ],
)
def test_a_softmax_is_refused_explained_and_mended(
    flat: Classifier, ours: str, precision: dict[str, str], says: str, mend: str
) -> None:
    seen, called = flat.examined(alone(precision))
    assert called == "refused"
    (finding,) = [one for one in seen.findings if one.layer == "digit_softmax"]
    assert finding.cause == "table of softmax"
    assert says in finding.says and mend in finding.mend
    assert ours == "good"


def images() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x.astype(np.float32).reshape(-1, 8, 8, 1), y


def convolutional() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 1))
    h = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    h = layers.Flatten(name="flat")(layers.MaxPooling2D(2, name="pool")(h))
    h = layers.Dense(16, activation="relu", name="dense")(h)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(h))


def residual() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 1))
    entry = layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="entry")(inputs)
    h = layers.Conv2D(4, 3, padding="same", name="conv")(entry)
    h = layers.Activation("relu", name="relu")(layers.BatchNormalization(name="normed")(h))
    h = layers.Conv2D(4, 3, padding="same", name="last")(h)
    h = layers.Activation("relu", name="sum")(layers.Add(name="add")([entry, h]))
    h = layers.Flatten(name="flat")(h)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(h))


@needs_compiler
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(convolutional, id="445"),  # hls4ml #445: wrong predictions of a CNN
        pytest.param(
            residual, id="590", marks=pytest.mark.long
        ),  # hls4ml #590: random predictions of a ResNet
    ],
)
def test_a_network_of_images_is_refused_explained_and_mended(network: Any) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model, (x, labels) = network(), images()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:1200], labels[:1200], epochs=10, batch_size=32, verbose=0)
    classifier = Classifier(model, x, labels)
    assert np.mean(classifier.wanted.argmax(1) == labels) > 0.7
    seen, called = classifier.examined(alone())
    assert called == "refused"
    worst = max(seen.findings, key=lambda one: one.added)
    assert (worst.layer, worst.cause) == ("out_softmax", "table of softmax")
    # What hls4ml folds into a convolution is no fault of it.
    assert all(one.added < 0.1 for one in seen.findings if one is not worst)
    assert classifier.examined(KIT)[1] == "good"


@needs_compiler
def test_quantized_layers_repeat_the_bits(tmp_path: Any) -> None:
    """Quantized networks that differed once: hls4ml #463, #874 and, in HGQ2, #1523.

    Kernels and biases of `quantized_bits(8, 0, alpha=1)`, inputs that are quantized, a lane of no
    bits, and a softmax from HGQ2's tables.
    """
    import keras
    from hgq.layers import QConv2D, QDense, QSoftmax
    from hgq.utils import trace_minmax
    from qkeras.quantizers import quantized_bits

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    weights = {
        "kq_conf": quantized_bits(8, 0, alpha=1),
        "bq_conf": quantized_bits(8, 0, alpha=1),
        "enable_ebops": False,
    }
    inputs = keras.Input((5, 5, 2))
    entering = quantized_bits(8, 0, alpha=1)
    conv = QConv2D(3, 3, iq_conf=entering, activation="relu", name="conv", **weights)
    pooled = keras.layers.MaxPooling2D(2, strides=1, name="pool")(conv(inputs))
    bits = rng.integers(0, 4, 12)
    bits[::4] = -3  # with two integer bits, nothing passes
    dense = QDense(4, iq_conf=lane(0, 2, bits), name="dense", **weights)
    h = dense(keras.layers.Flatten(name="flat")(pooled))
    model = keras.Model(inputs, QSoftmax(name="shares", enable_ebops=False)(h))
    for layer in (conv, dense):
        layer.bias.assign(rng.normal(size=layer.bias.shape) / 3)
    x = rng.normal(size=(400, 5, 5, 2)).astype(np.float32)
    trace_minmax(model, x, verbose=False)
    wanted = model.predict(x, verbose=0)
    assert len(np.unique(wanted)) > 20
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(x), wanted)


def test_model_optimization_refuses_keras_3_and_hepnn_prunes_it(trained: Run) -> None:
    """model-optimization #1119 and #1141: neither pruning nor quantization takes Keras 3."""
    from tensorflow_model_optimization.python.core.quantization.keras import quantize
    from tensorflow_model_optimization.python.core.sparsity.keras import prune as theirs

    from hepnn.compress import prune
    from hepnn.training import network

    model = network.load_model(trained.model_file("float"))
    with pytest.raises(ValueError, match="can only prune an object of the following types"):
        theirs.prune_low_magnitude(model)
    with pytest.raises(
        ValueError, match="can only either be a keras Sequential or Functional model"
    ):
        quantize.quantize_model(model)
    pruned = network.load_model(trained.model_file("pruned"))
    assert prune.sparsity(pruned)["total"] >= 0.5 - 1e-9
    assert all(layer.__class__.__name__ != "QDense" for layer in model.layers)
    quantized = network.load_model(trained.model_file("quantized"))
    assert any(layer.__class__.__name__.startswith("Q") for layer in quantized.layers)
