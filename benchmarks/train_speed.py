"""Epoch time of `model.fit` over hepnn's, same model, data, batches and final loss.

Both sides run in this process in turn, an epoch each, after warm-up epochs that compile; the
figure is the ratio of the medians. The losses after as many epochs from the same start, on the
same batches, are printed beside it.

    python benchmarks/train_speed.py --json
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from hepnn import console

CASES = {
    "float256": ("float", 256),
    "float1024": ("float", 1024),
    "hgq1024": ("hgq", 1024),
}
WARM_UP = 1


def jets(events: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sample's jets, repeated with noise to as many as wanted."""
    from hepnn.data import dataset

    sample = dataset.load("jets").events
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(sample), events)
    noise = 1 + rng.normal(size=(events, sample.x.shape[1])) * 1e-3
    return (sample.x[chosen] * noise).astype(np.float32), sample.y[chosen]


def measure(vocabulary: str, batch: int, events: int, epochs: int) -> dict[str, float]:
    """Return the ratio of epoch times and both final losses."""
    import keras

    from hepnn.data import scaling
    from hepnn.data.feed import Memory
    from hepnn.recipe import Architecture
    from hepnn.run import Events
    from hepnn.tasks.classify import Classify
    from hepnn.training import engine, network

    x, y = jets(events)
    data = Memory(Events(x, y, np.ones(len(x), np.float32)))
    architecture = Architecture(name="mlp", hidden=[64, 32, 32])
    options = {"beta": 1e-7} if vocabulary == "hgq" else {}
    drivers = {}
    for name, driver in (("fit", engine.KerasFit), ("hepnn", engine.EpochLoop)):
        keras.utils.set_random_seed(1)
        grid = scaling.standard(x)
        model = network.assemble(architecture, x.shape[1:], (5,), vocabulary, grid, options)
        model.compile("adam", Classify().loss(), weighted_metrics=Classify().metrics())
        drivers[name] = driver(model, data, None, batch)
    seconds: dict[str, list[float]] = {name: [] for name in drivers}
    losses = {}
    for epoch in range(WARM_UP + epochs):
        for name, driver in drivers.items():
            began = time.perf_counter()
            losses[name] = driver.epoch(data.pieces(0, epoch, batch))["loss"]
            if epoch >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    median = {name: float(np.median(times)) for name, times in seconds.items()}
    return {
        "ratio_fit": median["fit"] / median["hepnn"],
        "seconds_fit": median["fit"],
        "seconds_hepnn": median["hepnn"],
        "loss_fit": losses["fit"],
        "loss_hepnn": losses["hepnn"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    console.import_tensorflow()
    figures: dict[str, float] = {}
    for case, (vocabulary, batch) in CASES.items():
        found = measure(vocabulary, batch, arguments.events, arguments.epochs)
        figures.update({f"{case}_{name}": value for name, value in found.items()})
        console.say(f"{case}: {found}")
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:.6g}")


if __name__ == "__main__":
    main()
