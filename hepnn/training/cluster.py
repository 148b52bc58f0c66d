"""Who trains together: the workers of a job, from `TF_CONFIG` or from the batch system.

TensorFlow's own description of a cluster is the environment variable `TF_CONFIG`: the addresses
of all workers and the number of this one. Where it is missing, it is made of what the batch
system says: of `SLURM_*`, or in HTCondor's parallel universe of a node file that the job's script
writes, with a line `number host port` for each worker.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepnn.errors import RunError

#: First port of the workers of a Slurm job; tasks on one node have the next ones.
SLURM_PORT = 12321


@dataclass(frozen=True)
class Membership:
    """One process among the workers.

    Attributes
    ----------
    workers : tuple of str
        Addresses `host:port`, the chief's first.
    number : int
        This one's.
    source : str
        What says so.
    """

    workers: tuple[str, ...]
    number: int
    source: str

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes the run."""
        return self.number == 0

    def config(self) -> str:
        """Return `TF_CONFIG`.

        >>> Membership(("a:1", "b:1"), 1, "").config()
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
        """
        task = {"type": "worker", "index": self.number}
        return json.dumps({"cluster": {"worker": list(self.workers)}, "task": task})


def find(environment: MutableMapping[str, str] = os.environ) -> Membership | None:
    """Return the workers that the environment names, and tell TensorFlow; None if there are none.

    Parameters
    ----------
    environment
        `TF_CONFIG` is written into it where a batch system says who the workers are.

    Raises
    ------
    RunError
        If what it says cannot be understood.
    """
    if environment.get("TF_CONFIG"):
        return _of_tensorflow(environment["TF_CONFIG"])
    found = None
    if _number(environment, "SLURM_STEP_NUM_TASKS", "1") > 1:
        found = _of_slurm(environment)
    elif _number(environment, "_CONDOR_NPROCS", "1") > 1:
        found = _of_condor(environment)
    if found is not None:
        environment["TF_CONFIG"] = found.config()
    return found


def _number(environment: Mapping[str, str], name: str, otherwise: str = "") -> int:
    text = environment.get(name, otherwise)
    try:
        return int(text)
    except ValueError as error:
        raise RunError(f"{name} is no number: {text!r}") from error


def _member(workers: Sequence[str], number: int, source: str) -> Membership:
    """Return one of the workers, if it is."""
    if not 0 <= number < len(workers):
        raise RunError(f"{source}: task {number} of {len(workers)} workers")
    for address in workers:
        if not re.fullmatch(r"[^\s,]+:\d+", address):
            raise RunError(f"{source}: {address!r} is no address host:port of a worker")
    return Membership(tuple(workers), number, source)


def _of_tensorflow(text: str) -> Membership | None:
    try:
        content = json.loads(text)
        cluster = content.get("cluster", {})
        workers = [*cluster.get("chief", []), *cluster.get("worker", [])]
        task: dict[str, Any] = content.get("task", {})
        kind, number = task.get("type", "worker"), int(task.get("index", 0))
        before = 0 if kind == "chief" else len(cluster.get("chief", []))
    except (ValueError, AttributeError, TypeError) as error:
        raise RunError(f"TF_CONFIG is no JSON of a cluster and a task: {text[:200]}") from error
    if not workers:  # as some services set it for a single machine
        return None
    if kind not in ("chief", "worker"):
        raise RunError(f"TF_CONFIG: a task of type {kind!r}; a training has chief and worker")
    return _member(workers, before + number, "TF_CONFIG")


def _of_slurm(environment: MutableMapping[str, str]) -> Membership:
    # TensorFlow's SlurmClusterResolver sorts the hosts by letters, so that node10 comes before
    # node9 and workers take each other's addresses; and it needs nvidia-smi.
    try:
        hosts = _hosts(environment["SLURM_STEP_NODELIST"])
        tasks = [
            int(count)
            for count, times in re.findall(
                r"(\d+)(?:\(x(\d+)\))?", environment["SLURM_STEP_TASKS_PER_NODE"]
            )
            for _ in range(int(times or 1))
        ]
        workers = tuple(
            f"{host}:{SLURM_PORT + task}"
            for host, count in zip(hosts, tasks, strict=True)
            for task in range(count)
        )
    except (KeyError, ValueError) as error:
        raise RunError(f"SLURM_* variables of the step cannot be understood: {error}") from error
    if len(workers) != int(environment["SLURM_STEP_NUM_TASKS"]):
        raise RunError(f"Slurm's step has {len(workers)} places for its tasks: {workers}")
    return _member(workers, _number(environment, "SLURM_PROCID"), "Slurm")


def _hosts(text: str) -> list[str]:
    """Return the hosts of Slurm's short form, in its order.

    >>> _hosts("node[08-09,11],gpu")
    ['node08', 'node09', 'node11', 'gpu']
    """
    hosts = []
    one = r"([^,\[\]]+)(?:\[([\d,-]+)\])?"
    if not re.fullmatch(f"{one}(?:,{one})*", text):
        raise ValueError(f"no list of hosts: {text}")
    for prefix, numbers in re.findall(one, text):
        for part in numbers.split(","):
            first, _, last = part.partition("-")
            if not first:
                hosts.append(prefix)
                continue
            for number in range(int(first), int(last or first) + 1):
                hosts.append(f"{prefix}{number:0{len(first)}}")
    return hosts


def _of_condor(environment: MutableMapping[str, str]) -> Membership:
    path = Path(environment.get("_CONDOR_SCRATCH_DIR", "."), "nodes")
    wanted = _number(environment, "_CONDOR_NPROCS")
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        known = {int(number): f"{host}:{int(port)}" for number, host, port in lines}
        workers = tuple(known[number] for number in range(wanted))
    except OSError as error:
        raise RunError(f"HTCondor's node file {path} is missing: see deploy/htcondor") from error
    except ValueError as error:
        raise RunError(f"{path}: expected lines `number host port`") from error
    except KeyError as error:
        raise RunError(f"{path}: no line for worker {error} of {wanted}") from error
    return _member(workers, _number(environment, "_CONDOR_PROCNO"), "HTCondor")
