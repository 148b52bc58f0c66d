"""Chunks on a Dask cluster, whose workers need share no disk with this machine or each other.

A task is a pure function of what it carries and gives its shards' bytes back; this process
alone writes. When a worker dies, the scheduler runs its tasks again elsewhere, and they make
the same events: none is lost and none is there twice.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from hepnn import console, files
from hepnn.data.generate.chunk import Chunk
from hepnn.data.generate.work import Work, encoded, shard
from hepnn.errors import DataError, HepnnError, missing_extra

LOCAL = "local"

# Attempts at a chunk after an exception that another worker may not meet, as a full disk.
RETRIES = 10

# So many chunks, or two a thread, are given out at a time: what the cluster holds of results.
LEAST_AHEAD = 16

# Seconds for a scheduler to answer.
PATIENCE = 20.0


def run(
    work: Work,
    chunks: Sequence[Chunk],
    cards: dict[str, bytes],
    versions: dict[str, str],
    folder: Path,
    address: str,
    processes: int,
) -> Generator[Chunk, None, None]:
    """Generate chunks into a working folder; yield each one as its shards are there.

    Parameters
    ----------
    work : Work
        The job.
    chunks : sequence of Chunk
        Those to be made. They are given out a few at a time.
    cards : dict
        Content of the files that the kind reads, by name.
    versions : dict
        Versions that the workers' packages must have.
    folder : Path
        The working folder.
    address : str
        Of the scheduler, as `tcp://host:8786`; or `local` for a cluster on this machine.
    processes : int
        Workers of a local cluster, of one thread each.

    Raises
    ------
    MissingDependency
        If the extra `scale` is not installed.
    DataError
        If there is no scheduler, it is lost, or a chunk kills every worker that takes it.
    """
    try:
        from distributed import as_completed
    except ImportError as error:
        raise missing_extra("distributed", "scale", "generating on a Dask cluster") from error

    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet("distributed.client"))
        client = connect(address, processes, stack)
        if not threads(client, address):
            console.say(f"{address}: no workers yet, waiting for some")

        def submit(chunk: Chunk) -> Any:
            # The whole task is in its arguments: data lent to the workers would die with them.
            future = client.submit(
                encoded,
                work,
                chunk,
                cards,
                versions,
                key=f"{chunk.name}-{unique}",
                retries=RETRIES,
            )
            of[future.key] = chunk
            return future

        unique = os.urandom(8).hex()
        of: dict[Any, Chunk] = {}
        waiting = iter(chunks)
        first = [submit(chunk) for chunk in itertools.islice(waiting, LEAST_AHEAD)]
        running = as_completed(first, loop=client.loop)
        for future in running:
            chunk = of.pop(future.key)
            made = result(future, chunk, address)
            future.release()
            write(made, chunk, work, folder)
            # The cluster may have grown, as one does that follows the number of tasks.
            ahead = max(LEAST_AHEAD, 2 * threads(client, address)) - len(of)
            for following in itertools.islice(waiting, max(ahead, 0)):
                running.add(submit(following))
            yield chunk


@contextlib.contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Keep a logger from telling what is told here in one line."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def result(future: Any, chunk: Chunk, address: str) -> dict[str, bytes] | HepnnError:
    """Return what a task gave back, or say why there is nothing."""
    from distributed import KilledWorker

    failure = future.exception() if future.status == "error" else None
    if isinstance(failure, KilledWorker):
        raise DataError(f"{address}: chunk {chunk.name} killed every worker that took it")
    if isinstance(failure, ModuleNotFoundError):
        raise DataError(f"{address}: a worker lacks the package {failure.name}")
    if failure is not None:
        raise failure
    try:
        return future.result()
    except (CancelledError, OSError) as error:
        raise gone(address) from error


def threads(client: Any, address: str) -> int:
    """Count the threads of a cluster's workers."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise gone(address) from error


def gone(address: str) -> DataError:
    """Return the error for a scheduler that answers no more."""
    return DataError(f"{address}: the scheduler is gone; the same command goes on from there")


def write(made: dict[str, bytes] | HepnnError, chunk: Chunk, work: Work, folder: Path) -> None:
    """Write what a task gave back, or raise it."""
    if isinstance(made, HepnnError):
        raise made
    for key in work.keys:
        with files.replacing(shard(folder, key, chunk)) as partial:
            partial.write_bytes(made[key])


def connect(address: str, processes: int, stack: contextlib.ExitStack) -> Any:
    """Return a client of a cluster, and of one that is started for it if `address` is `local`."""
    from distributed import Client, LocalCluster

    if address == LOCAL:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": ":0"},  # where there are two at once
                preload="hepnn.data.generate.local_worker",
                silence_logs=logging.CRITICAL,
            )
        )
        return stack.enter_context(Client(cluster, set_as_default=False))
    try:
        return stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
    except (OSError, ValueError) as error:
        raise DataError(f"no Dask scheduler at {address}: {error}") from error
