"""Generators beside a Gaussian mixture, on the same events.

For each seed the recipes are trained (task `generate`, or `reconstruct` with the architecture
`vae`, whose decoder is given normal codes), and Gaussian mixtures are fitted to the same training
events, in the same scaled features: one to all of them, and one to each class. The number of
components is doubled until the Bayesian information criterion on the training events rises. Each
makes as many events as there are test events, and is judged by `hepnn.tasks.generate.judge`.

A VAE's decoder is the mean of a normal distribution of known width: `vae` draws from it, as the
model says, `vae_mean` leaves the width out.

`told` figures are of models that are asked for classes, by a classifier that is told them.

    python benchmarks/generative.py jets-gan jets-vae-generator --seeds 1 2 3 --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, pipeline, preparation
from hepnn.data import division
from hepnn.recipe import parse_override
from hepnn.run import Run
from hepnn.tasks import generate
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: Most components of a mixture.
MOST = 256


def mixture(z: np.ndarray, seed: int) -> tuple[Any, int]:
    """Return the Gaussian mixture of the lowest BIC, and its components."""
    from sklearn.mixture import GaussianMixture

    best, components = None, 1
    while components <= MOST:
        fitted = GaussianMixture(components, random_state=seed, max_iter=200).fit(z)
        bic = fitted.bic(z)
        if best is not None and bic > best[0]:
            break
        best = (bic, fitted)
        components *= 2
    assert best is not None
    return best[1], best[1].n_components


def from_codes(run: Run, events: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return z of a VAE's decoder, its mean and a draw, of normal codes `(events, latent)`."""
    import keras

    from hepnn.training import network

    model = network.load_model(run.model_file(run.stages[-1]))
    sample = model.get_layer("latent")
    codes = keras.Input(sample.output.shape[1:])
    x = codes
    for layer in model.layers[model.layers.index(sample) + 1 :]:
        x = layer(x)
    rng = np.random.default_rng(seed)
    mean = network.predict(
        keras.Model(codes, x), rng.normal(size=(events, *codes.shape[1:])).astype(np.float32)
    )
    # The loss is that of a decoder of the variance beta / 2.
    return mean, mean + np.sqrt(sample.beta / 2) * rng.normal(size=mean.shape)


def figures_of(
    made: np.ndarray,
    real: np.ndarray,
    scaling: Any,
    seed: int,
    classes: np.ndarray | None = None,
    names: list[str] | None = None,
) -> dict[str, float]:
    """Return two-sample AUC, sliced distance, coverage and every Wasserstein distance."""
    found = generate.judge(made, real, scaling, seed=seed)
    figures = {
        "two_sample_auc": found["two_sample_auc"][generate.EVERY],
        "coverage": found["coverage"][generate.EVERY],
        "sliced": found["loss"],
        **{f"wasserstein_{name}": value for name, value in found["wasserstein"].items()},
    }
    if classes is not None:
        told = generate.judge(made, real, scaling, classes=classes, names=names or [], seed=seed)
        figures["told_two_sample_auc"] = told["two_sample_auc"][generate.EVERY]
    return figures


def one_seed(
    recipes: list[str], overrides: dict[str, Any], seed: int, runs: Path
) -> dict[str, float]:
    """Return every figure of a seed."""
    from hepnn.training import network

    figures: dict[str, float] = {}
    real = scaling = None
    for name in recipes:
        changes = {**overrides, "seed": seed, "targets": []}
        run = pipeline.train(name, changes, runs=runs, name=f"{Path(name).stem}-{seed}")
        task, scaling = get_task(run.recipe.task), scalings.of(run)
        test = run.events("test")
        assert scaling is not None
        if task.FROM_NOISE:
            real = test.y
            asked = test.x[:, task.latent :].argmax(1) if task.conditional else None
            made = network.predict(network.load_model(run.model_file(run.stages[-1])), test.x)
            kinds = {name: figures_of(made, real, scaling, seed, asked, run.classes)}
        else:
            real = task.encode(test, scaling)
            mean, drawn = from_codes(run, len(test), seed)
            kinds = {
                name: figures_of(drawn, real, scaling, seed),
                f"{name}_mean": figures_of(mean, real, scaling, seed),
            }
        for kind, found in kinds.items():
            figures |= {f"{kind}_{figure}": value for figure, value in found.items()}
        figures[f"{name}_wall_seconds"] = run.manifest["wall_seconds"]
        console.say(f"seed {seed}, {name}: {kinds}")
    loaded = pipeline.load(recipes[0], overrides)
    data = preparation.open_data(loaded)
    parts = division.divide(data, loaded.limit)
    train, test = parts.train.events, parts.test
    assert real is not None and scaling is not None
    z = (train.x - scaling.offset) * 2.0**-scaling.exponent
    whole, components = mixture(z, seed)
    figures["mixture_components"] = components
    made = whole.sample(len(test))[0]
    of_all = figures_of(made, real, scaling, seed)
    figures |= {f"mixture_{figure}": value for figure, value in of_all.items()}
    made, count = np.empty_like(real, np.float64), 0
    for number in range(len(data.classes)):
        of_class, components = mixture(z[train.y == number], seed)
        count += components
        asked = test.y == number
        made[asked] = of_class.sample(int(asked.sum()))[0]
    figures["class_mixtures_components"] = count
    of_classes = figures_of(made, real, scaling, seed, test.y, data.classes)
    figures |= {f"class_mixtures_{figure}": value for figure, value in of_classes.items()}
    other = z[np.random.default_rng(seed).permutation(len(z))[: len(real)]]
    of_real = figures_of(other, real, scaling, seed)
    figures |= {f"training_events_{figure}": value for figure, value in of_real.items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--runs", type=Path, help="keep the runs here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    overrides = dict(parse_override(text) for text in arguments.settings)
    console.import_tensorflow()
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in arguments.seeds:
            runs = arguments.runs or Path(temporary)
            found.append(one_seed(arguments.recipes, overrides, seed, runs))
            console.say(f"seed {seed}: {found[-1]}")
    figures = {}
    for name in found[0]:
        values = np.array([one[name] for one in found])
        figures[name] = float(values.mean())
        figures[f"{name}_spread"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name in found[0]:
        print(f"{name:48} {figures[name]:.5g} +- {figures[name + '_spread']:.2g}")


if __name__ == "__main__":
    main()
