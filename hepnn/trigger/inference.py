"""One network in the event loop: scores and decisions, one event or many.

A thread has an interpreter of its own. For single events its tensors are written and read in
place, and nothing is allocated once it has run; many events go through interpreters whose input is
as long as a block, if that gives the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import RunError
from hepnn.run import Run
from hepnn.targets.tflite import interpreter
from hepnn.trigger import events, export, scores, thresholds
from hepnn.trigger.export import Export

#: Events that pass through the network at once, where so many are there: the largest block is the
#: fastest one, the smaller ones keep a queue short.
BLOCKS = (256, 64, 16)


def load(
    run_or_artefact: str | Path | Run,
    *,
    stage: str | None = None,
    form: str = "tflite",
    signal: Sequence[str] | str | None = None,
    threshold: float | None = None,
    runs: Path = Path("runs"),
) -> Trigger:
    """Open the network that a run shipped for LiteRT.

    Parameters
    ----------
    run_or_artefact
        A run, its path or name, or `latest`; or the folder of a LiteRT export, or its file.
    stage
        Of the run; by default the last one that was shipped bit-exactly, or else the last.
    form
        `tflite` or `tflite-float16`.
    signal
        Names of the classes that are signal, or of the quantity that is cut on; those that the
        stored threshold is for, or the last class.
    threshold
        Events of this score or more are accepted; that which is stored in the run by default.
    runs
        Where runs are that are named.

    Raises
    ------
    RunError
        If there is no export, if it is damaged, or if the stored threshold is for another file.
    RecipeError
        If there is no such class.
    """
    read = export.read(run_or_artefact, stage, form, runs)
    names = [signal] if isinstance(signal, str) else signal
    if threshold is None and (kept := thresholds.stored(read)) is not None:
        names = kept["signal"] if names is None else names
        threshold = kept["threshold"] if list(names) == kept["signal"] else None
    return Trigger(read, names, threshold)


class Trigger:
    """A network, the score made of its outputs, and the threshold on it.

    Pickled, it is the path of its file, which is read again where it is unpickled.

    Attributes
    ----------
    export : Export
        The network.
    score_of : Score
        How events are ranked.
    threshold : float or None
        Events of this score or more are accepted.
    signal : list of str or None
        Names of the classes that are signal, or of the quantity, where they were said.
    """

    def __init__(
        self, read: Export, signal: Sequence[str] | None = None, threshold: float | None = None
    ) -> None:
        self.export = read
        self.threshold = threshold
        self.signal = None if signal is None else list(signal)
        self.score_of = scores.of(read, signal)
        self._local = threading.local()
        self._shape = read.shape

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the last axis of an event, in order."""
        return self.export.features

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the features."""
        return self.export.units

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return self.export.shape

    def score(self, x: Any) -> Any:
        """Return the score of an event, or of each of many.

        Parameters
        ----------
        x
            Physical quantities of one event, in `shape`, or of many `(events, *shape)`; or a
            mapping by the features' names of numbers, or of arrays `(events, ...)`.

        Returns
        -------
        float or np.ndarray
            Of many `(events,)` float64.

        Raises
        ------
        DataError
            If a feature is missing or unknown, the shape is another, or a number is not finite.
        """
        try:
            single = self._local.single
        except AttributeError:
            single = self._warm()
        try:
            if x.shape == self._shape:
                return single(x)
        except AttributeError:  # a mapping, or a list
            pass
        x = events.array(x, self.export)
        if x.ndim == len(self.export.shape):
            return single(x)
        events.insist_on_finite(x, self.export)
        return self.score_of.many(self.run(x), x)

    def decide(self, x: Any) -> Any:
        """Return whether an event, or each of many `(events,)` bool, is accepted.

        Raises
        ------
        DataError
            As `score`.
        RunError
            If no threshold was chosen.
        """
        if self.threshold is None:
            raise RunError(
                f"{self.export.path.parent}: no threshold is stored:"
                f" hepnn trigger {self.export.run or 'RUN'} --threshold background=0.01"
            )
        return self.score(x) >= self.threshold

    def outputs(self, x: Any) -> np.ndarray:
        """Return what the network puts out, `(*output_shape)` or `(events, *output_shape)`.

        Raises
        ------
        DataError
            As `score`.
        """
        x = events.array(x, self.export)
        if x.ndim == len(self.export.shape):
            events.insist_on_finite(x[None], self.export)
            return self.run(x[None])[0]
        events.insist_on_finite(x, self.export)
        return self.run(x)

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of many events as they are given, `(events, *shape)` float32."""
        if not hasattr(self._local, "single"):
            self._warm()
        results = np.empty((len(x), *self.export.output_shape), np.float32)
        whole = 0
        for size in BLOCKS:
            block = self._block(size) if len(x) - whole >= size else None
            while block is not None and len(x) - whole >= size:
                block(x[whole : whole + size], results[whole : whole + size])
                whole += size
        one = self._local.one
        for number in range(whole, len(x)):
            results[number] = one(x[number])
        return results

    def run_one(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of one event; the next one of this thread overwrites them."""
        if not hasattr(self._local, "one"):
            self._warm()
        return self._local.one(x)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, never code."""
        return _again, (
            self.export.path,
            self.export.form,
            self.export.sha256,
            self.signal,
            self.threshold,
        )

    def _warm(self) -> Callable[[np.ndarray], float]:
        """Make this thread's interpreter for single events."""
        export_, score = self.export, self.score_of.one
        lite = interpreter.opened(export_.content, export_.path)
        into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]
        entry, answer = lite.tensor(into)()[0], lite.tensor(out)()[0]
        flat = entry.reshape(-1)
        if not np.shares_memory(flat, entry) or entry.shape != export_.shape:
            raise RunError(f"{export_.path}: takes {entry.shape}, not {export_.shape}")
        # The wrapper's `invoke` refuses while views of tensors are held. They stay where they are
        # as long as no tensor is resized, which nothing does here.
        invoke = lite._interpreter.Invoke
        dot, zeros = flat.dot, np.zeros(flat.shape, np.float32)

        def single(x: np.ndarray) -> float:
            entry[...] = x
            # Zero times what is not finite is no number.
            if not isfinite(dot(zeros)):
                events.insist_on_finite(entry[None], export_)
            invoke()
            return score(answer, entry)

        def one(x: np.ndarray) -> np.ndarray:
            entry[...] = x
            invoke()
            return answer

        single(np.zeros(export_.shape, np.float32))
        self._local.interpreter = lite
        self._local.one = one
        self._local.single = single
        self._local.blocks = {}
        return single

    def _block(self, size: int) -> Callable[[np.ndarray, np.ndarray], None] | None:
        """Return what runs so many events at once in this thread, bit for bit as one by one."""
        if size not in self._local.blocks:
            self._local.blocks[size] = self._made_block(size)
        return self._local.blocks[size]

    def _made_block(self, size: int) -> Callable[[np.ndarray, np.ndarray], None] | None:
        lite = interpreter.opened(self.export.content, self.export.path)
        into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]

        def block(x: np.ndarray, results: np.ndarray) -> None:
            lite.set_tensor(into, x)
            lite.invoke()
            results[...] = lite.get_tensor(out)

        rng = np.random.default_rng(0)
        trial = rng.normal(size=(size, *self.export.shape)).astype(np.float32)
        trial *= 2.0 ** rng.integers(-6, 10, (size, *(1 for _ in self.export.shape)))
        found = np.empty((size, *self.export.output_shape), np.float32)
        try:
            lite.resize_tensor_input(into, (size, *self.export.shape))
            lite.allocate_tensors()
            block(trial, found)
        except (RuntimeError, ValueError):  # a graph that is for one event
            return None
        same = np.array_equal(found, np.array([self._local.one(x).copy() for x in trial]))
        return block if same else None


def _again(
    path: Path, form: str, sha256: str, signal: list[str] | None, threshold: float | None
) -> Trigger:
    read = export.read(path, form=form)
    if read.sha256 != sha256:
        raise RunError(f"{path} was replaced since the trigger was pickled")
    return Trigger(read, signal, threshold)
