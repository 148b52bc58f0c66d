"""What is trained on: one device, or several through a strategy of `tf.distribute`."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from hepnn import console
from hepnn.errors import RunError, nearest
from hepnn.run import Run, open_run
from hepnn.training import cluster

#: What `--strategy` takes.
Strategy = Literal["auto", "mirrored", "multiworker", "tpu"]

#: Seconds that workers wait for one another at the start.
PATIENCE = 300

#: Seconds after which a silent worker counts as lost. Between two steps, one whose process has
#: ended is noticed at once.
SILENCE = 60


class Devices:
    """The devices of a training, and the other workers.

    Nothing of TensorFlow is imported before `meet` or `open`. Workers have to meet before
    anything is computed, as TensorFlow configures collective operations at its start.

    Parameters
    ----------
    wanted
        `auto` takes the workers of `TF_CONFIG` or of the batch system, else all GPUs where there
        are several, else one device. None is one device.

    Raises
    ------
    RunError
        If there are no such devices.
    """

    def __init__(self, wanted: str | None = None) -> None:
        if wanted is not None and wanted not in get_args(Strategy):
            raise RunError(f"--strategy {wanted}: {nearest(wanted, get_args(Strategy))}")
        self._wanted = wanted
        self._opened = False
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.member = cluster.find() if wanted in ("auto", "multiworker") else None
        if wanted == "multiworker" and self.member is None:
            raise RunError(
                "--strategy multiworker: no workers; set TF_CONFIG, or start it by srun or from "
                "deploy/htcondor"
            )
        self.strategy: Any = None
        self.reason = ""

    @property
    def chief(self) -> bool:
        """Whether this process writes the run."""
        return self.member is None or self.member.chief

    @property
    def several(self) -> bool:
        """Whether there is more than one device."""
        return self.strategy is not None

    def meet(self, **parts: str) -> None:
        """Wait for the other workers, and compare what they are about to do with this one.

        Parameters
        ----------
        **parts
            What has to be the same, as text, by what it is called.

        Raises
        ------
        RunError
            If something differs, or a worker does not come.
        """
        if self.member is None:
            return
        self.open()
        for name, text in parts.items():
            digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int32)
            known = self.gather(digest)
            for number, other in enumerate(known):
                if not np.array_equal(other, known[0]):
                    raise RunError(
                        f"worker {number} ({self.member.workers[number]}) has another {name} than "
                        f"worker 0 ({self.member.workers[0]}): start all with the same"
                    )

    def open(self) -> None:
        """Make the strategy.

        Raises
        ------
        RunError
            If there are no such devices, or a worker does not come.
        """
        if self._opened:
            return
        if self.member is not None:
            self.strategy, self.reason = _workers(self.member)
        elif self._wanted == "tpu":
            self.strategy, self.reason = _tpu()
        elif self._wanted is not None:
            self.strategy, self.reason = _mirrored(self._wanted == "mirrored")
        self._opened = True

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Return every worker's `(n,)` as `(workers, n)`.

        Raises
        ------
        RunError
            If a worker is lost.
        """
        import tensorflow as tf

        with self.talking():
            found = self._together(tf.constant(values))
            rows = self.strategy.experimental_local_results(found)[0].numpy()
        every = len(rows) // len(self.member.workers) if self.member else 1
        return np.asarray(rows[::every])

    @functools.cached_property
    def _together(self) -> Any:
        """Gathers; kept, since what has run before notices a lost worker at once."""
        import tensorflow as tf

        def gathered(own: Any) -> Any:
            return tf.distribute.get_replica_context().all_gather(own[None], axis=0)

        return tf.function(lambda own: self.strategy.run(gathered, args=(own,)))

    @contextlib.contextmanager
    def talking(self) -> Iterator[None]:
        """Turn TensorFlow's errors about lost workers into one line.

        Raises
        ------
        RunError
            If a worker is lost.
        """
        import tensorflow as tf

        known = tf.errors
        lost = (
            known.UnavailableError,
            known.AbortedError,
            known.CancelledError,
            known.DeadlineExceededError,
            known.InternalError,
        )
        try:
            yield
        except lost as error:
            if self.member is None:
                raise
            raise RunError(
                "a worker was lost: start all of them again, with --resume RUN to go on from the "
                f"last checkpoint ({_short(str(error))})"
            ) from error

    def folder(self, runs: Path) -> Path:
        """Return the folder that runs are made in: only the chief writes where it was told to."""
        return runs if self.chief else self._own()

    def take(self, run: Run) -> Run:
        """Return the run to go on with: the run for the chief, for others a copy to work in."""
        if self.chief:
            return run
        copy = self._own() / run.name
        left = shutil.ignore_patterns("stream", "exports", "tensorboard")
        shutil.copytree(run.path, copy, ignore=left)
        return open_run(copy)

    def _own(self) -> Path:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="hepnn-worker-")
        return Path(self._scratch.name)


def _workers(member: cluster.Membership) -> tuple[Any, str]:
    console.import_tensorflow()
    import tensorflow as tf

    # The one place to say how long TensorFlow waits; it has no public name.
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context

    jobs = config_pb2.ConfigProto().experimental.coordination_config.coordinated_job_list
    job = jobs.add()
    job.name, job.num_tasks = "worker", len(member.workers)
    os.environ["TF_CONFIG"] = member.config()
    try:
        context.context().configure_coordination_service(
            service_type="standalone",
            service_leader="/job:worker/replica:0/task:0",
            cluster_register_timeout_in_ms=PATIENCE * 1000,
            heartbeat_timeout_in_ms=SILENCE * 1000,
            coordinated_jobs=[job],
        )
        console.say(f"worker {member.number} of {len(member.workers)}: waiting for the others")
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        address = member.workers[member.number]
        raise RunError(
            f"worker {member.number} ({address}) cannot join the others: {_short(str(error))}"
        ) from error
    count = strategy.num_replicas_in_sync
    return strategy, f"{len(member.workers)} workers of {member.source}, {count} devices"


def _mirrored(asked: bool) -> tuple[Any, str]:
    console.import_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        if asked:
            raise RunError(
                f"--strategy mirrored: there is one device, {devices[0].name}; it takes two or more"
            )
        return None, ""
    if not gpus and not asked:
        return None, ""
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return strategy, f"{len(devices)} devices of this machine"


def _tpu() -> tuple[Any, str]:
    console.import_tensorflow()
    import tensorflow as tf

    local = bool(tf.config.list_physical_devices("TPU"))
    if not local and not os.environ.get("TPU_NAME"):
        raise RunError("--strategy tpu: there is no TPU here, and TPU_NAME names none")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local" if local else "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise RunError(f"--strategy tpu: {_short(str(error))}") from error
    strategy = tf.distribute.TPUStrategy(resolver)
    return strategy, f"{strategy.num_replicas_in_sync} TPU cores"


def _short(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if "abort" in line or "imeout" in line or "imed out" in line]
    return (telling or lines or ["no reason given"])[0][:200]
