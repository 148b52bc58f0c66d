"""TensorBoard's logs of a fit: `tensorboard --logdir DIR` draws them while it goes on.

The scalars of training and validation lie in two folders, under the same names, as Keras's own
callback has them, so that they are drawn over each other; histograms of the weights beside them.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import keras
import tensorflow as tf

from hepnn.errors import missing_extra


class TensorBoard(keras.callbacks.Callback):
    """Write each epoch's logs, the rate, and histograms of the trained weights.

    Parameters
    ----------
    folder
        Of the logs; those of a killed fit are gone on with.
    events
        Trained on in an epoch.

    Raises
    ------
    MissingDependency
        If TensorBoard, which TensorFlow writes its summaries with, is not installed.
    """

    def __init__(self, folder: Path, events: int) -> None:
        super().__init__()
        if importlib.util.find_spec("tensorboard") is None:
            raise missing_extra("tensorboard", "monitor", "writing TensorBoard's logs")
        self._writers = {
            part: tf.summary.create_file_writer(str(folder / part))
            for part in ("train", "validation")
        }
        self._events = events
        self._began = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take the time."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write."""
        seconds = time.perf_counter() - self._began
        written = {**(logs or {}), "events_per_second": self._events / seconds}
        for name, value in written.items():
            part = "validation" if name.startswith("val_") else "train"
            with self._writers[part].as_default(step=epoch):
                tf.summary.scalar(name.removeprefix("val_"), value)
        with self._writers["train"].as_default(step=epoch):
            for variable in self.model.trainable_variables:
                tf.summary.histogram(variable.path, variable.value)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
