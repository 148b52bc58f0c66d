"""Recurrent networks: the papers' counts, Keras's layers, NumPy's equations; masks to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.architectures import narrow
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")

CELLS = ("simple", "lstm", "peephole", "gru")
FIXED = ("hgq", "qkeras")


def _count(name: str, shape: tuple[int, ...], output: tuple[int, ...], **hyper: Any) -> int:
    build = architectures.get(name)
    return int(build(shape, output, nn=vocabularies.get("float"), **hyper).count_params())


def _sequences(steps: int = 6, features: int = 4, events: int = 50, seed: int = 0) -> np.ndarray:
    """Return sequences of all lengths, none included; zeros where the mask, the last, is 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(events, steps, features)).astype(np.float32)
    lengths = rng.permutation(np.arange(events) % (steps + 1))
    x[..., -1] = np.arange(steps) < lengths[:, None]
    return x * x[..., -1:]


def _network(cell: str, vocabulary: str, x: np.ndarray, uneven: bool = False, **hyper: Any) -> Any:
    """Return a network with a bias everywhere, its lanes fit to the sequences."""
    import keras

    keras.utils.set_random_seed(3)
    nn = vocabularies.get(vocabulary)
    options = {"cell": cell, "units": [3], "hidden": [], "gates": "hard", **hyper}
    model = architectures.get("recurrent")(x.shape[1:], (2,), nn=nn, **options)
    rng = np.random.default_rng(4)
    for variable in model.trainable_variables:
        if variable.path.endswith("bias"):
            variable.assign(rng.normal(size=variable.shape) * 0.3)
    if vocabulary == "hgq":
        from hgq.utils import trace_minmax

        if uneven:
            for quantizer in model._flatten_layers():
                width = getattr(quantizer, "_f", None)
                if width is not None and quantizer.trainable:
                    width.assign(rng.integers(0, 8, width.shape))
        trace_minmax(model, x)
    return model


# Counts.


@pytest.mark.parametrize(
    ("shape", "outputs", "units", "hidden", "lstm", "gru"),
    [
        ((20, 6), 1, 20, [64], 3_569, 3_089),
        ((15, 6), 3, 120, [50, 10], 67_553, 52_673),
        ((100, 3), 5, 128, [256, 128], 134_149, 117_637),
    ],
)
def test_counts_are_those_of_the_hls4ml_paper(
    shape: tuple[int, ...], outputs: int, units: int, hidden: list[int], lstm: int, gru: int
) -> None:
    """E. E. Khoda et al. (arXiv:2207.00559), table 1: top, flavour and QuickDraw models."""
    options = {"units": [units], "hidden": hidden, "mask": False}
    assert _count("recurrent", shape, (outputs,), cell="lstm", **options) == lstm
    reset_after = _count("recurrent", shape, (outputs,), cell="gru", reset_after=True, **options)
    # Keras's GRU, which they use, has two biases at each of its two gates, in one sum.
    assert reset_after + 2 * units == gru


def test_counts_follow_from_the_equations() -> None:
    """Blocks of `features * units + units * units + units`, and three peepholes a unit."""
    features, units = 6, 20
    block = units * (features + units + 1)
    for cell, blocks, more in (("simple", 1, 0), ("lstm", 4, 0), ("peephole", 4, 3), ("gru", 3, 0)):
        found = _count("recurrent", (20, features + 1), (1,), cell=cell, units=[units], hidden=[])
        assert found == blocks * block + more * units + units + 1


def test_both_directions_have_twice_the_weights() -> None:
    one = _count("recurrent", (5, 4), (2,), cell="gru", units=[8], hidden=[])
    both = _count("recurrent", (5, 4), (2,), cell="gru", units=[8], hidden=[], bidirectional=True)
    assert both - 2 * 16 - 2 == 2 * (one - 2 * 8 - 2)


def test_the_encoder_and_decoder_have_chos_sizes() -> None:
    """Cho et al. (2014), section 3: 1,000 units, words of 100 numbers."""
    encoder = 3 * 1000 * (100 + 1000 + 1)
    decoder = 3 * 1000 * (1000 + 1000 + 1)
    found = _count("encoder_decoder", (7, 100), (5, 100))
    assert found == encoder + decoder + 1000 * 100 + 100 == 9_406_100


def test_the_time_delay_network_has_waibels_sizes() -> None:
    """Waibel et al. (1989): 8 units on 3 frames of 16 coefficients, 3 units on 5 of those."""
    build = architectures.get("cnn1d")
    model = build((15, 16), (3,), nn=vocabularies.get("float"), mask=False)
    assert model.get_layer("conv1").count_params() == 8 * (3 * 16 + 1)
    assert model.get_layer("conv2").count_params() == 3 * (5 * 8 + 1)


# Equations.


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("cell", ["SimpleRNN", "LSTM", "GRU", "GRU reset after"])
def test_layers_are_kerass(cell: str, sequences: bool, backwards: bool) -> None:
    import keras

    from hepnn.layers import recurrent

    name, _, after = cell.partition(" ")
    options: dict[str, Any] = {"return_sequences": sequences, "go_backwards": backwards}
    if name == "GRU":
        options["reset_after"] = bool(after)
    x = _sequences()
    keras.utils.set_random_seed(1)
    theirs = getattr(keras.layers, name)(5, **options)
    ours = getattr(recurrent, name)(5, **options)
    theirs.build(x.shape)
    ours.build(x.shape)
    bias = np.random.default_rng(2).normal(size=theirs.cell.bias.shape).astype(np.float32)
    theirs.cell.bias.assign(bias)
    ours.kernel.assign(theirs.cell.kernel)
    ours.recurrent_kernel.assign(theirs.cell.recurrent_kernel)
    if after:
        ours.bias.assign(np.concatenate([(bias[0] + bias[1])[:10], bias[0, 10:]]))
        ours.recurrent_bias.assign(bias[1, 10:])
    else:
        ours.bias.assign(bias)
    expected = np.asarray(theirs(x))
    if sequences and backwards:
        expected = expected[:, ::-1]  # Keras returns the last step first
    np.testing.assert_allclose(np.asarray(ours(x)), expected, atol=1e-6)


def test_peepholes_are_the_papers() -> None:
    """Gers, Schraudolph, Schmidhuber (2002), eqs. (2) to (8), unit by unit in NumPy."""
    from hepnn.layers.recurrent import PeepholeLSTM

    x = _sequences().astype(np.float64)
    layer = PeepholeLSTM(5)
    layer.build(x.shape)
    rng = np.random.default_rng(5)
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    layer.peephole.assign(rng.normal(size=layer.peephole.shape))
    names = ("kernel", "recurrent_kernel", "bias", "peephole")
    w, u, b, p = (np.asarray(getattr(layer, name), np.float64) for name in names)

    def sigmoid(z: float) -> float:
        return 1.0 / (1.0 + np.exp(-z))

    y, s = np.zeros((len(x), 5)), np.zeros((len(x), 5))
    for t in range(x.shape[1]):
        before, y, s = y, np.zeros_like(y), s.copy()
        for event in range(len(x)):
            for unit in range(5):
                net = [
                    x[event, t] @ w[:, gate * 5 + unit]
                    + before[event] @ u[:, gate * 5 + unit]
                    + b[gate * 5 + unit]
                    for gate in range(4)
                ]
                entry = sigmoid(net[0] + p[0, unit] * s[event, unit])
                forget = sigmoid(net[1] + p[1, unit] * s[event, unit])
                s[event, unit] = forget * s[event, unit] + entry * np.tanh(net[2])
                leave = sigmoid(net[3] + p[2, unit] * s[event, unit])
                y[event, unit] = leave * np.tanh(s[event, unit])
    np.testing.assert_allclose(np.asarray(layer(x)), y, atol=1e-6)


def test_hard_gates_are_the_fixed_point_functions() -> None:
    """A gate is `x / 4 + 1/2` cut at 0 and 1, tanh is `x` cut at -1 and 1: HGQ2's, to a step."""
    from hepnn.layers.recurrent import FloatCell, SimpleRNN

    x = np.linspace(-4, 4, 1001).astype(np.float32)[:, None]
    soft = FloatCell(SimpleRNN(1, gates="hard"))
    layer = _network("gru", "qkeras", _sequences()).get_layer("gru1")
    cell = layer.cell(training=False)
    wide = np.repeat(x, 6, axis=1)
    step = 2.0**-5
    assert np.abs(np.asarray(cell.gate("gates", wide)) - np.asarray(soft.gate("", x))).max() <= step
    squashed = np.asarray(cell.squash("candidate", wide[:, :3]))
    assert np.abs(squashed - np.asarray(soft.squash("", x))).max() <= step


@pytest.mark.parametrize("vocabulary", FIXED)
def test_the_fixed_point_lstm_is_its_equations_on_lanes(vocabulary: str) -> None:
    from keras import ops

    from hepnn.targets.fixed_point import Lane

    x = _sequences()
    model = _network("lstm", vocabulary, x, uneven=True)
    layer = model.get_layer("lstm1")

    def on(quantizer: Any, values: np.ndarray) -> np.ndarray:
        lane = Lane.of(quantizer)
        assert lane is not None
        return lane.quantize(values.astype(np.float32)).astype(np.float64)

    def lane(name: str, values: np.ndarray) -> np.ndarray:
        return on(layer.lane(name), values)

    w, u, b = (
        np.asarray(ops.convert_to_numpy(layer.quantized(name)), np.float64)
        for name in ("kernel", "recurrent_kernel", "bias")
    )
    entering = on(layer.iq, x[..., :-1])
    h, c = np.zeros((len(x), 3)), np.zeros((len(x), 3))
    for t in range(x.shape[1]):
        a = entering[:, t] @ w + b + h @ u
        i, f = np.split(lane("gates", a[:, :6]) / 4 + 0.5, 2, axis=1)
        memory = lane("memory", f * c + i * lane("candidate", a[:, 6:9]))
        o = lane("output_gate", a[:, 9:]) / 4 + 0.5
        out = lane("state", o * lane("read", memory))
        shown = x[:, t, -1:] > 0
        h, c = np.where(shown, out, h), np.where(shown, memory, c)
    import keras

    found = keras.Model(model.inputs, layer.output).predict(x, verbose=0)
    assert np.array_equal(found, h.astype(np.float32))


# Masks and directions.


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("vocabulary", ["float", *FIXED])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_no_bit(cell: str, vocabulary: str, backwards: bool) -> None:
    x = _sequences()
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(len(x), 6, 3)).astype(np.float32) * 100
    garbage = x.copy()
    garbage[..., :-1] = np.where(x[..., -1:] > 0, x[..., :-1], noise)
    longer = np.concatenate([x, np.zeros_like(x)], axis=1)
    model = _network(cell, vocabulary, x, go_backwards=backwards)
    padded = _network(cell, vocabulary, longer, go_backwards=backwards)
    padded.set_weights(model.get_weights())
    expected = model.predict(x, verbose=0)
    assert len(np.unique(expected, axis=0)) > 10
    assert np.array_equal(model.predict(garbage, verbose=0), expected)
    assert np.array_equal(padded.predict(longer, verbose=0), expected)


@pytest.mark.parametrize("vocabulary", ["float", "hgq"])
def test_padding_changes_no_bit_behind_a_stack_in_both_directions(vocabulary: str) -> None:
    x = _sequences()
    longer = np.concatenate([x, np.zeros_like(x)], axis=1)
    options: dict[str, Any] = {"units": [3, 2], "bidirectional": True}
    model = _network("gru", vocabulary, x, **options)
    padded = _network("gru", vocabulary, longer, **options)
    padded.set_weights(model.get_weights())
    assert np.array_equal(padded.predict(longer, verbose=0), model.predict(x, verbose=0))


def test_masked_steps_count_for_nothing_in_the_convolutions() -> None:
    x = _sequences(steps=8)
    build = architectures.get("cnn1d")
    model = build((8, 4), (2,), nn=vocabularies.get("float"), filters=[4, 4], kernels=[3, 3])
    garbage = x + 100 * (1 - x[..., -1:]) * np.array([1, -1, 1, 0], np.float32)
    assert np.array_equal(model.predict(garbage, verbose=0), model.predict(x, verbose=0))


def test_the_backward_half_reads_from_the_end() -> None:
    import keras

    x = np.random.default_rng(1).normal(size=(20, 5, 3)).astype(np.float32)
    model = _network("lstm", "float", x, bidirectional=True, mask=False)
    forward, backward = model.get_layer("lstm1_forward"), model.get_layer("lstm1_backward")
    backward.set_weights(forward.get_weights())
    both = keras.Model(model.inputs, model.get_layer("lstm1_joined").output)
    straight, reverse = both.predict(x, verbose=0), both.predict(x[:, ::-1], verbose=0)
    np.testing.assert_allclose(straight[:, :3], reverse[:, 3:], atol=1e-6)
    np.testing.assert_allclose(straight[:, 3:], reverse[:, :3], atol=1e-6)


# Saving, compressing, shipping.


@pytest.mark.parametrize("cell", CELLS)
def test_a_saved_fixed_point_network_is_the_same(cell: str, tmp_path: Path) -> None:
    from hepnn.training import network

    x = _sequences()
    model = _network(cell, "hgq", x, uneven=True)
    model.save(tmp_path / "model.keras")
    again = network.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_recurrent_kernels_are_pruned_and_held() -> None:
    from hepnn.compress import hold, prune
    from hepnn.recipe import Prune

    model = _network("gru", "float", _sequences(), units=[8])
    step = Prune(sparsity=0.5, schedule="constant", layers={"gru1": 0.75})
    masks = prune.Masks(step, model, 3)
    masks.set_model(model)
    masks.on_epoch_begin(0)
    found = prune.sparsity(model)["layers"]
    assert found == {"gru1": 0.75, "gru1.recurrent_kernel": 0.75, "logits": 0.5}
    hold.hold(model)
    layer = model.get_layer("gru1")
    kept = layer.recurrent_kernel.constraint(np.ones(layer.recurrent_kernel.shape, np.float32))
    assert np.mean(np.asarray(kept) == 0) == 0.75


def test_ranges_are_measured_for_both_kernels() -> None:
    from hepnn.compress import quantize

    x = _sequences() * np.array([1, 1, 8, 1], np.float32)
    model = _network("lstm", "float", x)
    found = quantize.ranges(model, x, 6)
    assert {"lstm1.input", "lstm1.kernel", "lstm1.recurrent_kernel", "lstm1.bias"} <= set(found)
    assert found["lstm1.input"] >= 8


def test_both_kernels_are_multiplied_at_every_step() -> None:
    from hepnn.training.choice import multiplications

    model = _network("gru", "float", _sequences(steps=6, features=5), units=[8])
    assert multiplications(model) == 6 * (4 * 24 + 8 * 24) + 8 * 2


@pytest.mark.parametrize("label", ["peephole-lstm", "gru", "stacked-gru", "encoder-decoder"])
def test_logic_repeats_the_bits_with_uneven_lanes(label: str) -> None:
    from hepnn.targets.rtl import trace

    name, (shape, _, hyper, _) = narrow.variants()[label]
    x = _sequences(shape[0], shape[1])
    if name == "recurrent":
        model = _network(**{"x": x, "vocabulary": "hgq", "uneven": True, **hyper})
        traced = trace.trace_network(model)
        tried = np.concatenate([x, trace.probe(traced, 200)])
        assert np.array_equal(traced.predict(tried), model.predict(tried, verbose=0))


@pytest.mark.parametrize(
    "vocabulary", ["float", "hgq", pytest.param("qkeras", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("cell", CELLS)
def test_written_out_as_plain_layers_it_is_the_same_network(cell: str, vocabulary: str) -> None:
    from hepnn.targets.hls4ml import recurrent

    x = _sequences(steps=3)
    model = _network(cell, vocabulary, x, units=[3, 2])
    plain, origin = recurrent.written_out(model)
    assert set(origin.values()) == {f"{cell}1", f"{cell}2"}
    found, expected = (network.predict(x, verbose=0) for network in (plain, model))
    if vocabulary == "float":
        np.testing.assert_allclose(found, expected, atol=1e-6)
    else:
        assert np.array_equal(found, expected)


def test_the_bound_on_sums_holds_and_is_reached() -> None:
    """A GRU's widest number is that of its input map here: 4 bits of input times 5 of weight."""
    from hepnn.targets import bounds

    x = _sequences()
    for cell in CELLS:
        layer = _network(cell, "qkeras", x).get_layer(f"{cell}1")
        bits = bounds.recurrent_bits(layer)
        assert 10 < bits < 24


# Refusals.


@pytest.mark.parametrize(
    ("name", "shape", "hyper", "said"),
    [
        ("recurrent", (4,), {}, "takes sequences"),
        ("recurrent", (4, 3), {"cell": "lst"}, "did you mean 'lstm'"),
        ("recurrent", (4, 3), {"units": []}, "at least one layer"),
        ("recurrent", (4, 1), {}, "set mask: false"),
        ("recurrent", (4, 3), {"gates": "firm"}, "known: hard, soft"),
        ("recurrent", (4, 3), {"reset_after": True}, "is of cell: gru"),
        ("recurrent", (4, 3), {"bidirectional": True, "go_backwards": True}, "drop go_backwards"),
        ("encoder_decoder", (4, 3), {}, "puts out sequences"),
        ("cnn1d", (4, 4, 1), {}, "takes sequences"),
        ("cnn1d", (4, 3), {"filters": [3], "kernels": [3, 3]}, "must be as many"),
    ],
)
def test_bad_input_is_refused(
    name: str, shape: tuple[int, ...], hyper: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        architectures.get(name)(shape, (2,), nn=vocabularies.get("float"), **hyper)


@pytest.mark.parametrize("vocabulary", FIXED)
def test_soft_gates_are_refused_in_fixed_point(vocabulary: str) -> None:
    with pytest.raises(RecipeError, match=f"{vocabulary} has no soft gates; set gates: hard"):
        architectures.get("recurrent")((4, 3), (2,), nn=vocabularies.get(vocabulary))
