"""How far estimates are from what the vendor's tool placed and routed, and what that makes of them.

`calibration.json` has designs whose LUTs, flip-flops and frequency after place and route were
published, with what the estimators here find for the same designs, rebuilt. Of the logarithms of
published over estimated, the mean is an estimator's bias, and their spread makes the band: the
interval that holds the next design with 95 % probability, if it is one of the same kind.

What the band covers: layers of sums compiled by alkaid, on UltraScale+, 400 to 45,000 LUTs. What
it does not: other families of parts, a full device, and the logic of recurrent and attention
layers. Inputs of one bit, for which alkaid writes tables, are in the table and not in the band:
there alkaid's model counts 1.4 to 2.8 times too many LUTs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

#: Probability that the next design is inside the band.
COVERAGE = 0.95

#: Designs on inputs of one bit, which are made of tables.
_TABLES = "bipolar"

#: Families of `synth_xilinx` with the LUTs and carries of the calibrated one, and the calibrated.
FAMILIES, _CALIBRATED = ("xcup", "xcu", "xc7"), "xcup"


@dataclass(frozen=True)
class Band:
    """What an estimator's figure has to be multiplied by to be the one after place and route.

    Attributes
    ----------
    factor, low, high : float
        Of the most likely value and of both ends.
    designs : int
        That it was found with.
    """

    factor: float
    low: float
    high: float
    designs: int

    def of(self, estimate: float) -> dict[str, float]:
        """Return an estimate as `value`, `low` and `high` after place and route."""
        return {
            "value": _round(estimate * self.factor),
            "low": _round(estimate * self.low),
            "high": _round(estimate * self.high),
        }


@cache
def table() -> dict[str, Any]:
    """Return `calibration.json`."""
    text = (resources.files(__package__) / "calibration.json").read_text(encoding="utf-8")
    return json.loads(text)


def ratios(estimator: str, figure: str) -> list[tuple[float, float]]:
    """Return published over estimated, and the estimated LUTs, of every design in the band.

    Parameters
    ----------
    estimator
        ``alkaid`` or ``yosys``.
    figure
        ``lut``, ``ff`` or ``period`` (ns over alkaid's units of delay).
    """
    found = []
    for design in table()["designs"]:
        estimated = design["estimated"].get(estimator)
        if estimated is None or design["inputs"] == _TABLES:
            continue
        if figure == "period":
            ratio = 1000 / design["published"]["fmax_mhz"] / estimated["stage_delay"]
        else:
            ratio = inside(design, figure) / estimated[figure]
        found.append((ratio, float(estimated["lut"])))
    return found


def inside(design: dict[str, Any], figure: str) -> float:
    """Return published cells of a design without those of the stream bracket around it."""
    around = table()["source"]["around"][figure]
    bracket = around["per_output_bit"] * design["output_bits"] + around["constant"]
    return design["published"][figure] - bracket


def band(estimator: str, figure: str, lut: float | None = None) -> Band:
    """Return the band of an estimator's figure.

    Parameters
    ----------
    estimator, figure
        As in `ratios`.
    lut
        Estimated LUTs of the design. The period is regressed on them, since wires grow with the
        design; cells are not.
    """
    pairs = ratios(estimator, figure)
    y = np.log([ratio for ratio, _ in pairs])
    x = np.log([size for _, size in pairs])
    if figure != "period" or lut is None:
        return _interval(float(y.mean()), _spread(y, 1), 1 / len(y), len(y), 1)
    slope, offset = np.polyfit(x, y, 1)
    # Beyond the calibrated sizes nothing is extrapolated.
    at = float(np.clip(math.log(max(lut, 1)), x.min(), x.max()))
    leverage = 1 / len(y) + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    spread = _spread(y - (slope * x + offset), 2)
    return _interval(float(slope * at + offset), spread, float(leverage), len(y), 2)


def summary(estimator: str, figure: str) -> dict[str, float]:
    """Return bias and spread of an estimator: estimated over published.

    `bias` is the geometric mean, `spread` one standard deviation of the logarithm.
    """
    y = -np.log([ratio for ratio, _ in ratios(estimator, figure)])
    return {
        "bias": math.exp(y.mean()),
        "spread": _spread(y - y.mean(), 1),
        "lowest": math.exp(y.min()),
        "highest": math.exp(y.max()),
        "designs": len(y),
    }


def after_routing(pipeline: dict[str, Any], family: str) -> dict[str, Any]:
    """Return what the design needs after place and route, with bands, from alkaid's estimates.

    Parameters
    ----------
    pipeline
        As `hepnn.targets.rtl.project.write` returns it.
    family
        Of the kit's part, as `synth_xilinx` names it.

    Returns
    -------
    dict
        `lut`, `ff`, `dsp`, `bram`, `uram` as `value`, `low`, `high`; for the calibrated family also
        `clock_period_ns`; `source`. Nothing for a family that the calibration says nothing about.
    """
    if family not in FAMILIES:
        return {}
    model = pipeline["alkaid"]
    products = model["dsp_at_most"]
    found: dict[str, Any] = {figure: band("alkaid", figure).of(model[figure]) for figure in _CELLS}
    # The Verilog has no memory in it, and multiplies only where two variables meet.
    found["dsp"] = {"value": products, "low": 0, "high": products}
    found |= {memory: {"value": 0, "low": 0, "high": 0} for memory in ("bram", "uram")}
    if family == _CALIBRATED:
        period = band("alkaid", "period", model["lut"])
        found["clock_period_ns"] = period.of(model["stage_delay"])
    return {**found, "source": source("alkaid", family), "estimate": True}


_CELLS = ("lut", "ff")
_NAMES = {"alkaid": "alkaid", "yosys": "Yosys"}


def source(estimator: str, family: str) -> str:
    """Return what a figure after place and route was obtained from, and what its band is."""
    designs = len(ratios(estimator, "lut"))
    words = (
        f"{_NAMES[estimator]}'s count, corrected by {designs} published designs that Vivado placed"
        " and routed on UltraScale+ (eki-project/finn-plus, finn-rtllib/mvu_da);"
        f" band: {100 * COVERAGE:.0f} %"
    )
    return words if family == _CALIBRATED else f"{words}; not calibrated for this family"


def _spread(residuals: np.ndarray, parameters: int) -> float:
    centred = residuals - residuals.mean()
    return math.sqrt(float((centred**2).sum()) / (len(residuals) - parameters))


def _interval(middle: float, spread: float, leverage: float, n: int, parameters: int) -> Band:
    from scipy import stats

    half = float(stats.t.ppf(0.5 + COVERAGE / 2, n - parameters)) * spread
    half *= math.sqrt(1 + leverage)
    return Band(math.exp(middle), math.exp(middle - half), math.exp(middle + half), n)


def _round(value: float) -> float:
    """Round to three figures; a band does not carry more."""
    return float(f"{value:.3g}")
