"""What each layer adds to the firmware."""

from __future__ import annotations

import keras
import networks
import numpy as np
import pytest

from hepnn import vocabularies
from hepnn.data import scaling
from hepnn.targets import kit as kits
from hepnn.targets.hls4ml import project as hls_project
from hepnn.targets.hls4ml import work
from hepnn.targets.rtl import layers, project, trace

X = networks.quantities()


def with_a_branch():
    """Return a network whose first layer is used twice."""
    keras.utils.set_random_seed(3)
    nn = vocabularies.get("hgq")
    inputs = keras.Input(X.shape[1:])
    h = nn.input_scaling(X.shape[1:], scaling.standard(X))(inputs)
    first = nn.Dense(8, activation="relu", name="first")(h)
    second = nn.Dense(8, activation="relu", name="second")(first)
    both = nn.Add(name="both")([first, second])
    model = keras.Model(inputs, nn.Dense(3, name="logits")(both))
    model.predict(X, verbose=0)
    return model


@pytest.fixture(scope="module", params=["chain", "branch"])
def traced(request):
    model = networks.dense("hgq", X) if request.param == "chain" else with_a_branch()
    return model, trace.trace_network(model)


def test_the_layers_add_up_to_the_firmware(traced, tmp_path):
    """Their shares sum to the cells of the pipeline that is written, which is cut otherwise."""
    model, made = traced
    written = project.write(made.comb, tmp_path, "verilog", kits.load("vu13p"))
    rows = layers.shares(model, made, written["latency_clocks"])
    named = [row["layer"] for row in rows]
    assert named[-1] == "logits" and {"first", "second"} < set(named)
    assert sum(row["lut"] for row in rows) == pytest.approx(written["alkaid"]["lut"], abs=1)
    assert sum(stage["lut"] for stage in written["stages"]) == pytest.approx(
        written["alkaid"]["lut"], abs=1
    )
    assert all(row["lut"] > 0 for row in rows if row["layer"] in ("first", "second", "logits"))


def test_layers_are_ready_one_after_the_other(traced):
    model, made = traced
    rows = layers.shares(model, made, clocks=7)
    ready = [row["ready_clocks"] for row in rows]
    assert ready == sorted(ready) and ready[-1] == 7 and ready[0] == 0


def test_what_crosses_a_cut_is_what_is_still_needed():
    model = with_a_branch()
    crossing = dict(layers.cuts(model, trace.trace_network(model)))
    # Behind the second layer the first one's outputs are still needed for the sum.
    assert [len(crossing[name]) for name in ("first", "second", "both")] == [1, 2, 1]


def test_multiplications_are_those_by_weights_that_are_not_zero(tmp_path):
    model = networks.dense("hgq", X)
    graph = hls_project.exact(model, tmp_path, kits.load("vu13p"))
    rows = {row["layer"]: row for row in work.layers(graph)}
    for name in ("first", "second", "logits"):
        kernel = keras.ops.convert_to_numpy(model.get_layer(name).qkernel)
        assert rows[name]["multiplications"] == np.count_nonzero(kernel) > 0
        assert rows[name]["weight_bits"] > 0 and rows[name]["reuse_factor"] == 1


def test_a_filter_multiplies_at_every_place(tmp_path):
    model = networks.convolutional("hgq", networks.images())
    graph = hls_project.exact(model, tmp_path, kits.load("vu13p"))
    rows = {row["layer"]: row for row in work.layers(graph)}
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv").qkernel)
    assert rows["conv"]["multiplications"] == 6 * 6 * np.count_nonzero(kernel)
