"""A `.tflite` on disk, opened with LiteRT alone."""

from __future__ import annotations

import gzip
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hepnn.errors import RunError
from hepnn.targets.interface import events
from hepnn.targets.tflite import interpreter

#: Calls timed for the latency, after as many unmeasured ones as warm the caches.
_TIMED, _WARM = 4000, 500


class TFLiteArtefact:
    """A model of one event, run by the LiteRT interpreter.

    Parameters
    ----------
    path
        The `.tflite` file.
    entry
        Its entry in `interface.json`.
    threads
        Threads of the interpreter.
    """

    def __init__(self, path: Path, entry: dict[str, Any], threads: int = 1) -> None:
        self.name: str = entry["name"]
        self.path = path
        self.promise: Literal["exact", "bounded", "measured"] = entry["promise"]
        self._entry = entry
        self._threads = threads
        self._shape = tuple(entry["input"]["shape"])
        self._interpreter = self._open()
        stored = tuple(int(n) for n in self._input["shape"])
        if stored != (1, *self._shape):
            raise RunError(f"{path}: takes {stored}, interface.json says {(1, *self._shape)}")

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(events, outputs)` float32 for physical quantities.

        Events pass one by one through the very file that ships.

        Raises
        ------
        DataError
            If events have another shape than the model was written for.
        """
        x = events(x, self._shape, str(self.path))
        ready = self._host(x)
        lite, into, out = self._interpreter, self._input["index"], self._output["index"]
        results = np.empty((len(x), *self._output["shape"][1:]), self._output["dtype"])
        for number, event in enumerate(ready):
            lite.set_tensor(into, event[None])
            lite.invoke()
            results[number] = lite.get_tensor(out)[0]
        return self._real(results)

    def cost(self) -> dict[str, Any]:
        """Return size, operations and the latency measured now, in this process.

        What was estimated when the file was compiled for another processor is under `npu`.
        """
        times = self._latencies()
        compiled = self._entry.get("compiled")
        return {
            "bytes": self.path.stat().st_size,
            "gzip_bytes": len(gzip.compress(self.path.read_bytes(), mtime=0)),
            "operations": len(self._operations),
            "xnnpack": self._delegated,
            "latency_ns": {
                "p50": int(np.percentile(times, 50)),
                "p99": int(np.percentile(times, 99)),
                "batch": 1,
                "threads": self._threads,
                "source": "LiteRT from Python on this machine: set, invoke, get",
            },
            **({"npu": compiled["npu"]} if compiled else {}),
        }

    @property
    def _input(self) -> dict[str, Any]:
        return self._details[0]

    @property
    def _output(self) -> dict[str, Any]:
        return self._details[1]

    @cached_property
    def _details(self) -> tuple[dict[str, Any], dict[str, Any]]:
        lite = self._interpreter
        return lite.get_input_details()[0], lite.get_output_details()[0]

    @cached_property
    def _operations(self) -> list[str]:
        return [n["op_name"] for n in self._interpreter._get_ops_details() if not _is_delegate(n)]

    @cached_property
    def _delegated(self) -> str:
        """Say how much of the graph the delegate took: the nodes that it replaced are not run."""
        details = self._interpreter._get_ops_details()
        delegates = [node for node in details if _is_delegate(node)]
        if not delegates:
            return "no"
        produced = {int(t) for node in details if not _is_delegate(node) for t in node["outputs"]}
        taken = {int(t) for node in delegates for t in node["outputs"]}
        whole = len(delegates) == 1 and int(self._output["index"]) in taken & produced
        return "whole graph" if whole else f"in {len(delegates)} parts"

    def _open(self) -> Any:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read: {error.strerror}") from error
        return interpreter.opened(content, self.path, self._threads, self._entry.get("bytes"))

    def _host(self, x: np.ndarray) -> np.ndarray:
        """Do what the interface leaves outside the file: the scaling and the int8 grid."""
        scaling = self._entry["input"].get("scaling")
        if scaling is not None:
            factor = np.asarray(scaling["factor"], np.float32)
            x = x * factor + np.asarray(scaling["shift"], np.float32)
        scale, zero = self._input["quantization"]
        if not scale:
            return x
        kind = np.iinfo(self._input["dtype"])
        return np.clip(np.round(x / scale) + zero, kind.min, kind.max).astype(kind.dtype)

    def _real(self, y: np.ndarray) -> np.ndarray:
        scale, zero = self._output["quantization"]
        if not scale:
            return y.astype(np.float32, copy=False)
        return (y.astype(np.float32) - np.float32(zero)) * np.float32(scale)

    def _latencies(self) -> np.ndarray:
        lite, into, out = self._interpreter, self._input["index"], self._output["index"]
        event = self._host(np.zeros((1, *self._shape), np.float32))
        times = np.empty(_TIMED + _WARM, np.int64)
        for number in range(len(times)):
            start = time.perf_counter_ns()
            lite.set_tensor(into, event)
            lite.invoke()
            lite.get_tensor(out)
            times[number] = time.perf_counter_ns() - start
        return times[_WARM:]


def _is_delegate(node: dict[str, Any]) -> bool:
    return str(node["op_name"]).upper().startswith(("DELEGATE", "TFLITEXNNPACK"))
