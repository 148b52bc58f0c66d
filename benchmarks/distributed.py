"""Several devices against one, and what the guard against NaN costs.

`loss_workers` and `loss_devices` are the largest differences of loss and metrics, to one device
with the same batches, over a hundred steps: of two worker processes on the loopback address, and
of two logical CPU devices in one process; `..._hgq` the same of a quantized network, whose EBOPs
are part of the loss. `events_ratio_workers` is the events a second of two workers over those of
one process with the same driver, and `events_ratio_loop` over the whole-epoch loop; on one machine
both workers share its cores. `guard_...` is an epoch's processor time with the guard over that
without it, of both drivers, in turn. `checkpoint_ms` is the time that one checkpoint takes.

    python benchmarks/distributed.py --json
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console

BATCH = 256
STEPS = 100


def events(count: int) -> Any:
    from hepnn.run import Events

    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 16)).astype(np.float32)
    y = np.argmax(x[:, :5] + rng.normal(size=(count, 5)) / 2, axis=1)
    return Events(x, y, np.ones(count, np.float32))


def compiled(vocabulary: str, x: np.ndarray) -> Any:
    """Return a jet tagger of 16-64-32-32-5, compiled."""
    import keras

    from hepnn.data import scaling
    from hepnn.recipe import Architecture
    from hepnn.training import network

    keras.utils.set_random_seed(1)
    architecture = Architecture(name="mlp", hidden=[64, 32, 32])
    options = {"beta": 1e-6} if vocabulary == "hgq" else {}
    model = network.assemble(architecture, (16,), (5,), vocabulary, scaling.standard(x), options)
    return again(model)


def again(model: Any) -> Any:
    """Compile a network."""
    from hepnn.tasks.classify import Classify

    model.compile("adam", Classify().loss(), weighted_metrics=Classify().metrics())
    return model


def losses(devices: Any, vocabulary: str) -> float:
    """Return the largest difference of loss and metrics to one device, over a hundred steps."""
    from hepnn.data.feed import Memory
    from hepnn.training import distributed, engine

    data = Memory(events(20 * BATCH))
    one, several = (compiled(vocabulary, data.events.x) for _ in range(2))
    drivers = (
        engine.EpochLoop(one, data, None, BATCH),
        distributed.Replicas(several, again, data, None, BATCH, [], devices),
    )
    differences = []
    for epoch in range(STEPS // 20):
        ours, theirs = (driver.epoch(data.pieces(0, epoch, BATCH)) for driver in drivers)
        differences += [abs(ours[name] - theirs[name]) for name in ours]
    return max(differences)


def rate(driver: Any, data: Any) -> float:
    """Return the events a second of an epoch after the first."""
    driver.epoch(data.pieces(0, 0, BATCH))
    began = time.perf_counter()
    driver.epoch(data.pieces(0, 1, BATCH))
    return len(data) / (time.perf_counter() - began)


def member(kind: str, out: str) -> None:
    """Be one of two workers, or one process with two logical devices."""
    console.import_tensorflow()
    import tensorflow as tf

    from hepnn.data.feed import Memory
    from hepnn.training import distributed, engine
    from hepnn.training.devices import Devices

    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    devices = Devices(kind)
    devices.open()
    found = {name: losses(devices, name) for name in ("float", "hgq")}
    data = Memory(events(50_000 // BATCH * BATCH))
    model = compiled("float", data.events.x)
    found["rate"] = rate(distributed.Replicas(model, again, data, None, BATCH, [], devices), data)
    loop = engine.EpochLoop(compiled("float", data.events.x), data, None, BATCH)
    found["rate_loop"] = rate(loop, data)
    Path(out).write_text(json.dumps(found))


def together(kind: str, count: int) -> dict[str, float]:
    """Run the processes of a kind; return what the first found."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    nodes = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number in range(count):
            task = {"type": "worker", "index": number}
            config = {"cluster": {"worker": nodes}, "task": task}
            known = {**os.environ, "TF_CONFIG": json.dumps(config)}
            if kind == "mirrored":
                known.pop("TF_CONFIG")
            out = f"{folder}/{number}.json"
            command = [sys.executable, __file__, "--member", kind, out]
            processes.append(subprocess.Popen(command, env=known))
        for process in processes:
            if process.wait():
                raise SystemExit(f"a process of {kind} ended with {process.returncode}")
        return dict(json.loads(Path(folder, "0.json").read_text()))


def guard(count: int, epochs: int) -> dict[str, float]:
    """Return epochs' processor times with the guard over those without it, and the latter."""
    import tensorflow as tf

    from hepnn.data.feed import Memory
    from hepnn.training import engine, finite

    class Bare(engine.EpochLoop):
        """The loop that looks at nothing."""

        def _train_steps(self, batches: Any, steps: Any) -> Any:
            for number in tf.range(steps):
                self._model.train_step(tuple(part[number] for part in batches))
            return steps, True

    class BareFit(engine.KerasFit):
        """`model.fit` without a callback."""

        def epoch(self, pieces: Any, before: int = 0) -> dict[str, float]:
            for known, order in pieces:
                self._fit(tuple(array[order] for array in (known.x, known.y)), [])
            return {}

    figures = {}
    data = Memory(events(count))
    pairs = {"epoch": (engine.EpochLoop, Bare), "keras": (engine.KerasFit, BareFit)}
    for vocabulary, name in (("float", "epoch"), ("hgq", "epoch"), ("float", "keras")):
        drivers = [
            kind(compiled(vocabulary, data.events.x), data, None, BATCH) for kind in pairs[name]
        ]
        seconds: list[list[float]] = [[], []]
        for epoch in range(epochs + 1):
            for driver, times in zip(drivers, seconds, strict=True):
                began = time.process_time()
                driver.epoch(data.pieces(0, epoch, BATCH))
                times.append(time.process_time() - began)
        # The fastest of many: other work on the machine only adds.
        guarded, bare = (min(times[1:]) for times in seconds)
        figures[f"guard_{name}_{vocabulary}"] = guarded / bare
        figures[f"seconds_{name}_{vocabulary}"] = bare
        state = finite.State(drivers[0]._model)
        figures[f"state_ms_{name}_{vocabulary}"] = _milliseconds(state.take)
    return figures


def checkpoint() -> float:
    """Return the milliseconds of one checkpoint of the jet tagger, on disk."""
    from hepnn.training.checkpoint import Checkpoint, Done

    model = compiled("float", events(100).x)
    model.optimizer.build(model.trainable_variables)
    with tempfile.TemporaryDirectory() as folder:
        saved = Checkpoint(Path(folder, "checkpoint.npz"), model, [], 1e-3)
        return _milliseconds(lambda: saved.save(Done(epochs=1), last=True))


def _milliseconds(action: Any) -> float:
    times = []
    for _ in range(10):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--member", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.member:
        member(*arguments.member)
        return
    found = {
        "workers": together("multiworker", 2),
        "worker": together("multiworker", 1),
        "devices": together("mirrored", 1),
    }
    console.import_tensorflow()
    figures = {}
    for name in ("workers", "devices"):
        figures[f"loss_{name}"] = found[name]["float"]
        figures[f"loss_{name}_hgq"] = found[name]["hgq"]
    figures |= guard(arguments.events, arguments.epochs)
    figures["events_ratio_workers"] = found["workers"]["rate"] / found["worker"]["rate"]
    figures["events_ratio_loop"] = found["workers"]["rate"] / found["worker"]["rate_loop"]
    figures["checkpoint_ms"] = checkpoint()
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:.6g}")


if __name__ == "__main__":
    main()
