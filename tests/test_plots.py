"""Pictures: valid, the same every time, readable on white and on near-black."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hepnn import plots
from hepnn.plots import regression

CLASSES = ["gluon", "quark", "W", "Z", "top", "bb"]
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["_hidden", "$x_1$ \\frac", "<b>", "a & b", '"', "--"]

# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, IEEE Trans. Vis. Comput. Graphics 15 (2009)
# 1291, table 1, severity 1; on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def history(path: Path) -> Path:
    """Draw learning curves with every panel."""
    epochs = np.arange(40)
    falling = (1 + np.exp(-epochs / 9)).tolist()
    names = ["loss", "val_loss", "accuracy", "val_accuracy", "sparsity", "ebops", "learning_rate"]
    columns = dict.fromkeys(names, falling) | {"beta": np.geomspace(1e-8, 3e-6, 40).tolist()}
    return plots.learning_curves(columns, path)


def matrix(path: Path) -> Path:
    """Draw a confusion matrix."""
    counts = np.random.default_rng(1).integers(0, 90, (6, 6)) + 400 * np.eye(6)
    return plots.confusion(counts, CLASSES, path)


def curves(path: Path) -> Path:
    """Draw ROC curves of more classes than colours."""
    background = np.geomspace(1e-6, 1, 20_000)
    return plots.roc(
        {
            name: {"signal": background ** (0.1 + 0.05 * n), "background": background, "auc": 0.9}
            for n, name in enumerate(CLASSES)
        },
        path,
    )


def targets(number: int = 2, events: int = 3000) -> list[regression.Target]:
    """Return targets whose predictions have a Gaussian resolution of a tenth."""
    rng = np.random.default_rng(3)
    drawn = []
    for name in [*NAMES, *NAMES][:number]:
        truth, residual = rng.normal(size=events), 0.1 * rng.normal(size=events)
        drawn.append(regression.Target(name, "GeV", truth, truth + residual, (-0.1, 0.1)))
    return drawn


def density(path: Path) -> Path:
    """Draw prediction against truth."""
    return regression.predictions(targets(), np.ones(3000), path)


def residuals(path: Path) -> Path:
    """Draw residuals."""
    return regression.residuals(targets(), np.ones(3000), path)


def run_summary() -> dict:
    """Return a summary with one artefact that differs."""
    titles = ("TFLite", "hls4ml C++", "integer interpreter", "Verilog")
    artefacts = [
        {"title": t, "events": 22500, "mismatches": 0, "result": "same bits", "exact": True,
         "good": True, "cost": ["5 clocks, 25 ns", "5,612 LUT (estimate)"]}
        for t in titles
    ]  # fmt: skip
    artefacts[2] |= {"mismatches": 137, "result": "137 differ", "good": False}
    stages = [
        {"name": "float", "accuracy": 0.7284, "detail": "4,389 parameters"},
        {"name": "quantized", "accuracy": None, "detail": ""},
    ]
    return {"stages": stages, "stage": "quantized", "events": 22500, "reference": ["62.1 kB"],
            "artefacts": artefacts}  # fmt: skip


def overview(path: Path) -> Path:
    """Draw the overview."""
    return plots.overview(run_summary(), path)


@pytest.fixture(scope="module", params=[history, matrix, curves, overview, density, residuals])
def drawing(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """Each of the pictures."""
    return request.param


@pytest.fixture(scope="module")
def drawn(drawing: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a picture into a folder that was not there."""
    return drawing(tmp_path_factory.mktemp("drawn") / "new" / "picture.svg")


def test_it_is_valid_xml_and_says_what_it_shows(drawn: Path) -> None:
    root = ElementTree.parse(drawn).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert len(root.get("aria-label", "")) > 20


def test_two_calls_give_equal_bytes(
    drawn: Path, drawing: Callable[[Path], Path], tmp_path: Path
) -> None:
    assert drawing(tmp_path / "again.svg").read_bytes() == drawn.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.svg"]


def test_ink_follows_the_page_and_the_background_is_clear(drawn: Path) -> None:
    text = drawn.read_text(encoding="utf-8")
    assert "currentColor" in text
    assert plots.INK not in text
    used = set(re.findall(r"(?:fill|stroke): *(#\w+|\w+)", text))
    assert not used & {"#000000", "#000", "black"}
    # What is black has no fill in matplotlib's files: neither the group nor the glyphs say one.
    root = ElementTree.fromstring(text)
    texts = [group for group in root.iter(f"{SVG}g") if group.get("id", "").startswith("text_")]
    assert texts
    for group in texts:
        styles = " ".join(element.get("style", "") for element in group.iter())
        assert re.search("fill: (currentColor|#)", styles)
    background = root.find(f".//{SVG}g[@id='patch_1']/*")
    assert background is not None
    assert background.get("style") == "fill: none"


def test_it_reaches_nothing_outside_itself(drawn: Path) -> None:
    text = drawn.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!#)|url\((?!#)|@import|<metadata|<image', text)
    assert not re.search(r"<style[^>]*>(?!svg:root)", text)


def test_the_text_is_drawn(tmp_path: Path) -> None:
    text = matrix(tmp_path / "a.svg").read_text(encoding="utf-8")
    for name in CLASSES:
        assert f"<!-- {name} -->" in text
    text = overview(tmp_path / "b.svg").read_text(encoding="utf-8")
    for known in ("Verilog", "137 differ", "22,363 of 22,500 events:", "same bits", "72.8 %", "≠"):
        assert f"<!-- {known} -->" in text


def test_rows_of_the_confusion_are_shares_of_the_true_class(tmp_path: Path) -> None:
    path = plots.confusion(np.array([[30, 10], [0, 0]]), ["a", "b"], tmp_path / "a.svg")
    text = path.read_text(encoding="utf-8")
    assert "<!-- 75 -->" in text
    assert "<!-- 25 -->" in text


@pytest.mark.parametrize("scheme", ["#ffffff", "#0d1117", "#10141a"])
def test_colours_of_classes_stand_out_from_the_page(scheme: str) -> None:
    page = luminance(scheme)
    for colour in plots.COLOURS:
        bright, dark = sorted((luminance(colour), page), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_classes_stay_apart_for_colour_blind_readers(deficiency: str) -> None:
    seen = [oklab(DEFICIENCIES[deficiency] @ linear(colour)) for colour in plots.COLOURS]
    apart = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert apart >= 0.075


def test_names_are_taken_literally(tmp_path: Path) -> None:
    plots.confusion(np.eye(6), NAMES, tmp_path / "a.svg")
    curve = {"signal": np.linspace(0, 1, 9), "background": np.linspace(0, 1, 9), "auc": 0.5}
    plots.roc(dict.fromkeys(NAMES, curve), tmp_path / "b.svg")
    changed = run_summary()
    changed["artefacts"][0]["title"] = NAMES[1]
    plots.overview(changed, tmp_path / "c.svg")
    for path in tmp_path.iterdir():
        ElementTree.parse(path)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"loss": [1.0]},
        {"epoch": [0.0, 1.0], "loss": [1.0, float("nan")], "learning_rate": [1e-3, 1e-3]},
        {"accuracy": [0.1, 0.2], "ebops": [0.0, 0.0], "other": [1.0, 2.0]},
    ],
)
def test_short_and_partial_histories_are_drawn(
    columns: dict[str, list[float]], tmp_path: Path
) -> None:
    ElementTree.parse(plots.learning_curves(columns, tmp_path / "a.svg"))


def test_a_picture_of_nothing_shipped_is_drawn(tmp_path: Path) -> None:
    nothing = {"stages": [], "stage": None, "events": 0, "reference": [], "artefacts": []}
    text = plots.overview(nothing, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "nothing shipped and compared yet" in text


def test_a_stage_without_an_accuracy_shows_its_headline(tmp_path: Path) -> None:
    changed = run_summary()
    changed["stages"][1]["headline"] = "RMSE mass 3.21 GeV"
    text = plots.overview(changed, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<!-- RMSE mass 3.21 GeV -->" in text and "<!-- 72.8 % -->" in text


def test_the_resolution_is_half_the_band(tmp_path: Path) -> None:
    drawn = regression.residuals(targets(1), np.ones(3000), tmp_path / "a.svg")
    text = drawn.read_text(encoding="utf-8")
    assert "0.1 GeV" in text and "predicted − true" in text and "[GeV]" in text


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        (np.zeros(5), np.zeros(5)),
        (np.ones(1), np.zeros(1)),
        (np.arange(9) * 1e-30, np.arange(9) * 1e-30),
        (np.arange(9) * 1e30, np.zeros(9)),
    ],
)
def test_any_predictions_are_drawn(
    truth: np.ndarray, prediction: np.ndarray, tmp_path: Path
) -> None:
    low, high = float((prediction - truth).min()), float((prediction - truth).max())
    one = [regression.Target("t", "1", truth, prediction, (low, high))]
    weight = np.linspace(-0.1, 1, len(truth))
    ElementTree.parse(regression.predictions(one, weight, tmp_path / "a.svg"))
    ElementTree.parse(regression.residuals(one, weight, tmp_path / "b.svg"))


def test_the_density_of_a_million_events_stays_small(tmp_path: Path) -> None:
    """The cells are counted, not the events; nine panels at most."""
    many = targets(12, 100_000)
    path = regression.predictions(many, np.ones(100_000), tmp_path / "a.svg")
    assert path.stat().st_size < 9 * 150_000
    assert path.read_text(encoding="utf-8").count("predicted") == 9


def test_a_curve_of_a_million_events_stays_small(tmp_path: Path) -> None:
    background = np.linspace(0, 1, 1_000_000)
    curve = {"signal": np.sqrt(background), "background": background, "auc": 0.8}
    assert plots.roc({"a": curve}, tmp_path / "a.svg").stat().st_size < 150_000


def linear(colour: str) -> np.ndarray:
    """Return a colour in linear RGB."""
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def oklab(colour: np.ndarray) -> np.ndarray:
    """Return linear RGB in OKLab (B. Ottosson, 2020)."""
    cone = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(cone @ np.clip(colour, 0, 1))
