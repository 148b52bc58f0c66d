"""Accuracy of a recipe's stages over seeds, beside scikit-learn on the same split.

For each seed the recipe is trained, and scikit-learn's HistGradientBoostingClassifier and
MLPClassifier (of the same layers, on standardized inputs, with early stopping) are fitted to the
same training events. Mean and spread are over the seeds; the test events are looked at once a
seed and choose nothing.

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

BASELINES = ("hist_gradient_boosting", "mlp_classifier")


def baselines(
    name: str, overrides: dict[str, Any], seed: int, wanted: Sequence[str]
) -> dict[str, float]:
    """Return the test accuracy of scikit-learn's classifiers."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from hepnn import pipeline
    from hepnn.data import division

    loaded = pipeline.load(name, overrides)
    divided = division.divide(pipeline.open_data(loaded), loaded.limit)
    train, test = divided.train.events, divided.test
    hidden = loaded.architecture.hyper.get("hidden", [64])
    models = {
        "hist_gradient_boosting": HistGradientBoostingClassifier(
            max_iter=300, early_stopping=True, random_state=seed
        ),
        "mlp_classifier": make_pipeline(
            StandardScaler(),
            MLPClassifier(hidden, early_stopping=True, max_iter=200, random_state=seed),
        ),
    }
    flat, looked_at = (events.x.reshape(len(events), -1) for events in (train, test))
    return {key: float(models[key].fit(flat, train.y).score(looked_at, test.y)) for key in wanted}


def stages(name: str, overrides: dict[str, Any], seed: int, runs: Path) -> dict[str, float]:
    """Train the recipe; return accuracy and efficiencies at 1 % background of every stage."""
    from hepnn import evaluation, pipeline

    changes = {**overrides, "seed": seed, "targets": []}
    run = pipeline.train(name, changes, runs=runs, name=f"seed{seed}")
    figures = {}
    for stage, metrics in evaluation.evaluate(run)["stages"].items():
        figures[f"{stage}_accuracy"] = metrics["accuracy"]
        for kind, value in metrics["efficiency_at_background"]["0.01"].items():
            figures[f"{stage}_efficiency_{kind}"] = value
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
    parser.add_argument("--baselines", nargs="*", choices=BASELINES, default=BASELINES)
    parser.add_argument("--runs", type=Path, help="keep the runs here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from hepnn.recipe import parse_override

    overrides = dict(parse_override(text) for text in arguments.settings)
    console.import_tensorflow()
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.runs or Path(temporary)
        for seed in arguments.seeds:
            figures = stages(arguments.recipe, overrides, seed, runs)
            figures.update(baselines(arguments.recipe, overrides, seed, arguments.baselines))
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
