"""hls4ml: equal bits for fixed point, the same decisions for float, and why not its defaults."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from networks import convolutional, dense, digits_classifier, images, lane, quantities, trying

from hepnn import agreement
from hepnn.errors import DataError, MissingDependency, RunError, TargetError
from hepnn.recipe import Bounds
from hepnn.run import Events
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import precision, synthesis
from hepnn.targets.hls4ml.precision import Fixed, Range
from hepnn.targets.kit import HLSOptions, Kit
from hepnn.tasks.classify import Classify

KIT = Kit(name="test", title="test", targets=["hls4ml"])

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def written(model, folder, x, exact, kit=KIT):
    folder.mkdir(exist_ok=True)
    (artefact,) = hls4ml.write(model, folder, kit=kit, calibration=x, exact=exact)
    return artefact


@pytest.fixture(scope="module")
def shipped(tensorflow, tmp_path_factory):
    """Return a fixed-point network, its events and the folder of its firmware."""
    x = quantities()
    model = dense("hgq", x)
    folder = tmp_path_factory.mktemp("hls4ml") / "project"
    return model, x, folder, written(model, folder, x, True)


def test_fixed_point_repeats_the_bits_for_any_input(shipped):
    model, x, _, artefact = shipped
    tried = trying(x)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))
    assert artefact.promise == "exact"


@pytest.mark.parametrize(
    ("network", "vocabulary", "uneven"),
    [(dense, "hgq", True), (dense, "qkeras", False), (convolutional, "hgq", True)],
)
def test_other_quantizers_and_layers_repeat_the_bits(
    tensorflow, tmp_path, network, vocabulary, uneven
):
    x = images() if network is convolutional else quantities()
    model = network(vocabulary, x, **({"uneven": uneven} if uneven else {}))
    artefact = written(model, tmp_path, x, True)
    tried = trying(x)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))


@pytest.mark.parametrize(
    "entering",
    [
        # Without a sign, behind a layer that is negative, with more bits than it.
        {"k": 0, "i": [5, 3, 4], "f": [2, 3, 1]},
        # Saturating, finer than what enters.
        {"k": 1, "i": [1, 2, 1], "f": [5, 6, 7], "overflow_mode": "SAT", "round_mode": "RND_CONV"},
        # Rounding half up to a step beyond all bits that enter.
        {"k": 1, "i": [3, 3, 6], "f": [2, 1, -6], "round_mode": "RND"},
    ],
)
def test_cases_that_hls4ml_alone_gets_wrong_are_exact(tensorflow, tmp_path, entering):
    import keras
    from hgq.layers import QDense, QEinsumDense

    rng = np.random.default_rng(0)
    inputs = keras.Input((3,))
    first = QEinsumDense("bc,c->bc", 3, iq_conf=lane(1, 3, 3), enable_ebops=False, name="in")
    second = QDense(4, iq_conf=lane(**entering), enable_ebops=False, name="out")
    model = keras.Model(inputs, second(first(inputs)))
    first.kernel.assign([1.0, 0.5, -1.0])
    second.kernel.assign(np.round(rng.normal(size=(3, 4)) * 4) / 4)
    x = rng.uniform(-9, 9, (500, 3)).astype(np.float32)
    artefact = written(model, tmp_path, x, True)
    np.testing.assert_array_equal(artefact.predict(x), model.predict(x, verbose=0))


@pytest.mark.parametrize("largest", [0.1, 20.0])
def test_a_table_is_addressed_by_a_lane_of_its_width(tensorflow, tmp_path, largest):
    """Sums far smaller than the lane in front of a table would narrow it."""
    import keras
    from hgq.utils import trace_minmax

    from hepnn import vocabularies
    from hepnn.data import scaling

    keras.utils.set_random_seed(6)
    x = quantities()
    nn = vocabularies.get("hgq", lane_fraction=8)
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.Dense(4, name="dense", use_bias=False)(h)
    model = keras.Model(inputs, nn.Activation("tanh", name="table")(h))
    kernel = model.get_layer("dense").kernel
    kernel.assign(np.sign(kernel) * largest / kernel.shape[0])
    trace_minmax(model, x, verbose=False)
    wanted = model.predict(trying(x), verbose=0)
    assert len(np.unique(wanted)) > 8
    found = written(model, tmp_path / "p", x, True).predict(trying(x))
    np.testing.assert_array_equal(found, wanted)


def test_a_layer_that_passes_nothing_is_refused(tensorflow, tmp_path):
    model = dense("hgq", quantities())
    model.get_layer("second").iq.quantizer._f.assign_sub(np.full((1, 16), 40.0, np.float32))
    with pytest.raises(TargetError, match=r"second.*passes nothing"):
        written(model, tmp_path, quantities(), True)


def test_a_float_stage_decides_alike(tensorflow, tmp_path):
    x = quantities(events=2000)
    model = dense("float", x)
    artefact = written(model, tmp_path, x[:1000], False)
    wanted, got = model.predict(x, verbose=0), artefact.predict(x)
    assert artefact.promise == "bounded"
    assert np.mean(got.argmax(1) != wanted.argmax(1)) <= 0.002
    assert np.abs(got - wanted).max() <= 2e-3 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def cancelling(tensorflow):
    """Return a sum of two numbers that cancel in calibration, and those numbers."""
    import keras

    inputs = keras.Input((2,), name="in")
    outputs = keras.layers.Dense(1, use_bias=False, name="sum")(inputs)
    model = keras.Model(inputs, outputs)
    model.set_weights([np.ones((2, 1), np.float32)])
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (300, 1))
    return model, np.hstack([x, 0.1 * rng.uniform(-1, 1, (300, 1)) - x]).astype(np.float32)


@pytest.mark.parametrize("saturate", [True, False])
def test_what_is_beyond_the_range_seen_saturates_or_wraps_as_asked(cancelling, tmp_path, saturate):
    from hepnn import files

    model, x = cancelling
    kit = KIT.model_copy(update={"hls4ml": HLSOptions(saturate=saturate)})
    artefact = written(model, tmp_path, x, False, kit)
    content = files.read_json(tmp_path / "interface.json")

    def put(values, port):
        """Return numbers as a port holds them."""
        top, lsb = 2.0 ** (port["width"] - 1), port["lsb"]
        whole = np.floor(values / lsb + 0.5)
        kept = np.clip(whole, -top, top - 1) if saturate else (whole + top) % (2 * top) - top
        return kept * lsb

    tried = np.concatenate([x, x[:, [0, 0]], 50 * x, 7 * x[:, [0, 0]]]).astype(np.float64)
    entered = put(tried, content["input"])
    wanted = put(entered.sum(axis=1, keepdims=True), content["output"])
    assert np.mean(entered != tried) > 0.3 and np.mean(
        wanted[300:600, 0] != entered[300:600].sum(1)
    )
    np.testing.assert_array_equal(artefact.predict(tried), wanted.astype(np.float32))


def test_hls4mls_own_types_saturate_on_request(cancelling, tmp_path):
    from hepnn.targets.hls4ml import project

    model, _ = cancelling
    for saturate, modes in ((None, {"WRAP"}), (True, {"SAT"}), (False, {"WRAP"})):
        options = HLSOptions(types="default", saturate=saturate)
        graph = project.plain(model, tmp_path, KIT.model_copy(update={"hls4ml": options}))
        kinds = [node.get_output_variable().type.precision for node in graph.get_layers()]
        assert {kind.saturation_mode.name for kind in kinds} == modes


def test_types_of_tables_are_those_asked_for(tensorflow, tmp_path):
    """hls4ml reads them only beside a layer's other types."""
    import keras
    from hls4ml.converters import convert_from_keras_model
    from hls4ml.utils import config_from_keras_model

    from hepnn.targets.hls4ml import project

    inputs = keras.Input((3,), name="in")
    h = keras.layers.Dense(4, activation="sigmoid", name="a")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="b")(h))
    described = config_from_keras_model(model, granularity="name", backend="Vitis")
    described["LayerName"]["b_softmax"]["Precision"]["exp_table"] = "fixed<12,1>"
    alone = convert_from_keras_model(
        model, hls_config=described, backend="Vitis", output_dir=str(tmp_path)
    )
    assert alone.graph["b_softmax"].get_attr("exp_table_t").precision.width == 18

    options = HLSOptions(types="default", precision={"b_softmax.exp_table": "fixed<12,1>"})
    kit = KIT.model_copy(update={"hls4ml": options})
    graph = project.plain(model, tmp_path, kit)
    kind = graph.graph["b_softmax"].get_attr("exp_table_t").precision
    assert (kind.width, kind.integer) == (12, 1)

    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    logits, _ = hls4ml.entering(model, KIT)
    kind = project.calibrated(logits, tmp_path, KIT, x).graph["a_sigmoid"].get_attr("table_t")
    assert (kind.precision.width, kind.precision.integer) == (18, 2)


def test_lanes_of_a_fixed_point_stage_stay_as_they_were_trained(shipped, tmp_path):
    model, x, _, _ = shipped
    kit = KIT.model_copy(update={"hls4ml": HLSOptions(saturate=True)})
    with pytest.raises(TargetError, match="option saturate is for float stages"):
        written(model, tmp_path, x, True, kit)


@pytest.fixture(scope="module")
def digits(tensorflow):
    """Return a softmax classifier of handwritten digits and its test events."""
    model, x, y = digits_classifier()
    return model, x[:1200], x[1200:], y[1200:]


def test_the_default_conversion_of_a_softmax_is_wrong_and_ours_is_not(digits, tmp_path):
    model, x, held, labels = digits
    wanted = model.predict(held, verbose=0)
    kit = Kit(name="d", title="d", targets=["hls4ml"], hls4ml=HLSOptions(types="default"))
    default = written(model, tmp_path / "default", x, False, kit)
    ours = written(model, tmp_path / "ours", x, False)

    assert np.mean(wanted.argmax(1) == labels) > 0.85
    assert np.mean(default.predict(held).argmax(1) != wanted.argmax(1)) > 0.5
    got = ours.predict(held)
    assert np.mean(got.argmax(1) != wanted.argmax(1)) <= 0.002
    # What nobody would notice in training is refused when the two are compared.
    events = Events(held, labels, np.ones(len(held), np.float32))
    for artefact, expected in ((default, "refused"), (ours, "good")):
        figures = agreement.compare(wanted, artefact.predict(held), events, Classify())
        assert agreement.verdict(artefact, figures, Bounds())["verdict"] == expected
    # The host takes the softmax, so that probabilities can be compared.
    assert np.abs(got - wanted).max() < 0.01
    assert "softmax is left out" in ours.cost()["output"]


def test_a_moved_folder_opens_without_keras(shipped, tmp_path):
    model, x, folder, _ = shipped
    moved = tmp_path / "there"
    shutil.copytree(folder, tmp_path / "here")
    shutil.move(tmp_path / "here", moved)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy, pathlib; from hepnn.targets import hls4ml as target;"
        f"a, = target.load(pathlib.Path({str(moved)!r}));"
        f"x = numpy.load({str(tmp_path / 'x.npy')!r});"
        f"numpy.save({str(tmp_path / 'y.npy')!r}, a.predict(x));"
        "print(sorted({'tensorflow', 'keras', 'hls4ml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0))


def test_nothing_written_knows_where_it_was(shipped):
    _, _, folder, artefact = shipped
    named = [
        path
        for path in folder.rglob("*")
        if path.is_file() and str(folder).encode() in path.read_bytes()
    ]
    assert named == []
    assert artefact.cost()["synthesis"] == "not run: vitis_hls not found"


def test_damage_is_one_line(shipped, tmp_path):
    _, _, folder, _ = shipped
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights = sorted((copy / "firmware" / "weights").glob("w*.txt"))[0]
    weights.write_text(weights.read_text()[:20])
    with pytest.raises(RunError, match="damaged"):
        hls4ml.load(copy)
    weights.unlink()
    with pytest.raises(RunError, match="missing"):
        hls4ml.load(copy)
    (copy / "interface.json").write_text("{}")
    with pytest.raises(RunError, match="damaged"):
        hls4ml.load(copy)


def test_the_interface_says_the_grid_of_every_feature(shipped):
    model, _, folder, _ = shipped
    from hepnn import files

    content = files.read_json(folder / "interface.json")["input"]
    k, i, f = (np.asarray(part).ravel() for part in model.layers[1].iq.quantizer.kif)
    assert content["grid"]["signed"] == k.tolist()
    assert content["grid"]["integer"] == i.tolist()
    assert content["grid"]["fraction"] == f.tolist()
    assert content["host"] == "quantize"


def test_a_wrong_shape_is_refused(shipped):
    _, x, _, artefact = shipped
    with pytest.raises(DataError, match="shape"):
        artefact.predict(x[:, 1:])


def test_check_names_the_layer_that_is_refused(tensorflow):
    import keras

    inputs = keras.Input((8, 4))
    h = keras.layers.Conv1D(4, 3, name="before")(inputs)
    h = keras.layers.GaussianNoise(0.1, name="noise")(h)
    h = keras.layers.GroupNormalization(2, name="odd")(h)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(keras.layers.Flatten()(h)))
    rows = {row.layer: row for row in hls4ml.check(model, KIT)}
    assert rows["odd"].verdict == "refused"
    assert "GroupNormalization" in rows["odd"].reason
    assert rows["before"].verdict == "approximate"


def test_check_calls_fixed_point_exact(shipped):
    assert {row.verdict for row in hls4ml.check(shipped[0], KIT)} == {"exact"}


def test_without_a_compiler_the_command_to_get_one_is_said(shipped, tmp_path, monkeypatch):
    model, x, _, _ = shipped
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingDependency, match=r"needs g\+\+ and make"):
        written(model, tmp_path, x, True)


def test_synthesis_needs_the_vendors_tool(shipped, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependency, match="vitis_hls"):
        hls4ml.synthesize(shipped[2])


def test_a_vendors_report_is_read(tmp_path):
    (tmp_path / "project.tcl").write_text(
        'variable project_name\nset project_name "network"\nvariable backend\n'
        'set backend "vitis"\nvariable part\nset part "x"\nvariable clock_period\n'
        "set clock_period 5\n"
    )
    reports = tmp_path / "network_prj" / "solution1" / "syn" / "report"
    reports.mkdir(parents=True)
    (tmp_path / "network_prj" / "vivado_hls.app").write_text(
        '<project><solutions><solution name="solution1"/></solutions></project>'
    )
    (reports / "network_csynth.xml").write_text(
        "<profile><UserAssignments><TargetClockPeriod>5</TargetClockPeriod></UserAssignments>"
        "<PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>3.6"
        "</EstimatedClockPeriod></SummaryOfTimingAnalysis><SummaryOfOverallLatency>"
        "<Best-caseLatency>9</Best-caseLatency><Worst-caseLatency>9</Worst-caseLatency>"
        "<Interval-min>1</Interval-min><Interval-max>1</Interval-max></SummaryOfOverallLatency>"
        "</PerformanceEstimates><AreaEstimates><Resources><LUT>4000</LUT><FF>900</FF>"
        "<DSP>12</DSP><BRAM_18K>0</BRAM_18K><URAM>0</URAM></Resources><AvailableResources>"
        "<LUT>1728000</LUT></AvailableResources></AreaEstimates></profile>"
    )
    read = synthesis.report(tmp_path, "Vitis")["synthesis"]
    assert read["LUT"] == "4000"
    assert read["latency_clocks"] == ["9", "9"]
    (reports / "network_csynth.xml").write_text("<profile><User")
    assert "cannot be read" in synthesis.report(tmp_path, "Vitis")["synthesis"]


def test_types_hold_what_they_were_made_for():
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = np.round(rng.normal(size=8) * 2.0 ** rng.integers(-6, 8), 3)
        kept = precision.weight_type(values, 18)
        step = 2.0**-kept.fraction
        assert np.abs(values).max() <= kept.largest
        assert np.abs(np.round(values / step) * step - values).max() <= step / 2
    assert str(precision.weight_type(np.array([0.5, -8.0]), 18)) == "fixed<6,5,RND,SAT>"
    assert precision.weight_type(np.array([2.0**-12, 2.0**10]), 18, exact=True).fraction == 12
    assert str(Fixed(False, 4, -1)) == "ufixed<3,4>"
    assert precision.result_type(Range(-1.0, 3.9), 18, 1) == Fixed(True, 4, 14, ",RND,SAT")
    assert precision.fraction_bits(np.array([3.0, 0.375])) == 3
    assert precision.fraction_bits(np.array([4.0, 8.0])) == -2


def test_shared_multipliers_stay_exact(tensorflow, tmp_path):
    x = quantities()
    model = dense("qkeras", x)
    kit = KIT.model_copy(
        update={"hls4ml": HLSOptions(backend="Vivado", reuse_factor=4, strategy="Resource")}
    )
    artefact = written(model, tmp_path, x, True, kit)
    np.testing.assert_array_equal(artefact.predict(x), model.predict(x, verbose=0))
    assert artefact.cost()["synthesis"] == "not run: vivado_hls not found"


def test_a_stream_is_refused_by_the_layer_that_cannot_stream(shipped):
    kit = KIT.model_copy(update={"hls4ml": HLSOptions(io_type="io_stream")})
    rows = {row.layer: row for row in hls4ml.check(shipped[0], kit)}
    assert rows["input_scaling"].verdict == "refused"
    assert "io_parallel" in rows["input_scaling"].reason
