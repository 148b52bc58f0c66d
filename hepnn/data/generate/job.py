"""Generate a dataset: ``hepnn data make KIND --out DIR --seed 1 --set key=value``.

The work is cut into chunks, each with a seed of its own, whose shards lie in the folder
`unfinished` until all are there. A job that was killed goes on from them, and the same seed
gives the same files whatever did the work and however often it was interrupted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hepnn import console, declarations, files
from hepnn.data import generate
from hepnn.data.generate import cluster, declaration, gather, pool, settings
from hepnn.data.generate.chunk import Chunk
from hepnn.data.generate.kind import Kind
from hepnn.data.generate.plan import Plan, open_folder, remove
from hepnn.data.generate.work import Work, shard
from hepnn.errors import DataError, missing_extra

UNFINISHED = "unfinished"


def make(
    name: str,
    out: Path,
    seed: int = 1,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    processes: int | None = None,
    dask: str | None = None,
) -> Path:
    """Generate a dataset into a folder, or go on where a killed call stopped.

    Parameters
    ----------
    name : str
        The generator.
    out : Path
        Folder; afterwards holds the events, dataset.yaml and the files that the kind read. Of
        the latter, those that are there already are used.
    seed : int
        Not negative. The same seed gives the same events with any number of processes.
    overrides : mapping
        Settings of the kind that are not to be the defaults.
    processes : int, optional
        On this machine; as many as there are cores by default.
    dask : str, optional
        Address of a Dask scheduler, or `local`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    MissingDependency
        If an extra that is needed is not installed.
    RecipeError
        If there is no such generator or setting.
    DataError
        If a number makes no sense, the folder holds an unfinished job of other settings, or a
        process died.
    """
    kind = generate.get(name)
    chosen = settings.read(kind, overrides)
    for package in kind.PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise missing_extra(package, "hep", f"generating {name}")
    processes = pool.usable_cores() if processes is None else processes
    if processes < 1 or seed < 0:
        raise DataError(f"{name}: processes must be at least 1, the seed at least 0")
    authored = kind.cards(chosen)
    chunks = kind.chunks(chosen)
    if not chunks:
        raise DataError(f"{name}: these settings ask for no events")
    for key in authored:
        declaration.document(dataset_name(name, key), authored[key], [], {}, {})

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with files.alone(out):
        cards = place_cards(kind, name, out)
        plan = Plan(
            kind=name,
            settings=chosen.model_dump(mode="json"),
            seed=seed,
            versions={package: version(package) for package in kind.VERSIONS},
            cards={card.name: files.sha256(card) for card in cards},
            chunks={chunk.name: chunk.events for chunk in chunks},
        )
        folder = out / UNFINISHED
        open_folder(folder, plan)
        work = Work(generate.GENERATORS[name], plan.settings, seed, ordered(authored))
        generate_missing(work, plan, chunks, out, processes, dask)
        command = settings.command(name, chosen, seed)
        finished = {key: finish(plan, command, key, authored[key], chunks, out) for key in authored}
        for key, gathered in finished.items():
            gather.place(gathered, out / key)
        remove(folder)
    return out


def ordered(keys: Iterable[str]) -> tuple[str, ...]:
    """Put the main dataset, `""`, last: its shard says that a chunk is done."""
    return tuple(sorted(keys, reverse=True))


def place_cards(kind: Kind, name: str, out: Path) -> list[Path]:
    """Copy the files that a kind reads beside the data, unless they are there."""
    source = declarations.root("datasets") / getattr(kind, "CARDS_FROM", name)
    for card in kind.CARDS:
        if not (out / card).exists():
            if not (source / card).exists():
                raise DataError(f"no file {card} for {name}, neither in {out} nor in {source}")
            shutil.copyfile(source / card, out / card)
    return [out / card for card in kind.CARDS]


def generate_missing(
    work: Work, plan: Plan, chunks: Sequence[Chunk], out: Path, processes: int, dask: str | None
) -> None:
    """Generate every chunk that has no shard yet, and show the progress."""
    folder = out / UNFINISHED
    missing = [chunk for chunk in chunks if not shard(folder, "", chunk).exists()]
    if not missing:
        return
    missing.sort(key=lambda chunk: -chunk.events)  # small ones fill up the end
    if dask is None:
        done = pool.run(work, missing, out, folder, processes)
    else:
        contents = {name: (out / name).read_bytes() for name in plan.cards}
        done = cluster.run(work, missing, contents, plan.versions, folder, dask, processes)
    total = sum(chunk.events for chunk in chunks)
    before = total - sum(chunk.events for chunk in missing)
    try:
        began = time.perf_counter()
        with contextlib.closing(done), console.bar(plan.kind, total, before) as advance:
            for chunk in done:
                advance(chunk.events)
        rate = (total - before) / (time.perf_counter() - began)
        console.say(f"{plan.kind}: {total - before} events, {rate:,.0f}/s")
    except KeyboardInterrupt:
        console.say(f"{out}: broken off; the same command goes on from there")
        raise


def finish(
    plan: Plan,
    command: str,
    key: str,
    authored: dict[str, Any],
    chunks: Sequence[Chunk],
    out: Path,
) -> gather.Gathered:
    """Make a dataset from its shards: the file, unless they stay shards, and the card."""
    folder = out / key
    folder.mkdir(exist_ok=True)
    shards = [shard(out / UNFINISHED, key, chunk) for chunk in chunks]
    gathered = gather.gather(shards, folder, plan.seed)
    checksums = {name: files.sha256(path) for name, path in gathered.files.items()}
    if not key:
        checksums |= plan.cards
    made_by = {
        "command": command,
        "seed": plan.seed,
        "settings": plan.settings,
        "versions": plan.versions,
    }
    name = dataset_name(plan.kind, key)
    content = declaration.document(name, authored, gathered.sources, made_by, checksums)
    declaration.write(folder, content)
    return gathered


def dataset_name(kind: str, key: str) -> str:
    """Return the name of a kind's dataset: that of the kind, or with its sub-folder's."""
    return f"{kind}/{key}" if key else kind
