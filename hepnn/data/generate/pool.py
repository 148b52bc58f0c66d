"""Chunks on this machine: a pool of fresh processes, each of which imports the kind once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path

from hepnn.data.generate.chunk import Chunk
from hepnn.data.generate.work import Work, write_shards
from hepnn.errors import DataError

#: Seconds between looks for Ctrl-C: one that comes as the wait begins does not end it.
LOOK = 1.0


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    work: Work, chunks: Sequence[Chunk], cards: Path, folder: Path, processes: int
) -> Generator[Chunk, None, None]:
    """Generate chunks into a working folder; yield each one as its shards are there.

    However this ends, by an error, by Ctrl-C or by a kill, no process stays behind.

    Parameters
    ----------
    work : Work
        The job.
    chunks : sequence of Chunk
        Those to be made.
    cards : Path
        Folder of the files that the kind reads.
    folder : Path
        The working folder.
    processes : int
        At most so many.

    Raises
    ------
    DataError
        If a process dies, as one does that is killed for its memory.
    """
    context = multiprocessing.get_context("spawn")
    told, line = context.Pipe(duplex=False)
    with line, told:
        pool = ProcessPoolExecutor(
            max_workers=max(1, min(processes, len(chunks))),
            mp_context=context,
            initializer=start_worker,
            initargs=(told,),
        )
        try:
            unfinished = {pool.submit(write_shards, work, one, cards, folder) for one in chunks}
            while unfinished:
                done, unfinished = wait(unfinished, timeout=LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise DataError(
                f"{folder}: a generating process died; the same command goes on from there"
            ) from error
        except BaseException:
            line.close()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_worker(told: Connection) -> None:
    """Prepare a generating process.

    What the generators' C++ prints goes to standard error, since standard output is for
    results. The process ends at Ctrl-C without a word, and when the line to the one that
    started it is cut, be that because it gave up or because it was killed.
    """
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=end_with, args=(told,), daemon=True).start()


def end_with(told: Connection) -> None:
    """Wait for the line to be cut, then end this process."""
    told.poll(None)
    os._exit(1)
