"""Epoch time of Keras and of PyTorch over hepnn's: same network, data, batches.

All sides run in this process in turn, an epoch each, after warm-up epochs that compile; a figure
is a ratio of medians. hepnn's side is the driver that its rule chooses. `fit` is Keras's own, as
it comes; `tuned` the fastest of `GRID`, chosen by an epoch of each beforehand; `torch` the same
network in PyTorch with its data in memory, indexed by a shuffled permutation, the faster of one
and two threads. Its inputs are scaled beforehand, which the Keras networks do themselves. The
losses after as many epochs from the same start, on the same batches, are printed beside it.

    python benchmarks/train_speed.py --json
    python benchmarks/train_speed.py --cases float256,lenet128 --epochs 5
    python benchmarks/train_speed.py --wall 100      # seconds of quantization-aware training

PyTorch is needed for `torch` alone: pip install torch --index-url
https://download.pytorch.org/whl/cpu
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from hepnn import console

#: `jit_compile` and `steps_per_execution` of a tuned fit.
GRID = [(False, 32), (True, 32), (True, 256)]

#: Threads of PyTorch that are tried.
THREADS = (1, 2)

WARM_UP = 1


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes
    ----------
    recipe
        Whose data and network.
    batch, events
        Of a step, of an epoch.
    vocabulary
        `float` or `hgq`.
    changes
        Of the recipe, by dotted key.
    torch
        Whether PyTorch has the same network below.
    """

    recipe: str
    batch: int
    events: int
    vocabulary: str = "float"
    torch: bool = False
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)


#: Deep Sets of the size that firmware takes.
SMALL = {"architecture.phi": [32, 32, 32], "architecture.rho": [32, 16]}

CASES = {
    "float256": Case("jet-tagger", 256, 400_000, torch=True),
    "float1024": Case("jet-tagger", 1024, 400_000, torch=True),
    "hgq1024": Case("jet-tagger", 1024, 60_000, "hgq"),
    "deepsets256": Case("jets-deep-sets", 256, 40_000, changes=SMALL),
    "deepsets512": Case("jets-deep-sets", 512, 20_000),
    "gru128": Case("jets-gru", 128, 20_000),
    "gru512": Case("jets-gru", 512, 20_000),
    "lenet128": Case("mnist-lenet", 128, 12_800),
}

#: From an epoch's order of the events to the loss.
Epoch = Callable[[np.ndarray], float]


def read(case: Case, recipe: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a recipe's events, repeated in another order to as many as wanted, and a scaling."""
    from hepnn import preparation
    from hepnn.data import groups, reading, scaling, statistics
    from hepnn.data.feed import Memory
    from hepnn.run import Events

    opened = preparation.open_data(recipe)
    known = reading.read(opened)
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(known), case.events)
    seen = statistics.of(groups.for_statistics(opened.group, known.x[:10_000]))
    grid = scaling.fit(seen, [feature.scaling for feature in opened.features])
    events = Events(known.x[chosen], known.y[chosen], np.ones(case.events, np.float32))
    return Memory(events), grid


def compiled(case: Case, recipe: Any, data: Any, grid: Any, **how: Any) -> Any:
    """Return the network, from the same start each time."""
    import keras

    from hepnn.tasks import get
    from hepnn.training import network

    keras.utils.set_random_seed(1)
    task, x = get(recipe.task), data.events.x
    options = {"beta": 1e-7} if case.vocabulary == "hgq" else {}
    classes = [str(number) for number in range(int(data.events.y.max()) + 1)]
    shapes = task.shapes(x.shape[1:], classes)
    model = network.assemble(recipe.architecture, *shapes, case.vocabulary, grid, options)
    model.compile("adam", task.loss(), weighted_metrics=task.metrics(), **how)
    return model


def ours(case: Case, model: Any, data: Any) -> tuple[Epoch, str]:
    """Return hepnn's epoch, by the driver that the rule takes, and its name."""
    from hepnn.training import engine
    from hepnn.training.choice import choose

    choice = choose(model, data, case.batch, [])
    driver = engine.driver(choice, model, data, None, case.batch)
    return lambda order: driver.epoch([(data.events, order)])["loss"], choice.engine


def keras_fit(case: Case, model: Any, data: Any) -> Epoch:
    """Return the epoch of `model.fit`."""
    x, y = data.events.x, data.events.y

    def epoch(order: np.ndarray) -> float:
        how: dict[str, Any] = {"batch_size": case.batch, "shuffle": False, "verbose": 0}
        return float(model.fit(x[order], y[order], **how).history["loss"][0])

    return epoch


def tuned(case: Case, recipe: Any, data: Any, grid: Any) -> tuple[Epoch, dict[str, Any]]:
    """Return the epoch of the fastest of `GRID`, and its settings."""
    best: tuple[float, Epoch, dict[str, Any]] | None = None
    order = np.arange(len(data))
    for jit, steps in GRID:
        how = {"jit_compile": jit, "steps_per_execution": steps}
        model = compiled(case, recipe, data, grid, **how)
        start = model.get_weights()
        epoch = keras_fit(case, model, data)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            epoch(order)
            seconds.append(time.perf_counter() - began)
        model.set_weights(start)
        for variable in model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        if best is None or seconds[-1] < best[0]:
            best = (seconds[-1], epoch, how)
    assert best is not None
    return best[1:]


def pytorch(case: Case, data: Any, grid: Any, threads: int) -> Epoch | None:
    """Return PyTorch's epoch of the same perceptron; None where it is not installed."""
    try:
        import torch
    except ImportError:
        console.say("no PyTorch: its figures are left out")
        return None
    inputs = data.events.x
    x = torch.from_numpy(((inputs - grid["offset"]) * 2.0 ** -grid["exponent"]).astype(np.float32))
    y = torch.from_numpy(data.events.y.astype(np.int64))
    torch.manual_seed(1)
    widths = [inputs.shape[1], 64, 32, 32]
    layers: list[Any] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    loss_of = torch.nn.CrossEntropyLoss()

    def epoch(order: np.ndarray) -> float:
        torch.set_num_threads(threads)
        shuffled = torch.from_numpy(order)
        total = torch.zeros(())
        for start in range(0, len(order), case.batch):
            chosen = shuffled[start : start + case.batch]
            loss = loss_of(model(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        return float(total) / len(order)

    return epoch


def measure(case: Case, epochs: int, peers: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return ratios, times and losses of one case, and how the sides were driven."""
    from hepnn import pipeline

    recipe = pipeline.load(case.recipe, case.changes)
    data, grid = read(case, recipe)
    sides: dict[str, Epoch] = {}
    sides["hepnn"], driver = ours(case, compiled(case, recipe, data, grid), data)
    how: dict[str, Any] = {"hepnn": driver}
    if "fit" in peers:
        sides["fit"] = keras_fit(case, compiled(case, recipe, data, grid), data)
    if "tuned" in peers:
        sides["tuned"], how["tuned"] = tuned(case, recipe, data, grid)
    for threads in THREADS if "torch" in peers and case.torch else ():
        if (side := pytorch(case, data, grid, threads)) is not None:
            sides[f"torch{threads}"] = side
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, float] = {}
    for epoch in range(WARM_UP + epochs):
        order = np.random.default_rng([0, epoch]).permutation(len(data))
        for name, side in sides.items():
            began = time.perf_counter()
            losses[name] = side(order)
            if epoch >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    median = {name: float(np.median(times)) for name, times in seconds.items()}
    torch_times = [time for name, time in median.items() if name.startswith("torch")]
    peer = {name: median[name] for name in ("fit", "tuned") if name in median}
    peer |= {"torch": min(torch_times)} if torch_times else {}
    figures = {f"ratio_{name}": time / median["hepnn"] for name, time in peer.items()}
    figures |= {f"seconds_{name}": time for name, time in median.items()}
    figures |= {f"loss_{name}": loss for name, loss in losses.items()}
    return figures, how


def wall(epochs: int) -> dict[str, float]:
    """Return the seconds that the jet tagger's quantized stage takes, compilation included."""
    from hepnn import compress, pipeline
    from hepnn.recipe import fit_of
    from hepnn.tasks import get
    from hepnn.training import fit, network

    recipe, case = pipeline.load("jet-tagger"), CASES["float1024"]
    data, grid = read(case, recipe)
    task, events = get(recipe.task), data.events
    before = compiled(case, recipe, data, grid)
    plan = compress.plan(recipe.compress[-1], before, events.x[:10_000])
    shapes = before.input_shape[1:], before.output_shape[1:]
    options = plan.options
    model = network.assemble(recipe.architecture, *shapes, plan.vocabulary, grid, options)
    network.warm_start(model, before)
    plan.prepare(model)
    wanted = fit_of(recipe, "quantized").model_copy(update={"epochs": epochs})
    some = dataclasses.replace(
        events, x=events.x[:10_000], y=events.y[:10_000], weight=events.weight[:10_000]
    )
    began = time.perf_counter()
    outcome = fit.fit(
        model,
        events,
        some,
        wanted,
        loss=task.loss(),
        metrics=task.metrics(),
        callbacks=plan.callbacks(epochs),
        seed=1,
        ready=plan.ready,
    )
    seconds = time.perf_counter() - began
    accuracy = outcome.history["accuracy"][-1]
    return {"qat_seconds": seconds, "qat_epochs": float(epochs), "qat_accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", default=",".join(CASES), help="of " + ", ".join(CASES))
    parser.add_argument("--against", default="fit,tuned,torch")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--wall", type=int, help="epochs; time these instead of the cases")
    parser.add_argument("--events", type=int, help="an epoch; of each case its own by default")
    arguments = parser.parse_args()
    console.import_tensorflow()
    figures: dict[str, float] = wall(arguments.wall) if arguments.wall else {}
    for name in arguments.cases.split(",") if not arguments.wall else ():
        case = CASES[name]
        if arguments.events:
            case = dataclasses.replace(case, events=arguments.events)
        found, how = measure(case, arguments.epochs, arguments.against.split(","))
        figures.update({f"{name}_{figure}": value for figure, value in found.items()})
        shown = ", ".join(f"{figure} {value:.4g}" for figure, value in found.items())
        console.say(f"{name} ({how}): {shown}")
        gc.collect()
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:.6g}")


if __name__ == "__main__":
    main()
