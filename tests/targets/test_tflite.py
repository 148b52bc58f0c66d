"""TFLite: equal bits for fixed point, close numbers for float, said losses for int8."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from networks import convolutional, dense, images, quantities, trying

from hepnn.errors import DataError, HepnnError, RunError, TargetError
from hepnn.targets import preflight, tflite
from hepnn.targets.fixed_point import Lane, first_lane
from hepnn.targets.kit import Kit
from hepnn.targets.tflite.closed_form import closed_form

KIT = Kit(name="test", title="test", targets=["tflite"])


def written(model, folder, x, exact, **options):
    folder.mkdir(exist_ok=True)
    return tflite.write(model, folder, kit=KIT, calibration=x, exact=exact, **options)


@pytest.fixture(scope="module")
def fixed(tensorflow):
    x = quantities()
    return dense("hgq", x), x


@pytest.fixture(scope="module")
def floating(tensorflow):
    x = quantities(events=1000)
    return dense("float", x), x


@pytest.mark.parametrize(
    ("network", "vocabulary", "uneven"),
    [
        (dense, "hgq", False),
        (dense, "hgq", True),
        (dense, "qkeras", False),
        (convolutional, "hgq", True),
        (convolutional, "qkeras", False),
    ],
)
def test_fixed_point_repeats_the_bits_for_any_input(
    tensorflow, tmp_path, network, vocabulary, uneven
):
    x = images() if network is convolutional else quantities()
    model = network(vocabulary, x, **({"uneven": uneven} if vocabulary == "hgq" else {}))
    (artefact,) = written(model, tmp_path, x, True)
    tried = trying(x)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))
    assert artefact.promise == "exact"
    assert artefact.cost()["xnnpack"] == "whole graph"


@pytest.mark.parametrize("rounding", ["TRN", "RND", "RND_CONV"])
@pytest.mark.parametrize("overflow", ["WRAP", "SAT", "SAT_SYM"])
def test_every_mode_has_a_closed_form_and_a_numpy_form_with_its_bits(
    tensorflow, rounding, overflow
):
    from hgq.config import QuantizerConfig
    from hgq.quantizer import Quantizer
    from keras import Model, Sequential, ops

    config = QuantizerConfig("kif", "datalane", round_mode=rounding, overflow_mode=overflow)
    config.config.update(trainable=False, homogeneous_axis=(0,), heterogeneous_axis=None)
    quantizer = Quantizer(config)
    quantizer.build((None, 60))
    rng = np.random.default_rng(3)
    inner = quantizer.quantizer
    for variable, low, high in ((inner._k, 0, 2), (inner._i, -3, 5), (inner._f, -3, 6)):
        variable.assign(rng.integers(low, high, (1, 60)))
    x = np.concatenate(
        [rng.normal(size=(500, 60)) * 10, rng.normal(size=(200, 60)) * 1e6, np.zeros((1, 60))]
    ).astype(np.float32)
    x = np.concatenate([x, np.round(x[:200] * 16) / 16])
    model = Sequential([quantizer])
    model.build((None, 60))
    own = ops.convert_to_numpy(model(x))
    assert isinstance(model, Model)
    lane = Lane.of(quantizer)
    assert (lane.bits <= 0).any()
    np.testing.assert_array_equal(lane.quantize(x), own)
    with closed_form(model) as left:
        np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), own)
    assert left == []
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), own)
    assert "call" not in vars(inner)


def test_a_wrap_wider_than_float32_is_left_alone(fixed):
    from hepnn.targets.tflite.closed_form import closed

    wide = np.asarray([[12.0]])
    assert closed(Lane(np.ones((1, 1)), wide, wide, "RND", "WRAP")) is None
    assert closed(Lane(np.ones((1, 1)), wide, wide - 1, "RND", "WRAP")) is not None


def test_a_float_stage_keeps_its_numbers(floating, tmp_path):
    model, x = floating
    (artefact,) = written(model, tmp_path, x, False)
    wanted = model.predict(x, verbose=0)
    got = artefact.predict(x)
    assert artefact.promise == "bounded"
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_smaller_forms_decide_alike(floating, tmp_path):
    model, x = floating
    forms = written(model, tmp_path, x, False, formats=("float32", "float16", "int8"))
    assert [form.name for form in forms] == ["tflite", "tflite-float16", "tflite-int8"]
    assert [form.promise for form in forms] == ["bounded", "bounded", "measured"]
    wanted = model.predict(x, verbose=0)
    flips = [np.mean(form.predict(x).argmax(1) != wanted.argmax(1)) for form in forms]
    # The scales of the inputs span five orders of magnitude: with the scaling inside the file,
    # one int8 step of the largest would hide all others.
    assert flips[0] == 0.0
    assert flips[1] <= 0.005
    assert flips[2] <= 0.05
    assert forms[2].cost()["bytes"] < forms[0].cost()["bytes"]


def test_cost_is_measured(fixed, tmp_path):
    model, x = fixed
    (artefact,) = written(model, tmp_path, x, True)
    cost = artefact.cost()
    assert cost["bytes"] == (tmp_path / "model.tflite").stat().st_size
    assert cost["operations"] > 4
    assert 0 < cost["latency_ns"]["p50"] <= cost["latency_ns"]["p99"]


def test_a_moved_folder_opens_without_tensorflow(fixed, tmp_path):
    model, x = fixed
    written(model, tmp_path / "here", x, True)
    moved = tmp_path / "there"
    shutil.move(tmp_path / "here", moved)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy, pathlib; from hepnn.targets import tflite;"
        f"a, = tflite.load(pathlib.Path({str(moved)!r}));"
        f"x = numpy.load({str(tmp_path / 'x.npy')!r});"
        f"numpy.save({str(tmp_path / 'y.npy')!r}, a.predict(x));"
        "print(sorted({'tensorflow', 'keras', 'hls4ml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0))


@pytest.mark.parametrize("kept", [0, 6, 100, -40])
def test_half_a_file_is_one_line(fixed, tmp_path, kept):
    model, x = fixed
    written(model, tmp_path, x, True)
    path = tmp_path / "model.tflite"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(HepnnError) as raised:
        tflite.load(tmp_path)
    assert "\n" not in str(raised.value)
    assert "model.tflite" in str(raised.value)


def test_a_missing_or_damaged_interface_is_one_line(fixed, tmp_path):
    with pytest.raises(RunError, match=r"interface\.json"):
        tflite.load(tmp_path)
    (tmp_path / "interface.json").write_text('{"forms": [{}]}')
    with pytest.raises(RunError, match=r"interface\.json"):
        tflite.load(tmp_path)


def test_wrong_shapes_and_formats_are_refused(fixed, tmp_path):
    model, x = fixed
    (artefact,) = written(model, tmp_path, x, True)
    with pytest.raises(DataError, match="shape"):
        artefact.predict(x[:, :-1])
    with pytest.raises(TargetError, match="did you mean 'float16'"):
        written(model, tmp_path, x, False, formats=("float61",))


def test_check_names_the_layer_that_is_refused(tensorflow):
    import keras

    class Determinant(keras.layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.linalg.det(tf.reshape(x, (-1, 2, 2)))[:, None]

    inputs = keras.Input((4,))
    h = keras.layers.Dense(4, name="before")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(Determinant(name="odd")(h)))
    rows = {row.layer: row for row in tflite.check(model, KIT)}
    assert rows["odd"].verdict == "refused"
    assert "MatrixDeterminant" in rows["odd"].reason
    assert rows["before"].verdict == "approximate"


def test_check_calls_fixed_point_exact(fixed, floating):
    assert {row.verdict for row in tflite.check(fixed[0], KIT)} == {"exact"}
    assert {row.verdict for row in tflite.check(floating[0], KIT)} == {"approximate"}


def test_accumulator_bits_bound_every_sum(fixed):
    model, x = fixed
    bits = preflight.accumulator_bits(model)
    # Independent: the sums themselves, in whole steps of the smallest product.
    layer = model.get_layer("second")
    kernel, bias = (np.asarray(part, np.float64) for part in (layer.qkernel, layer.qbias))
    f = np.asarray(layer.iq.quantizer.kif[2]).max()
    step = 2.0 ** -(f + 12)
    assert np.all(kernel / 2.0**-12 % 1 == 0)
    top = np.asarray(layer.iq.quantizer.max, np.float64)
    exact = np.log2((np.abs(kernel).T @ top.ravel() + np.abs(bias)).max() / step)
    assert 4 < bits["second"] <= exact + 1e-9
    assert set(bits) == {"input_scaling", "first", "second", "logits"}


def test_sums_beyond_float32_are_said_before_training(tensorflow):
    x = quantities()
    model = dense("hgq", x, weight_bits=12, lane_fraction=12, lane_integer=6)
    rows = {row.layer: row for row in preflight.verdicts(model)}
    assert max(preflight.accumulator_bits(model).values()) > 24
    assert any(row.verdict == "approximate" and "24" in row.reason for row in rows.values())


def test_the_first_lane_is_found_behind_a_flatten(tensorflow):
    import keras
    from hgq.layers import QDense

    inputs = keras.Input((2, 3))
    model = keras.Model(inputs, QDense(2)(keras.layers.Flatten()(inputs)))
    layer, lane = first_lane(model)
    assert layer.name.startswith("q_dense")
    assert lane.k.shape == (1, 2, 3)


def test_int8_that_xnnpack_refuses_runs_on_the_builtin_kernels(tensorflow, tmp_path):
    """Two quantities that nearly cancel: the output's scale is below 1/256 of the products'."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    from keras import initializers

    from hepnn import vocabularies

    nn = vocabularies.get("float")
    rng = np.random.default_rng(5)
    x = np.repeat(rng.normal(size=(300, 1)), 2, axis=1).astype(np.float32)
    x[:, 1] += (1e-5 * rng.normal(size=300)).astype(np.float32)
    inputs = nn.Input((2,))
    difference = nn.Dense(1, kernel_initializer=initializers.Constant([[1.0], [-1.0]]))
    model = nn.Model(inputs, difference(inputs))
    (artefact,) = written(model, tmp_path, x, False, formats=("int8",))
    with pytest.raises(RuntimeError, match="XNNPACK"):
        Interpreter(model_path=str(artefact.path)).allocate_tensors()
    assert artefact.cost()["xnnpack"] == "no"
    reference = Interpreter(
        model_path=str(artefact.path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    reference.allocate_tensors()
    into, out = reference.get_input_details()[0], reference.get_output_details()[0]
    (scale, zero), (unit, origin) = into["quantization"], out["quantization"]
    codes = np.clip(np.round(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    wanted = []
    for event in codes:
        reference.set_tensor(into["index"], event[None])
        reference.invoke()
        wanted.append(reference.get_tensor(out["index"])[0])
    wanted = (np.array(wanted, np.float32) - origin) * np.float32(unit)
    np.testing.assert_array_equal(artefact.predict(x), wanted)


def test_weights_are_quantized_once_and_not_for_every_event(fixed, tmp_path):
    model, x = fixed
    (artefact,) = written(model, tmp_path, x, True)
    sums = artefact._operations.count("FULLY_CONNECTED")
    # The input's lane: factor, half, floor, offset, share, floor, difference; its scaling is a
    # product now, and of the three lanes behind there is left one floor each.
    assert sums == 4
    assert len(artefact._operations) <= sums + 7 + 3


def test_a_large_kernel_is_folded(tensorflow, tmp_path):
    x = quantities(features=40)
    model = dense("hgq", x, units=(300, 20))
    (artefact,) = written(model, tmp_path, x, True)
    assert artefact.cost()["xnnpack"] == "whole graph"
    assert "SELECT" not in artefact._operations
    np.testing.assert_array_equal(artefact.predict(trying(x)), model.predict(trying(x), verbose=0))


def test_weights_take_over_nothing_that_outgrows_float32(tensorflow):
    from hepnn.targets.tflite import lanes
    from hepnn.targets.tflite.closed_form import closed

    x = quantities()
    model = dense("hgq", x)
    taken = lanes.folds(model, lambda lane: closed(lane) is not None).weights
    assert {entry.layer.name for entry in taken.values()} == {
        "input_scaling",
        "first",
        "second",
        "logits",
    }
    second = model.get_layer("second")
    second.kernel.assign(np.where(np.arange(16)[:, None] % 2, 2.0**-12, 200.0) * np.ones((16, 12)))
    second.kq.quantizer._b.assign(np.full(second.kq.quantizer._b.shape, 24.0))
    second.kq.quantizer._i.assign(np.full(second.kq.quantizer._i.shape, 8.0))
    assert preflight.accumulator_bits(model)["second"] > preflight.FLOAT32_BITS
    taken = lanes.folds(model, lambda lane: closed(lane) is not None).weights
    assert "second" not in {entry.layer.name for entry in taken.values()}


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_softmax_is_computed_only_where_no_rounding_is_near(tensorflow, scale):
    from hgq.layers import QSoftmax

    from hepnn.targets.tflite import tables

    layer = QSoftmax(axis=-1, input_scaler=scale)
    layer.build((None, 6))
    for table in (layer.exp_table, layer.inv_table):
        lane, out = Lane.of(table.iq), Lane.of(table.oq)
        widths = tables._widths(lane)
        places = 2.0 ** float(out.f.item())
        inputs = np.arange(2 ** sum(widths)) * 2.0 ** -widths[2]
        exact = np.exp(-inputs * scale) if table is layer.exp_table else 1 / (inputs + 1e-7)
        edges = np.abs(exact * places % 1 - 0.5)
        near = (edges < exact * places * 2.0**-20) & (exact < out.highest.item() + 1)
        assert tables.beyond_doubt(table) == (not near.any())


@pytest.mark.parametrize(
    ("options", "scaled"), [({}, True), ({"max_value": 1.5}, False), ({"threshold": 0.5}, False)]
)
def test_a_rectifier_of_its_own_before_a_signed_lane(tensorflow, tmp_path, options, scaled):
    import keras
    from hgq.layers import QDense

    from hepnn.compress import quantize
    from hepnn.targets.tflite import lanes
    from hepnn.targets.tflite.closed_form import closed

    x = np.random.default_rng(4).normal(size=(400, 6)).astype(np.float32)
    keras.utils.set_random_seed(4)
    inputs = keras.Input(x.shape[1:])
    h = keras.layers.ReLU(**options)(QDense(12, name="before")(inputs))
    model = keras.Model(inputs, QDense(4, name="behind")(h))
    quantize.set_ranges(model, [x])
    lane = model.get_layer("behind").iq.quantizer
    lane._k.assign(np.ones(lane._k.shape))
    fold = lanes.folds(model, lambda lane: closed(lane) is not None).lanes[id(lane)]
    assert fold.scaled == scaled and not fold.shifted
    (artefact,) = written(model, tmp_path, x, True)
    tried = np.concatenate([x, 8 * x])
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))
