"""Memory and time of one training step at the published size, network after network.

Every network has a process of its own: it is built in float, compiled with its task's loss and
plain gradient descent, and takes two steps, forward, backward and update, on random data. The
first one also traces the graph; the second is what `seconds` is of. `memory_gb` is the largest
resident memory of the process, TensorFlow's own 0.6 GB included, `parameters` those of the
network without auxiliary classifiers, and `largest_memory_gb` the largest of them all: it exits
with 1 if that is above `--limit`.

    python benchmarks/largest.py --json
    python benchmarks/largest.py --networks vgg-19 unet --batch 1
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from hepnn import console


class Published(NamedTuple):
    """A network as its paper has it.

    Attributes
    ----------
    architecture : str
        Its name here.
    input_shape, output_shape : tuple of int
        Of one event.
    hyper : dict
        What is not the default.
    """

    architecture: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    hyper: dict[str, Any] = {}


IMAGE, CLASSES = (224, 224, 3), (1000,)

NETWORKS = {
    "alexnet": Published("alexnet", IMAGE, CLASSES),
    "vgg-16": Published("vgg", IMAGE, CLASSES, {"depth": 16}),
    "vgg-19": Published("vgg", IMAGE, CLASSES, {"depth": 19}),
    "googlenet": Published("googlenet", IMAGE, CLASSES),
    "resnet-50": Published("resnet", IMAGE, CLASSES, {"depth": 50}),
    "resnet-152": Published("resnet", IMAGE, CLASSES, {"depth": 152}),
    "densenet-121": Published("densenet", IMAGE, CLASSES, {"depth": 121}),
    "xception": Published("xception", (299, 299, 3), CLASSES),
    "unet": Published("unet", (572, 572, 1), (388, 388, 2)),
    # Places with four features and the mask.
    "transformer": Published("transformer", (256, 5), CLASSES),
}


def step(name: str, batch: int) -> dict[str, float]:
    """Return what two training steps of a network need, in this process."""
    console.import_tensorflow()
    import keras

    from hepnn import architectures, vocabularies
    from hepnn.tasks import get as get_task
    from hepnn.training import network, rules

    published = NETWORKS[name]
    began = time.perf_counter()
    model = architectures.get(published.architecture)(
        published.input_shape,
        published.output_shape,
        nn=vocabularies.get("float"),
        **published.hyper,
    )
    driven = rules.wrap(model)
    task = get_task("segment" if len(published.output_shape) == 3 else "classify")
    driven.compile(optimizer=keras.optimizers.SGD(1e-6), loss=task.loss())
    built = time.perf_counter() - began
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, *published.input_shape)).astype(np.float32)
    if name == "transformer":
        x[..., -1] = 1
    y = rng.integers(0, published.output_shape[-1], (batch, *published.output_shape[:-1]))
    times = []
    for _ in range(2):
        began = time.perf_counter()
        loss = float(driven.train_on_batch(x, y))
        times.append(time.perf_counter() - began)
        if not np.isfinite(loss):
            raise SystemExit(f"{name}: the loss is {loss}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "parameters": network.parameters(model),
        "build_seconds": built,
        "first_seconds": times[0],
        "seconds": times[1],
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--limit", type=float, default=20.0, help="of the memory, in GB")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "BATCH"), help="in this process")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(step(arguments.one[0], int(arguments.one[1]))))
        return
    figures: dict[str, float] = {}
    for name in arguments.networks:
        for batch in arguments.batch:
            command = [sys.executable, __file__, "--one", name, str(batch)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            parameters = found.pop("parameters")
            figures[f"{name}_parameters"] = parameters
            figures |= {f"{name}_batch{batch}_{figure}": v for figure, v in found.items()}
            console.say(
                f"{name}, {parameters / 1e6:.1f} M parameters, batch {batch}: "
                f"{found['memory_gb']:.2f} GB, {found['seconds']:.1f} s a step"
            )
    memory = [value for name, value in figures.items() if name.endswith("memory_gb")]
    figures["largest_memory_gb"] = max(memory)
    if arguments.json:
        print(json.dumps({"figures": figures}))
    if figures["largest_memory_gb"] > arguments.limit:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
