"""The report page: everything a run has is on it, what it lacks is said, nothing is loaded."""

from __future__ import annotations

import csv
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import files, plots, report
from hepnn import run as runs
from hepnn.recipe import Recipe
from hepnn.report import inline
from hepnn.run import FOLDS, Run

CLASSES = ["gluon", "quark", "W", "Z", "top"]
STAGES = {"float": 0.7284, "pruned": 0.7271, "quantized": 0.7253}
EVENTS = 22500
FEATURES = [
    {"name": "mass", "unit": "GeV", "description": "invariant mass of the constituents"},
    {"name": "tau21", "unit": "1", "description": "ratio of N-subjettiness, N = 2 over N = 1"},
    {"name": "c1_b0", "unit": "1", "description": "energy correlation ratio, beta = 0"},
    {"name": "multiplicity", "unit": "1", "description": "number of constituents"},
]
LAYERS = ["dense_1", "dense_2", "dense_3", "logits"]
COSTS: dict[str, dict[str, Any]] = {
    "tflite": {
        "bytes": 41236,
        "operations": 93,
        "xnnpack": True,
        "latency_ns": {"p50": 7312, "p99": 8104, "batch": 1, "source": "LiteRT, one event a call"},
    },
    "hls4ml": {"part": "xcvu13p-flga2577-2-e", "clock_period_ns": 5.0, "backend": "Vitis"},
    "rtl-interpreter": {"bytes": 18230},
    "rtl": {
        "latency_clocks": 5,
        "latency_ns": 25.0,
        "clock_period_ns": 5.0,
        "initiation_interval": 1,
        "alkaid": {"lut": 6640, "ff": 2871, "source": "alkaid's model", "estimate": True},
        "lut": 5612,
        "ff": 2870,
        "dsp": 0,
        "cells": {f"LUT{inputs}": 100 * inputs for inputs in range(1, 7)} | dict.fromkeys("abc", 3),
        "estimate": True,
        "source": "Yosys 0.57, synth_xilinx -family xcup",
        "seconds": 48.2,
        "after_routing": {
            "lut": {"value": 7100.0, "low": 5700.0, "high": 8850.0},
            "dsp": {"value": 0, "low": 0, "high": 0},
            "source": "alkaid's count, corrected by 8 published designs; band: 95 %",
            "estimate": True,
        },
        "nextpnr": {"fmax_mhz": 61.25, "source": "nextpnr, on a Lattice ECP5: not the kit's part"},
        "layers": [
            {"layer": "dense_1", "lut": 2175.0, "ready_clocks": 2},
            {"layer": "logits", "lut": 420.5, "ready_clocks": 5},
        ],
        "fits": {
            "verdict": "fits",
            "text": "fits: 7,100 (5,700 to 8,850) of 86,400 LUT, 5 % of xcvu13p",
            "lut": {"may_use": 86400.0},
        },
    },
}


def metrics(stage: str, accuracy: float) -> dict[str, Any]:
    """Return figures as of a jet tagger."""
    rng = np.random.default_rng(len(stage))
    by_class = {name: 0.9 + 0.012 * number for number, name in enumerate(CLASSES)}
    around = {name: [value - 0.0014, value + 0.0013] for name, value in by_class.items()}
    confusion = np.eye(5) * 3000 + rng.integers(80, 600, (5, 5))
    found: dict[str, Any] = {
        "events": EVENTS,
        "loss": 0.76123,
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.003, accuracy + 0.003],
        "auc": by_class,
        "auc_interval": around,
        "efficiency_at_background": {p: by_class for p in ("0.1", "0.01", "0.001")},
        "efficiency_at_background_interval": {p: around for p in ("0.1", "0.01", "0.001")},
        "rejection_at_efficiency": {
            p: {n: 100 * v for n, v in by_class.items()} for p in ("0.3", "0.5")
        },
        "rejection_at_efficiency_interval": {
            p: {n: [100 * v - 7, 100 * v + 9] for n, v in by_class.items()} for p in ("0.3", "0.5")
        },
        "confusion": confusion.tolist(),
        "parameters": 4389,
        "size_bytes": 62114,
        "sparsity": {"total": 0.0, "layers": dict.fromkeys(LAYERS, 0.0)},
    }
    if stage != "float":
        found["sparsity"] = {"total": 0.85, "layers": dict.fromkeys(LAYERS, 0.85)}
    if stage == "quantized":
        found["ebops"] = 5341.0
        found["bits"] = {
            name: {"weights": 2.1 + 0.7 * number, "lanes": 5.5 - 0.4 * number}
            for number, name in enumerate(LAYERS)
        }
    return found


def draw(folder: Path, figures: dict[str, Any]) -> None:
    """Write a stage's history and pictures."""
    epochs = np.arange(30)
    history = {
        "loss": 0.75 + 0.5 * np.exp(-epochs / 7),
        "accuracy": 0.73 - 0.2 * np.exp(-epochs / 7),
        "val_loss": 0.76 + 0.5 * np.exp(-epochs / 7),
        "val_accuracy": 0.725 - 0.2 * np.exp(-epochs / 7),
        "learning_rate": 5e-4 * (1.002 + np.cos(np.pi * epochs / 30)),
    }
    with (folder / "history.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", *history])
        writer.writerows(zip(epochs, *history.values(), strict=True))
    plots.learning_curves(history, folder / "curves.svg")
    plots.confusion(np.array(figures["confusion"]), CLASSES, folder / "confusion.svg")
    background = np.geomspace(1e-5, 1, 400)
    curves = {
        name: {"signal": background ** (0.35 - 0.05 * n), "background": background, "auc": 0.9}
        for n, name in enumerate(CLASSES)
    }
    plots.roc(curves, folder / "roc.svg")


def make(where: Path) -> Run:
    """Write a run folder as training leaves it: three stages, nothing shipped."""
    compress = [{"step": "prune", "sparsity": 0.85}, {"step": "quantize"}]
    content = {
        "name": "jet-tagger",
        "title": "Jet tagger, five classes",
        "dataset": "jets",
        "architecture": {"name": "mlp", "hidden": [64, 32, 32]},
        "compress": compress,
        "targets": [{"name": "tflite"}, {"name": "hls4ml"}, {"name": "rtl"}],
    }
    run = runs.create(Recipe.model_validate(content), where, "jets-1")
    run.record(
        status="trained",
        data={
            "name": "jets",
            "title": "Five kinds of jets at 1 TeV",
            "fingerprint": "3f9a" * 16,
            "features": FEATURES,
            "classes": CLASSES,
            "events": {"train": 105000, "validation": 22500, "test": EVENTS},
        },
        wall_seconds=312.4,
        peak_memory_bytes=2_134_000_000,
    )
    for stage, accuracy in STAGES.items():
        folder = run.path / "stages" / stage
        files.write_text(folder / "model.keras", stage)
        files.write_json(folder / "metrics.json", metrics(stage, accuracy))
        if stage == "float":
            draw(folder, metrics(stage, accuracy))
        else:  # drawing takes most of the time
            for name in ("history.csv", "curves.svg", "confusion.svg", "roc.svg"):
                shutil.copy(run.path / "stages" / "float" / name, folder)
        how = {"engine": "epoch", "engine_reason": "small network, data fit in memory"}
        run.record_stage(stage, **how, seconds=74.3, epochs=30)
    return run


def outcome(promise: str, **changes: Any) -> dict[str, Any]:
    """Return one artefact's agreement, good if nothing is changed."""
    return {
        "bit_exact": promise == "exact",
        "mismatches": 0,
        "max_abs_diff": 0.0,
        "decision_flips": 0.0,
        "max_efficiency_shift": 0.0,
        "promise": promise,
        "holds": True,
        "verdict": "good",
        "first_difference": None,
        **changes,
    }


def ship(run: Run, **changes: dict[str, Any]) -> Run:
    """Add exports and their agreement; `changes` are of the quantized stage's artefacts."""
    exported = {"tflite": ["tflite"], "hls4ml": ["hls4ml"], "rtl": ["rtl-interpreter", "rtl"]}
    for target, names in exported.items():
        written = {"target": target, "kit": "vu13p", "artefacts": names, "seconds": 8.3}
        written["cost"] = {name: COSTS[name] for name in names}
        files.write_json(run.exports("quantized") / target / "target.json", written)
    exact = {name: outcome("exact") for names in exported.values() for name in names}
    for name, change in changes.items():
        exact[name.replace("_", "-")].update(change)
    flips = {"mismatches": 22411, "decision_flips": 0.00089, "max_efficiency_shift": 0.0021}
    bounded = {"hls4ml": outcome("bounded", **flips, max_abs_diff=0.0413)}
    files.write_json(
        run.exports("float") / "hls4ml" / "target.json",
        {"target": "hls4ml", "kit": "vu13p", "artefacts": ["hls4ml"], "seconds": 9.1,
         "cost": {"hls4ml": COSTS["hls4ml"]}},
    )  # fmt: skip
    stages = {"float": bounded, "quantized": exact}
    documents = {
        stage: {
            "events": EVENTS,
            "artefacts": found,
            "holds": all(a["holds"] for a in found.values()),
        }
        for stage, found in stages.items()
    }
    last = {"reference": "keras", "stage": "quantized", **documents["quantized"]}
    holds = all(document["holds"] for document in documents.values())
    files.write_json(run.path / "agreement.json", {**last, "holds": holds, "stages": documents})
    return run


BROKEN = {
    "bit_exact": False,
    "mismatches": 137,
    "max_abs_diff": 0.0625,
    "decision_flips": 0.0004,
    "holds": False,
    "verdict": "broken",
    "first_difference": "dense_3",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the trained run once; tests work on copies."""
    return make(tmp_path_factory.mktemp("runs")).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """Copy the trained run."""
    return runs.open_run(shutil.copytree(trained, tmp_path / "runs" / trained.name))


class Page(HTMLParser):
    """A page's text, ids, loads and open elements."""

    VOID = frozenset({"meta", "link", "br", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the tag says."""
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
                self.loads.append(value or "")
                if (value or "").startswith("#"):
                    self.links.append((value or "")[1:])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a tag without content says."""
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which has to be of that name."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect text that is read."""
        if not self.open or self.open[-1] != "style":
            self.text += f" {data}"


def page_of(run: Run) -> Page:
    """Write a run's report and parse it; spaces are made single."""
    page = Page(report.write(run).read_text(encoding="utf-8"))
    page.text = " ".join(page.text.split())
    assert page.open == []
    return page


def test_the_page_has_every_stage_artefact_and_number(run: Run) -> None:
    text = page_of(ship(run)).text
    for known in (*STAGES, *COSTS, *CLASSES, *LAYERS, *(f["name"] for f in FEATURES), "GeV"):
        assert known in text
    for known in (
        "Same bits everywhere",
        "22,500 test events",
        "0 of 22,500 events differ",
        "Decisions within bounds",
        "0.089 % of the decisions flip",
        "72.84 % 72.54 to 73.14",
        "4,389",
        "62.1 kB",
        "5,341",
        "2.1 to 4.2",
        "7.31 µs",
        "5 clocks",
        "25 ns",
        "5,612 estimate",
        "Yosys 0.57",
        "xcvu13p-flga2577-2-e",
        "41.2 kB",
        "3f9a" * 16,
        "105,000 train",
        "5 min 12 s",
        "2.13 GB",
        "hepnn train runs/jets-1/recipe.yaml --deploy",
        "hepnn agree runs/jets-1",
    ):
        assert known in text, known


def regression(run: Run) -> Run:
    """Turn a run's metrics and recipe into those of a regression of two targets."""
    recipe = run.path / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: classify", "name: regress"))
    targets = [
        {"name": "mass", "unit": "GeV", "scaling": "standard", "offset": 91.0, "exponent": 3},
        {"name": "pt", "unit": "GeV", "scaling": "log", "offset": -2.5, "exponent": -1},
    ]
    data = {**run.manifest["data"], "classes": ["mass", "pt"], "targets": targets}
    run.record(data=data)
    for stage in STAGES:
        value, interval = (
            {"mass": 3.214, "pt": 2.1e-10},
            {"mass": [3.11, 3.33], "pt": [2e-10, 3e-10]},
        )
        figures = ("rmse", "rmse_baseline", "resolution", "bias", "mae", "r2")
        found: dict[str, Any] = {"unit": {"mass": "GeV", "pt": "log(GeV)"}, "loss": 0.1}
        for figure in figures:
            found |= {figure: value, f"{figure}_interval": interval}
        files.write_json(run.path / "stages" / stage / "metrics.json", found)
    return run


def test_a_regression_has_its_own_figures_pictures_and_words(run: Run) -> None:
    text = page_of(regression(ship(run))).text
    for known in (
        "By target",
        "RMSE of always predicting the training mean",
        "3.21 GeV 3.11 to 3.33",
        "2.10e-10 log(GeV) 2.00e-10 to 3.00e-10",
        "mass in GeV: output × 2 3 + 91; log of pt in GeV: output × 2 -1 − 2.5",
        "Predictions within bounds",
        "0.089 % of the predictions move, RMSE shifts by 0.21 % at most",
        "predictions that move",
        "largest shift of RMSE",
        "Prediction against truth prediction.svg is missing",
    ):
        assert known in text, known
    for other in ("accuracy", "AUC", "Confusion", "decisions", "efficiency", "By class"):
        assert other not in text, other


def test_the_headline_stands_in_the_stage_box(run: Run) -> None:
    assert report.summary(run)["stages"][0]["accuracy"] == 0.7284
    shown = report.summary(regression(run))["stages"][0]
    assert (shown["accuracy"], shown["headline"]) == (
        None,
        "RMSE mass 3.21 GeV, pt 2.1e-10 log(GeV)",
    )
    (run.path / "stages" / "float" / "metrics.json").write_text("[]")
    assert report.summary(run)["stages"][0]["headline"] == ""


def test_only_what_was_not_counted_is_marked_as_an_estimate(run: Run) -> None:
    text = page_of(ship(run)).text
    for known in ("5,612 estimate", "2,870 estimate", "6,640 estimate", "25 ns estimate"):
        assert known in text
    for counted in ("5 clocks", "1 clock", "41.2 kB", "7.31 µs"):
        assert f"{counted} estimate" not in text


def test_every_figure_of_a_cost_is_shown(run: Run) -> None:
    text = page_of(ship(run)).text
    for known in ("alkaid, LUT", "alkaid's model", "LUT6 600", "XNNPACK", "operations", "Vitis"):
        assert known in text


def test_bands_layers_and_what_fits_are_shown_with_their_sources(run: Run) -> None:
    text = page_of(ship(run)).text
    for known in (
        "7,100 (5,700 to 8,850) estimate",
        "dense_1: LUT 2,175, ready 2 clocks; logits: LUT 420, ready 5 clocks",
        "fits: 7,100 (5,700 to 8,850) of 86,400 LUT, 5 % of xcvu13p",
        "61.2 MHz",
        "nextpnr, on a Lattice ECP5: not the kit's part",
        "8 published designs; band: 95 %",
    ):
        assert known in text, known


def test_the_page_loads_nothing(run: Run) -> None:
    path = report.write(ship(run))
    page = Page(path.read_text(encoding="utf-8"))
    assert all(load.startswith("#") or load == "data:," for load in page.loads)
    assert not page.tags & {"script", "iframe", "object", "embed", "img"}
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_inlined_pictures_do_not_share_ids(run: Run) -> None:
    page = page_of(ship(run))
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)


def test_no_machine_path_is_on_the_page(run: Run) -> None:
    assert str(run.path.parent) not in report.write(ship(run)).read_text(encoding="utf-8")


def test_a_broken_promise_is_red_and_names_the_layer(run: Run) -> None:
    path = report.write(ship(run, rtl_interpreter=BROKEN))
    text = path.read_text(encoding="utf-8")
    assert 'class="card bad"' in text
    assert "The promise is broken" in text
    assert "137 of 22,500 events differ, first in layer dense_3" in text
    assert "Same bits" not in text


def test_a_refused_artefact_is_red(run: Run) -> None:
    refused = {"promise": "bounded", "holds": False, "verdict": "refused", "decision_flips": 0.21}
    text = report.write(ship(run, hls4ml=refused)).read_text(encoding="utf-8")
    assert '<li class="bad"><b>hls4ml <strong>refused</strong></b>21.0 %' in text


def test_ranges_and_tables_of_calibrated_types_are_shown(run: Run) -> None:
    ship(run)
    interface = {
        "ranges": [
            {
                **{"layer": "dense1", "kind": "sums", "seen": [-1.5, 2.0]},
                **{"interval": [-40.0, 30.0], "propagated": True, "type": "fixed<18,5>"},
                **{"holds": [-16.0, 15.99], "beyond": "wraps"},
            },
            {
                **{"layer": "logits", "kind": "result", "seen": [0.0, 1.0]},
                **{"interval": [0.0, 1.0], "propagated": False, "type": "ufixed<18,2>"},
                **{"holds": [0.0, 3.99], "beyond": "fits"},
            },
        ],
        "tables": [
            {
                **{"layer": "end_sigmoid", "function": "sigmoid", "entries": 1024},
                **{"addressed": [-8.0, 8.0], "step": 0.015625, "error": 0.002, "flips": 0.0013},
            }
        ],
    }
    files.write_json(run.exports("float") / "hls4ml" / "interface.json", interface)
    page = report.write(run).read_text()
    assert "Ranges of hls4ml, stage float: 1 of 2 numbers can leave their type" in page
    assert "-40 to 30" in page and "wraps" in page and "as seen" in page
    assert "sigmoid" in page and "1,024" in page and "0.13 %" in page


def test_folds_are_told_in_the_scale_of_their_stage(run: Run) -> None:
    of_all = {
        **{"accuracy": 0.7254, "accuracy_interval": [0.7224, 0.7284]},
        **{"auc": {"g": 0.91}, "auc_interval": {"g": [0.90, 0.92]}},
    }
    stage = {
        "pooled": of_all,
        "each": [{"accuracy": 0.72, "auc": {"g": 0.905}}, {"accuracy": 0.73, "auc": {}}],
        "mean": {"accuracy": 0.725, "auc": {"g": None}},
        "spread": {"accuracy": 0.0071},
    }
    document = {"folds": 2, "by": "<b>jets</b>", "stages": {"float": stage}}
    files.write_json(run.path / f"{FOLDS}.json", document)
    found = [tag.split("<")[0].strip() for tag in report.write(run).read_text().split(">")]
    start = found.index("Out of fold: stage float")
    told = [text for text in found[start : found.index("By layer", start)] if text]
    accuracy = told[told.index("accuracy") + 1 :]
    assert accuracy[:6] == ["72.54 %", "72.24 to 72.84", "72.50 %", "± 0.71", "72 %", "73 %"]
    auc = told[told.index("AUC, g") + 1 :]
    assert auc[:5] == ["0.910", "0.900 to 0.920", "–", "0.9050", "–"]
    assert any("&lt;b&gt;jets&lt;/b&gt;" in text for text in told)


def test_a_run_without_exports_says_so(run: Run) -> None:
    text = page_of(run).text
    assert "Not shipped yet" in text
    assert "hepnn deploy runs/jets-1" in text


def test_exports_that_were_not_compared_are_shown(run: Run) -> None:
    ship(run)
    (run.path / "agreement.json").unlink()
    text = page_of(run).text
    assert "Shipped, not compared yet" in text
    assert "5,612 estimate" in text
    assert "Same bits" not in text


def test_a_failed_run_says_where_and_why(run: Run) -> None:
    run.record(status="failed", failed={"step": "stage pruned", "message": "loss is not finite"})
    text = page_of(run).text
    assert "Stopped at stage pruned" in text
    assert "loss is not finite" in text
    assert "hepnn train --resume runs/jets-1" in text


def test_a_run_that_failed_before_the_data_renders(tmp_path: Path) -> None:
    content = {"name": "x", "dataset": "jets", "architecture": {"name": "mlp"}}
    run = runs.create(Recipe.model_validate(content), tmp_path, "early")
    run.record(status="failed", failed={"step": "data", "message": "no events"})
    text = page_of(run).text
    assert "Stopped at data" in text
    assert "No stage is finished" in text
    assert "No data were loaded" in text


@pytest.mark.parametrize(
    "lost",
    [
        "stages/pruned/metrics.json",
        "stages/pruned/roc.svg",
        "agreement.json",
        "exports/quantized/rtl/target.json",
        "recipe.yaml",
    ],
)
@pytest.mark.parametrize("damaged", [True, False])
def test_a_lost_or_damaged_file_does_not_keep_the_page_from_being_written(
    run: Run, lost: str, damaged: bool
) -> None:
    path = ship(run).path / lost
    if damaged:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"\xff<&{")
    else:
        path.unlink()
    text = page_of(run).text
    assert "pruned" in text
    if damaged:
        assert f"{Path(lost).name} is" in text


def test_what_a_run_says_is_escaped(run: Run) -> None:
    path = run.path / "recipe.yaml"
    title = "<script>alert(1)</script> & $x_1$"
    path.write_text(path.read_text().replace("Jet tagger, five classes", title))
    run.manifest["data"]["features"][0] = {"name": "<b>", "unit": "<i>", "description": "&"}
    run.record(failed={"step": "<img src=x>", "message": "</style><script>"})
    page = page_of(run)
    assert not page.tags & {"script", "img", "i"}
    assert title in page.text


def test_an_inlined_picture_brings_nothing_active(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" onload="a()"><script>a()</script>'
        '<style>@import "http://a"</style><image href="http://a"/><use href="http://a#b"/>'
        '<g id="g" onclick="a()" clip-path="url(#c)" style="fill:url(http://a)">kept</g></svg>'
    )
    markup = inline.svg(path, "p")
    assert not re.search(r"script|onload|onclick|http|import|image", markup)
    assert 'id="p-g"' in markup
    assert "url(#p-c)" in markup
    assert "kept" in markup


def test_the_summary_shows_four_artefacts_in_the_order_of_the_way_to_the_chip(run: Run) -> None:
    shown = report.summary(ship(run, rtl=BROKEN))
    titles = [artefact["title"] for artefact in shown["artefacts"]]
    assert titles == ["TFLite", "hls4ml C++", "integer interpreter", "Verilog"]
    assert shown["artefacts"][3]["result"] == "137 differ"
    assert shown["artefacts"][3]["cost"] == ["5 clocks, 25 ns", "5,612 LUT (estimate)"]
    assert shown["stage"] == "quantized"


def test_the_page_is_the_same_twice(run: Run) -> None:
    assert report.write(ship(run)).read_bytes() == report.write(run).read_bytes()
