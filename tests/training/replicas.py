"""Run in processes of its own by `test_distributed.py`: what several devices do, as JSON.

`python replicas.py mirrored OUT` has two logical CPU devices; `python replicas.py workers OUT
RECIPE RUNS` is one of two workers, of which the second is killed in the end, and with `chief`
in place of `workers` the first, at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hepnn import console

console.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from hepnn.data import scaling  # noqa: E402
from hepnn.errors import HepnnError  # noqa: E402
from hepnn.recipe import Architecture, Fit  # noqa: E402
from hepnn.run import Events  # noqa: E402
from hepnn.tasks.classify import Classify  # noqa: E402
from hepnn.training import checkpoint, distillation, fit, network  # noqa: E402
from hepnn.training import devices as devices_module  # noqa: E402

STEPS, BATCH = 20, 64

#: What the fit of a kind has besides.
SETTINGS: dict[str, dict[str, Any]] = {
    "clipped": {
        "clip": {"global_norm": 0.05},
        "average": 0.9,
        "optimizer": {"name": "momentum", "weight_decay": 0.01},
        "schedule": {"name": "plateau", "patience": 1, "least": 10.0, "warmup": 0.1},
    },
    "taught": {"teacher": "another", "teacher_weight": 0.7, "clip": {"norm": 0.05}},
    "scaled": {"precision": "mixed_float16", "clip": {"value": 0.01}},
}


def events(kind: str = "float") -> Events:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH, 6)).astype(np.float32)
    y = np.argmax(x[:, :3] + rng.normal(size=(len(x), 3)) / 2, axis=1)
    weight = rng.uniform(0.5, 2, len(x)).astype(np.float32)
    if kind == "taught":
        y = distillation.beside(y, rng.normal(size=(len(x), 3)))
    if kind == "scaled":
        weight[7] = 3000  # its share of the gradient is beyond float16, that of no other device
    return Events(x, y, weight)


def plain(kind: str) -> Any:
    keras.utils.set_random_seed(1)
    if kind == "normalized":
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(8, activation="relu", kernel_regularizer="l2")(inputs)
        hidden = keras.layers.BatchNormalization()(hidden)
        return keras.Model(inputs, keras.layers.Dense(3)(hidden))
    vocabulary = "hgq" if kind == "quantized" else "float"
    options = {"beta": 1e-4} if kind == "quantized" else {}
    architecture = Architecture(name="mlp", hidden=[8])
    grid = scaling.standard(events().x)
    return network.assemble(architecture, (6,), (3,), vocabulary, grid, options)


def losses(kind: str, devices: devices_module.Devices | None) -> dict[str, Any]:
    """Return the history of a hundred steps, and the trained weights."""
    model, data = plain(kind), events(kind)
    found = fit.fit(
        model,
        data,
        data,
        Fit(epochs=100 // STEPS, batch=BATCH, keep="last", **SETTINGS.get(kind, {})),
        loss=Classify().loss(),
        metrics=Classify().metrics(),
        seed=3,
        devices=devices,
    )
    weights = [variable.numpy() for variable in model.trainable_variables]
    return {"engine": found.engine, "history": found.history, "weights": weights}


def differences(kind: str, devices: devices_module.Devices) -> dict[str, Any]:
    one, several = losses(kind, None), losses(kind, devices)
    shared = one["history"].keys() & several["history"].keys()
    pairs = zip(one["weights"], several["weights"], strict=True)
    return {
        "engines": [one["engine"], several["engine"]],
        "metrics": sorted(shared),
        "history": {
            name: float(np.max(np.abs(np.subtract(one["history"][name], several["history"][name]))))
            for name in shared
        },
        "loss": [one["history"]["loss"][-1], several["history"]["loss"][-1]],
        "norms": one["history"].get("gradient_norm"),
        "weights": float(max(np.max(np.abs(a - b)) for a, b in pairs)),
    }


def said(action: Any) -> str:
    try:
        action()
    except HepnnError as error:
        return str(error)
    return ""


def mirrored() -> dict[str, Any]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    devices = devices_module.Devices("mirrored")
    devices.open()
    found: dict[str, Any] = {
        kind: differences(kind, devices) for kind in ("normalized", "quantized", *SETTINGS)
    }
    odd = Fit(epochs=1, batch=63)
    found["odd"] = said(
        lambda: fit.fit(plain("float"), events(), None, odd, loss="mse", devices=devices)
    )
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(4)(inputs)
    branched = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    branched.auxiliary = [(keras.layers.Dense(3)(hidden), 0.3)]
    found["rule"] = said(
        lambda: fit.fit(
            branched,
            events(),
            None,
            Fit(epochs=1, batch=64),
            loss=Classify().loss(),
            devices=devices,
        )
    )
    spoilt = events()
    spoilt.x[5] = np.inf
    found["bad"] = said(
        lambda: fit.fit(
            plain("normalized"),
            spoilt,
            None,
            Fit(epochs=1, batch=64),
            loss=Classify().loss(),
            devices=devices,
        )
    )
    return found


def workers(recipe: str, runs: str) -> None:
    devices = devices_module.Devices("multiworker")
    assert devices.member is not None
    number = devices.member.number
    devices.meet(recipe="the same")
    kinds = ("float", "clipped")
    found: dict[str, Any] = {"number": number, **{k: differences(k, devices) for k in kinds}}
    found["data"] = said(lambda: devices.meet(recipe="the same", data=f"data {number}"))
    Path(sys.argv[2]).write_text(json.dumps(found))
    command(devices, 1, recipe, runs)


def chief(recipe: str, runs: str) -> None:
    command(devices_module.Devices("multiworker"), 0, recipe, runs)


def command(devices: devices_module.Devices, dies: int, recipe: str, runs: str) -> None:
    """Run the command; in the middle of the float stage one worker is killed."""
    from hepnn import cli
    from hepnn.training import distributed

    epoch, calls = distributed.Replicas.epoch, [0]

    def until_killed(self: Any, pieces: Any, before: int) -> dict[str, float]:
        calls[0] += 1
        if calls[0] == 3 and devices.member and devices.member.number == dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return epoch(self, pieces, before)

    distributed.Replicas.epoch = until_killed  # type: ignore[method-assign]
    checkpoint.INTERVAL = 0.0
    devices_module.Devices = lambda wanted: devices  # type: ignore[assignment,misc]
    sys.argv = ["hepnn", "train", recipe, "--runs", runs, "--name", "both"]
    sys.argv += ["--strategy", "multiworker"]
    cli.main()


if __name__ == "__main__":
    if sys.argv[1] == "mirrored":
        Path(sys.argv[2]).write_text(json.dumps(mirrored()))
    else:
        {"workers": workers, "chief": chief}[sys.argv[1]](*sys.argv[3:5])
