"""Generate the jets dataset: ``hepnn data make jets --per-class 20000 --seed 1 --out DIR``.

Gluons, light quarks, W and Z bosons and top quarks from proton collisions at 13 TeV; anti-kt
jets of radius 0.8 with 800 < pT < 1600 GeV and |eta| < 2.2; sixteen features a jet and, for a
part of them, the 32 leading constituents.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hepnn import declarations, files
from hepnn.data.generate.jets.columns import CLASSES
from hepnn.data.generate.jets.declaration import write_declaration
from hepnn.data.generate.jets.shards import Chunk, Plan, generate, merge, open_folder, remove, shard
from hepnn.errors import DataError, missing_extra

PACKAGES = ("pythia8mc", "fastjet", "numba", "awkward", "vector")
RECORDED = ("pythia8mc", "fastjet", "numba", "awkward", "vector", "numpy", "pyarrow")
CARDS = ("common.cmnd", *(f"{name}.cmnd" for name in CLASSES))
SHARDS = "shards"


class Rate(ProgressColumn):
    """Jets a second since the start."""

    def render(self, task: Task) -> Text:
        """Show the rate once there is one."""
        done = task.completed - task.fields.get("before", 0)
        return Text(f"{done / task.elapsed:.0f} jets/s" if task.elapsed and done else "")


def make(
    per_class: int,
    seed: int,
    out: Path,
    processes: int | None = None,
    constituents: int | None = None,
) -> Path:
    """Generate jets into a dataset folder, or go on where a killed call stopped.

    Parameters
    ----------
    per_class : int
        Jets of each of the five classes.
    seed : int
        Not negative. The same seed gives the same jets with any number of processes.
    out : Path
        Folder; afterwards holds sample.parquet, constituents.parquet, dataset.yaml and the
        Pythia cards. Cards that are already there are used.
    processes : int, optional
        As many as there are cores by default.
    constituents : int, optional
        Of how many jets a class the constituents are kept; a fifth by default.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    MissingDependency
        When the extra ``hep`` is not installed.
    DataError
        When a number makes no sense, or the folder holds an unfinished job of other settings.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise missing_extra(package, "hep", "generating jets")
    constituents = per_class // 5 if constituents is None else constituents
    processes = usable_cores() if processes is None else processes
    if per_class < 1 or processes < 1 or seed < 0:
        raise DataError("jets: per_class and processes must be at least 1, seed at least 0")
    if not 0 <= constituents <= per_class:
        raise DataError(f"jets: constituents must be 0 to per_class ({per_class}), not more")

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    cards = place_cards(out)
    plan = Plan(
        per_class=per_class,
        constituents=constituents,
        seed=seed,
        versions={name: version(name) for name in RECORDED},
        cards={card.name: files.sha256(card) for card in cards},
    )
    folder = out / SHARDS
    open_folder(folder, plan)
    generate_all(folder, out, plan, processes)
    merge(folder, plan, out)
    write_declaration(plan, out)
    remove(folder)
    return out


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def place_cards(out: Path) -> list[Path]:
    """Copy the Pythia cards beside the data, unless they are there."""
    cards = []
    for name in CARDS:
        if not (out / name).exists():
            source = declarations.root("datasets") / "jets" / name
            if not source.exists():
                raise DataError(f"no Pythia card {name}, neither in {out} nor in {source.parent}")
            shutil.copyfile(source, out / name)
        cards.append(out / name)
    return cards


def generate_all(folder: Path, out: Path, plan: Plan, processes: int) -> None:
    """Generate every chunk that has no shard yet, showing progress on standard error."""
    chunks = plan.chunks()
    missing = [chunk for chunk in chunks if not shard(folder, chunk).exists()]
    total = sum(chunk.jets for chunk in chunks)
    before = total - sum(chunk.jets for chunk in missing)
    columns = (TextColumn("jets"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(
            max_workers=max(1, min(processes, len(missing))),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=start_worker,
        ) as pool,
    ):
        bar = progress.add_task("jets", total=total, completed=before, before=before)
        futures = [pool.submit(work, folder, out, plan.seed, chunk) for chunk in missing]
        try:
            for future in as_completed(futures):
                progress.advance(bar, future.result().jets)
        except BrokenProcessPool as error:
            raise DataError(
                f"{folder}: a generating process died; the same command goes on from there"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def work(folder: Path, out: Path, seed: int, chunk: Chunk) -> Chunk:
    """Generate a chunk from the cards in the dataset's folder."""
    cards = [out / CARDS[0], out / CARDS[1 + chunk.label]]
    return generate(folder, cards, seed, chunk)


def start_worker() -> None:
    """Prepare a generating process.

    What the generators' C++ prints goes to standard error, since standard output is for
    results; and the process ends when the one that started it is killed.
    """
    os.dup2(2, 1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the parent process to end, then end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
