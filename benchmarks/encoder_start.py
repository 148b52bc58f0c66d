"""A classifier with few labels, from random weights and from the encoder of an autoencoder.

For each seed the recipe of an autoencoder is trained on all training events, without labels; then
the same network up to the code, with a layer of 32 neurons and the logits behind it, is trained to
classify few of them, once from scratch and once with `start:`. The test events are the same
throughout, and are none that the autoencoder has seen; the last epoch is kept, so that no label of
a validation event is used.

    python benchmarks/encoder_start.py --labels 50 100 200 400 --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console

#: Hyper-parameters of an autoencoder that its encoder has too.
SHARED = ("kind", "hidden", "latent", "kernel", "activation")


def classifier(recipe: Any, labels: int, events: int, seed: int, epochs: int) -> dict[str, Any]:
    """Return the recipe of the classifier, on so many of the autoencoder's training events."""
    hyper = {key: value for key, value in recipe.architecture.hyper.items() if key in SHARED}
    splits, share = recipe.splits, labels / events
    return {
        "name": f"labels-{labels}",
        "dataset": recipe.dataset,
        "seed": seed,
        "splits": {
            "train": share,
            "validation": splits.train + splits.validation - share,
            "test": splits.test,
            "seed": splits.seed,
        },
        "architecture": {"name": "encoder", "head": [32], **hyper},
        "fit": {
            "epochs": epochs,
            "batch": 16,
            "learning_rate": 1e-3,
            "schedule": {"name": "cosine"},
            "keep": "last",
        },
    }


def accuracies(
    name: str, labels: list[int], seed: int, epochs: int, runs: Path
) -> dict[str, float]:
    """Return the test accuracy for each number of labels, from scratch and from the encoder."""
    from hepnn import evaluation, pipeline, preparation

    splits = preparation.open_data(pipeline.load(name)).splits.model_dump()
    changes = {"seed": seed, "targets": [], "compress": [], "splits": splits}
    encoder = pipeline.train(name, changes, runs=runs, name=f"encoder{seed}")
    events = sum(encoder.manifest["data"]["events"].values())
    found = {}
    for count in labels:
        content = classifier(encoder.recipe, count, events, seed, epochs)
        for start in (None, encoder.name):
            made = pipeline.train(
                {**content, "start": start},
                runs=runs,
                name=f"{count}-{'scratch' if start is None else 'encoder'}{seed}",
            )
            accuracy = evaluation.evaluate(made)["stages"]["float"]["accuracy"]
            found[f"{'scratch' if start is None else 'encoder'}_{count}"] = accuracy
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="digits-denoising-autoencoder")
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console.import_tensorflow()
    with tempfile.TemporaryDirectory() as temporary:
        found = [
            accuracies(arguments.recipe, arguments.labels, seed, arguments.epochs, Path(temporary))
            for seed in arguments.seeds
        ]
    figures = {}
    for name in found[0]:
        values = np.array([one[name] for one in found])
        figures[name] = float(values.mean())
        figures[f"{name}_spread"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name in found[0]:
        print(f"{name:16} {figures[name]:.4f} +- {figures[name + '_spread']:.4f}")


if __name__ == "__main__":
    main()
