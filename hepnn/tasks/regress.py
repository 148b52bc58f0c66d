"""Regression: one output a target, a scaled `z` of the quantity that is trained on and put out.

`z = (y - offset) * 2**-exponent`, with the offset and the power of two of `hepnn.data.scaling`
on the training split, so that targets of any size weigh alike in the loss, and that a shift and
an addition behind the network, both exact, give the quantity. Everything said of a stage is in
the quantity's own unit. A target under `log` or `asinh` is the transformed quantity throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import HepnnError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap
from hepnn.tasks.bootstrap import COVERAGE, REPLICAS, central
from hepnn.tasks.scaling import Scaling

#: The kind of labels that is predicted.
LABELS = "values"

#: What the outputs are scaled by.
SCALED = "labels"

#: The inputs are quantities of the data.
FROM_NOISE = False

FIGURES = {
    "rmse": Figure("RMSE", unit=True),
    "rmse_baseline": Figure("RMSE of always predicting the training mean", unit=True),
    "resolution": Figure("resolution: half the central 68.27 % of the residuals", unit=True),
    "bias": Figure("bias: mean of prediction minus truth", unit=True),
    "mae": Figure("mean absolute error", unit=True),
    "r2": Figure("R²: share of the variance that is explained"),
}

PICTURES = {"prediction": "Prediction against truth", "residuals": "Residuals"}

WORDS = Words("prediction", "move", "RMSE")

#: A prediction has moved if it is off the reference by more than this part of the resolution.
MOVED = 0.1

_LABELS = {
    "rmse": "RMSE",
    "rmse_baseline": "baseline RMSE",
    "resolution": "resolution",
    "bias": "bias",
    "mae": "MAE",
    "r2": "R²",
}


def shapes(shape: tuple[int, ...], names: Sequence[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the event's shape, and one number a target."""
    return shape, (len(names),)


def view(events: Events, names: Sequence[str], scaling: Scaling | None, seed: int) -> Events:
    """Return the events as they are."""
    return events


def learns_from(events: Events, names: Sequence[str]) -> np.ndarray | None:
    """Return None: all events are trained on."""
    return None


def metrics() -> list[Any]:
    """Return what is followed in training."""
    import keras

    return [keras.metrics.MeanAbsoluteError(name="mae")]


def encode(events: Events, scaling: Scaling) -> np.ndarray:
    """Return what the network is trained on: z `(events, targets)` float32.

    Parameters
    ----------
    events
        With quantities `(events, targets)` as labels.
    scaling
        Of the targets.
    """
    z = (events.y.astype(np.float64) - scaling.offset) * 2.0**-scaling.exponent
    return z.astype(np.float32)


def decode(outputs: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return the quantities `(events, targets)` float64 of z `(events, targets)`."""
    return outputs.astype(np.float64) * 2.0**scaling.exponent + scaling.offset


def central_range(residual: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return between which values the central 68.27 % of residuals lie.

    The quantiles are Hazen's: half of a residual's own weight lies below it (J. J. Hyndman,
    Y. Fan, Am. Stat. 50 (1996) 361, definition 5).

    Parameters
    ----------
    residual, weight
        `(events,)`.
    """
    order = np.argsort(residual, kind="stable")
    low, high = _tails(residual[order], weight[order].astype(np.float64))
    return float(low), float(high)


def evaluate(
    outputs: np.ndarray,
    events: Events,
    targets: Sequence[str],
    seed: int = 0,
    scaling: Scaling | None = None,
) -> dict[str, Any]:
    """Return every metric with its interval: the central 68.27 % of a Poisson bootstrap.

    All are of each target, and of the residuals prediction minus truth: `bias`, their mean;
    `rmse`; `mae`; `resolution`, half the width of their central 68.27 %; `r2`, the share of the
    variance that is explained. `rmse_baseline` is the RMSE of what always predicts the mean of
    the training split: a model that has learnt nothing does no better. `unit` is the unit of
    each target, `loss` the mean squared error of z.

    Parameters
    ----------
    outputs
        z `(events, targets)`.
    events
        The events, with quantities and weights.
    targets
        Names of the targets.
    seed
        Seed of the bootstrap.
    scaling
        Of the targets.

    Raises
    ------
    HepnnError
        If an output is not finite.
    """
    assert scaling is not None
    wild = ~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if wild.any():
        raise HepnnError(
            f"the network's outputs are not finite on {int(wild.sum())} of {len(events)} events: "
            "the training diverged; try a smaller fit.learning_rate"
        )
    weight = events.weight.astype(np.float64)
    residual = decode(outputs, scaling) - events.y
    measure = _measure(residual, events.y.astype(np.float64), scaling.mean)
    rng = np.random.default_rng(seed)
    value = measure(weight)
    replicas = [measure(weight * rng.poisson(1.0, len(events))) for _ in range(REPLICAS)]
    squares = ((residual * 2.0**-scaling.exponent) ** 2).mean(axis=1)
    losses = bootstrap.means(squares[:, None], weight, bootstrap.draws(len(events), seed))[:, 0]
    report: dict[str, Any] = {
        "events": len(events),
        "loss": float(losses[0]),
        "loss_interval": central(losses[1:]),
        "unit": dict(zip(targets, scaling.units, strict=True)),
    }
    for figure, of_targets in value.items():
        interval = central(np.array([replica[figure] for replica in replicas]))
        report[figure] = dict(zip(targets, of_targets.tolist(), strict=True))
        report[f"{figure}_interval"] = dict(zip(targets, interval, strict=True))
    return report


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the RMSE of each target; of more than three, the mean R² in their place.

    >>> headline({"rmse": {"mass": 3.2142, "y": 0.5}, "unit": {"mass": "GeV", "y": "1"}})
    'RMSE mass 3.21 GeV, y 0.5'
    """
    if len(metrics["rmse"]) > 3:
        explained = list(metrics["r2"].values())
        return f"mean R² {np.mean(explained):.4f} of {len(explained)} targets"
    units = metrics["unit"]
    return "RMSE " + ", ".join(
        f"{name} {_with_unit(f'{value:.3g}', units[name])}"
        for name, value in metrics["rmse"].items()
    )


def rows(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return every figure of each target, with its interval and unit."""
    found = {"events": str(metrics["events"])}
    if "loss_interval" in metrics:
        found["loss"] = _measured(metrics["loss"], *metrics["loss_interval"])
    for figure, label in _LABELS.items():
        for name, value in metrics[figure].items():
            low, high = metrics[f"{figure}_interval"][name]
            text = _measured(value, low, high)
            unit = metrics["unit"][name] if FIGURES[figure].unit else "1"
            found[f"{label} {name}"] = _with_unit(text, unit)
    return found


def pictures(
    outputs: np.ndarray,
    events: Events,
    targets: Sequence[str],
    metrics: Mapping[str, Any],
    folder: Path,
    scaling: Scaling | None = None,
) -> None:
    """Draw prediction against truth, and the residuals with the resolution marked."""
    from hepnn.plots import regression

    assert scaling is not None
    prediction, truth = decode(outputs, scaling), events.y.astype(np.float64)
    residual = prediction - truth
    drawn = [
        regression.Target(
            name=name,
            unit=scaling.units[number],
            truth=truth[:, number],
            prediction=prediction[:, number],
            central=central_range(residual[:, number], events.weight),
        )
        for number, name in enumerate(targets)
    ]
    regression.predictions(drawn, events.weight, folder / "prediction.svg")
    regression.residuals(drawn, events.weight, folder / "residuals.svg")


def changes(
    reference: np.ndarray,
    answer: np.ndarray,
    events: Events,
    scaling: Scaling | None = None,
    names: Sequence[str] = (),
) -> dict[str, float]:
    """Return what other outputs change.

    `decision_flips` is the fraction of events in which the prediction of any target moves by
    more than a tenth of the resolution of the reference's residuals: less is lost in what the
    network does not know anyway. `max_efficiency_shift` is the largest relative change, over the
    targets, of the RMSE. An answer that is not finite has moved, and shifts without bound.

    Parameters
    ----------
    reference, answer
        z `(events, targets)`.
    events
        Quantities and weights.
    scaling
        Of the targets.
    names
        Of no meaning here.
    """
    assert scaling is not None
    before = decode(reference, scaling) - events.y
    after = decode(answer, scaling) - events.y
    ranges = np.array([central_range(column, events.weight) for column in before.T])
    resolution = (ranges[:, 1] - ranges[:, 0]) / 2
    with np.errstate(invalid="ignore"):  # the difference of infinities
        kept = (np.abs(after - before) <= MOVED * resolution).all(axis=1)
    shift = float(np.finfo(np.float32).max)
    if np.isfinite(after).all():
        first, second = _rmse(before, events.weight), _rmse(after, events.weight)
        unequal = first != second
        relative = np.full(len(first), shift)
        np.divide(np.abs(second - first), first, out=relative, where=first > 0)
        shift = float(relative[unequal].max(initial=0.0))
    return {"decision_flips": float(1 - kept.mean()), "max_efficiency_shift": shift}


def _measure(
    residual: np.ndarray, truth: np.ndarray, mean: np.ndarray
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the function from weights `(events,)` to every figure `(targets,)`."""
    centred = truth - truth.mean(axis=0)
    powers = [residual, residual**2, np.abs(residual), centred, centred**2, (truth - mean) ** 2]
    moments = np.concatenate(powers, axis=1)
    varies = np.ptp(truth, axis=0) > 0
    order = np.argsort(residual, axis=0, kind="stable")
    ranked = np.take_along_axis(residual, order, axis=0)

    def measure(weight: np.ndarray) -> dict[str, np.ndarray]:
        total = weight.sum()
        if total <= 0:  # a replica that has drawn nothing
            return dict.fromkeys(FIGURES, np.full(residual.shape[1], np.nan))
        bias, squares, mae, first, second, baseline = np.split(weight @ moments / total, 6)
        variance = np.maximum(second - first**2, 0.0) * varies
        # Of a target that is constant, as scikit-learn: all or nothing is explained.
        unexplained = np.where(squares > 0, 1.0, 0.0)
        np.divide(squares, variance, out=unexplained, where=variance > 0)
        tails = np.array([_tails(r, weight[o]) for r, o in zip(ranked.T, order.T, strict=True)])
        return {
            "rmse": np.sqrt(np.maximum(squares, 0.0)),
            "rmse_baseline": np.sqrt(np.maximum(baseline, 0.0)),
            "resolution": (tails[:, 1] - tails[:, 0]) / 2,
            "bias": bias,
            "mae": mae,
            "r2": 1 - unexplained,
        }

    return measure


def _tails(ranked: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the quantiles that leave out half of what is not central, each."""
    there = weight != 0
    ranked, weight = ranked[there], weight[there]
    below = np.cumsum(weight)
    # Negative weights would let the distribution fall.
    position = np.maximum.accumulate(below - weight / 2)
    tail = (1 - COVERAGE) / 2
    return np.interp(np.array([tail, 1 - tail]) * below[-1], position, ranked)


def _rmse(residual: np.ndarray, weight: np.ndarray) -> np.ndarray:
    squares = np.average(residual**2, axis=0, weights=weight.astype(np.float64))
    return np.sqrt(np.maximum(squares, 0.0))


def _measured(value: float, low: float, high: float) -> str:
    """Write a value and its interval, all to two digits of the interval's half-width."""
    half = (high - low) / 2
    if not half > 0 or half < 1e-8:
        return f"{value:.4g} [{low:.4g}, {high:.4g}]"
    places = max(1 - math.floor(math.log10(half)), 0)
    return f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def _with_unit(text: str, unit: str) -> str:
    return text if unit == "1" else f"{text} {unit}"
