"""Accuracy of a recipe's stages over seeds, beside scikit-learn on the same split.

For each seed the recipe is trained, and scikit-learn's HistGradientBoostingClassifier and
MLPClassifier (of the same layers, on standardized inputs, with early stopping) are fitted to the
same training events. On request, with `--baselines`, so are the two that a course on images begins
with: KNeighborsClassifier (five neighbours, the Euclidean distance of pixels, or of standardized
features) and LogisticRegression, a linear classifier. A recipe that
reconstructs is compared with principal components, as many as its code has numbers (`pca`). One
that segments is compared with what a pixel alone tells: the best threshold on one channel for each
class (`pixel_threshold`), and gradient boosting on its channels (`pixel_gradient_boosting`). Mean
and spread are over the seeds; the test events are looked at once a seed and choose nothing.

    python benchmarks/accuracy.py jet-tagger --seeds 1 2 3 --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console

PIXELS = ("pixel_threshold", "pixel_gradient_boosting")

BASELINES = (
    "hist_gradient_boosting",
    "mlp_classifier",
    "k_neighbors",
    "linear_classifier",
    "pca",
    *PIXELS,
)

#: Those of a task where none is asked for.
USUAL = {"classify": BASELINES[:2], "reconstruct": ("pca",), "segment": PIXELS}


def baselines(
    name: str, overrides: dict[str, Any], seed: int, wanted: Sequence[str]
) -> dict[str, float]:
    """Return the test accuracy of scikit-learn's classifiers."""
    if not wanted:
        return {}
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, StandardScaler

    from hepnn import pipeline, preparation
    from hepnn.data import division

    loaded = pipeline.load(name, overrides)
    divided = division.divide(preparation.open_data(loaded), loaded.limit)
    train, test = divided.train.events, divided.test
    hidden = loaded.architecture.hyper.get("hidden") or [64]
    images = train.x.ndim > 2
    models = {
        "hist_gradient_boosting": HistGradientBoostingClassifier(
            max_iter=300, early_stopping=True, random_state=seed
        ),
        "mlp_classifier": make_pipeline(
            StandardScaler(),
            MLPClassifier(hidden, early_stopping=True, max_iter=200, random_state=seed),
        ),
        "k_neighbors": make_pipeline(
            "passthrough" if images else StandardScaler(), KNeighborsClassifier(5)
        ),
        "linear_classifier": make_pipeline(
            MaxAbsScaler() if images else StandardScaler(), LogisticRegression(max_iter=300)
        ),
    }
    flat, looked_at = (events.x.reshape(len(events), -1) for events in (train, test))
    return {key: float(models[key].fit(flat, train.y).score(looked_at, test.y)) for key in wanted}


def pca(run: Any, seed: int) -> dict[str, float]:
    """Return what principal components, as many as the network's code has numbers, reconstruct.

    They are fitted to the scaled inputs of the training events that the network has seen.
    """
    from sklearn.decomposition import PCA

    from hepnn import preparation
    from hepnn.data import division
    from hepnn.tasks import get as get_task
    from hepnn.tasks import scaling as scalings

    recipe = run.recipe
    task, scaling = get_task(recipe.task), scalings.of(run)
    train = division.divide(preparation.open_data(recipe), recipe.limit).train.events
    chosen = task.learns_from(train, run.classes)
    if chosen is not None:
        train = division.take(train, np.flatnonzero(chosen))
    test = run.events("test")
    seen, looked_at = (task.encode(one, scaling).reshape(len(one), -1) for one in (train, test))
    hyper = recipe.architecture.hyper
    code = hyper["latent"] if "latent" in hyper else hyper["encoder"][-1]
    components = PCA(code, random_state=seed).fit(seen)
    outputs = components.inverse_transform(components.transform(looked_at)).reshape(test.x.shape)
    return {
        f"pca_{figure}": value
        for figure, value in of_metrics(
            task.evaluate(outputs, test, run.classes, seed, scaling)
        ).items()
    }


def pixels(run: Any, seed: int, wanted: Sequence[str]) -> dict[str, float]:
    """Return the IoU of each class on the test events of what a pixel alone tells, as wanted.

    Each class has the threshold, on one channel and to one side, of the largest IoU in training;
    pixels may be above those of two classes, and count for both. The gradient boosting sees the
    pixels in which any channel is filled; the empty ones are of the first class.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    from hepnn import preparation
    from hepnn.data import division
    from hepnn.tasks import get as get_task

    if not set(wanted) & set(PIXELS):
        return {}
    recipe, names = run.recipe, run.classes
    train = division.divide(preparation.open_data(recipe), recipe.limit).train.events
    test = run.events("test")
    (seen, of_seen), (new, of_new) = (
        (one.x.reshape(-1, one.x.shape[-1]), one.y.ravel()) for one in (train, test)
    )
    figures = {}
    if "pixel_threshold" in wanted:
        for number, name in enumerate(names):
            truth, there = of_seen == number, of_new == number
            best, channel, sign = max(
                (_threshold(side * seen[:, column], truth), column, side)
                for column in range(seen.shape[1])
                for side in (1, -1)
            )
            given = sign * new[:, channel] >= best[1]
            share = np.count_nonzero(given & there) / np.count_nonzero(given | there)
            figures[f"pixel_threshold_iou_{name}"] = share
    if "pixel_gradient_boosting" in wanted:
        filled, full = seen.any(axis=1), new.any(axis=1)
        boosted = HistGradientBoostingClassifier(random_state=seed, early_stopping=True)
        decided = np.zeros(len(new), int)
        boosted.fit(seen[filled], of_seen[filled])
        decided[full] = boosted.predict(new[full])
        outputs = np.eye(len(names))[decided].reshape(*test.y.shape, len(names))
        metrics = get_task(recipe.task).evaluate(outputs, test, names, seed)
        figures |= {f"pixel_gradient_boosting_{k}": v for k, v in of_metrics(metrics).items()}
        del figures["pixel_gradient_boosting_loss"]
    return figures


def _threshold(values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the largest IoU of all values from a threshold on with the truth, and where."""
    order = np.argsort(-values, kind="stable")
    ranked, right = values[order], np.cumsum(truth[order])
    share = right / (np.arange(1, len(ranked) + 1) + right[-1] - right)
    share[:-1][ranked[1:] == ranked[:-1]] = -1.0  # equals are kept or left together
    place = int(share.argmax())
    return float(share[place]), float(ranked[place])


def of_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Return a stage's figures: of all events, and AUC, efficiency at 1 %, IoU of each class."""
    whole = ("accuracy", "loss", "explained", "mean_iou", "pixel_accuracy")
    figures = {key: metrics[key] for key in whole if key in metrics}
    figures |= {f"iou_{kind}": value for kind, value in metrics.get("iou", {}).items()}
    for figure in ("rmse", "rmse_baseline"):  # of numbers that are predicted
        figures |= {f"{figure}_{target}": v for target, v in metrics.get(figure, {}).items()}
    if "accuracy" in figures:
        del figures["loss"]
    else:
        figures |= {f"auc_{kind}": value for kind, value in metrics.get("auc", {}).items()}
    at_one_percent = metrics.get("efficiency_at_background", {}).get("0.01", {})
    return {**figures, **{f"efficiency_{kind}": share for kind, share in at_one_percent.items()}}


def stages(run: Any) -> dict[str, float]:
    """Return the figures of every stage of a run."""
    from hepnn import evaluation

    figures = {}
    for stage, metrics in evaluation.evaluate(run)["stages"].items():
        figures |= {f"{stage}_{figure}": value for figure, value in of_metrics(metrics).items()}
        figures[f"{stage}_sparsity"] = metrics["sparsity"]["total"]
        if "ebops" in metrics:
            figures[f"{stage}_ebops"] = metrics["ebops"]
    figures["wall_seconds"] = run.manifest["wall_seconds"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--baselines", nargs="*", choices=BASELINES)
    parser.add_argument("--runs", type=Path, help="keep the runs here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from hepnn import pipeline
    from hepnn.recipe import parse_override

    overrides = dict(parse_override(text) for text in arguments.settings)
    console.import_tensorflow()
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.runs or Path(temporary)
        for seed in arguments.seeds:
            changes = {**overrides, "seed": seed, "targets": []}
            run = pipeline.train(arguments.recipe, changes, runs=runs, name=f"seed{seed}")
            figures = stages(run)
            wanted = arguments.baselines
            if wanted is None:
                wanted = USUAL.get(run.recipe.task.name, ())
            if "pca" in wanted:
                figures |= pca(run, seed)
            figures |= pixels(run, seed, wanted)
            others = [one for one in wanted if one not in ("pca", *PIXELS)]
            figures |= baselines(arguments.recipe, overrides, seed, others)
            found.append(figures)
            console.say(f"seed {seed}: {figures}")
    figures = {}
    for name in found[0]:
        values = np.array([one[name] for one in found])
        figures[name] = float(values.mean())
        figures[f"{name}_spread"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name in found[0]:
        print(f"{name:36} {figures[name]:.5g} +- {figures[name + '_spread']:.2g}")


if __name__ == "__main__":
    main()
