"""How fast events become inputs: features, ROOT files, generated jets, training from disk.

Both sides of a ratio run in turn, after a pass that compiles and warms up; a figure `a_over_b`
is how many times as fast a is as b, by the medians. Sections may be run alone.

    python benchmarks/data_speed.py --json
    python benchmarks/data_speed.py --only features --only root
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from hepnn import console

JETS = 400
JETS_PER_CLASS = 600
ROOT_EVENTS = 200_000
BASKET = 25_000
MUONS = 8
REPEATS = 5


def in_turn(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median of seconds of each side."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(1 + repeats):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: float(np.median(times)) for name, times in seconds.items()}


# Features of jets


def top_jets(jets: int):
    """Generate top jets: their constituents, awkward records jets x particles."""
    import awkward as ak

    from hepnn import declarations
    from hepnn.data.generate.jets.chunk import selected
    from hepnn.data.generate.jets.columns import CLASSES
    from hepnn.data.physics.events import Generator

    folder = declarations.root("datasets") / "jets"
    parts, found = [], 0
    generator = Generator([folder / "common.cmnd", folder / "top.cmnd"], seed=1)
    for batch in generator.batches(100):
        parts.append(selected(batch, CLASSES.index("top"))[1])
        found += len(parts[-1])
        if found >= jets:
            break
    inside = ak.concatenate(parts)[:jets]
    columns = {name: inside[name] for name in ("px", "py", "pz", "E")}
    return ak.zip(columns, with_name="Momentum4D")


def fastjet_groomed(inside):
    """Groom jets with fastjet."""
    import awkward as ak
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    left = fastjet.ClusterSequence(inside, definition).exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=0.1, R0=0.8
    )
    return ak.with_name(left.constituents, "Momentum4D")


def fastjet_correlators(groomed) -> dict[str, np.ndarray]:
    """Compute the thirteen features with fastjet, in as few calls as give them all."""
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    sequence = fastjet.ClusterSequence(groomed, definition)

    def series(letter: str, npoint: int, beta: int) -> np.ndarray:
        return np.asarray(
            sequence.exclusive_jets_energy_correlator(
                njets=1, npoint=npoint, beta=beta, func=f"{letter}series"
            )
        )

    found = {"c1_b0_mmdt": series("c", 1, 0)}
    for b in (1, 2):
        found[f"c1_b{b}_mmdt"] = series("c", 1, b)
        for letter in "cmn":
            found[f"{letter}2_b{b}_mmdt"] = series(letter, 2, b)
        found[f"d2_b{b}_mmdt"] = found[f"c2_b{b}_mmdt"] / found[f"c1_b{b}_mmdt"]
    e3 = found["c2_b1_mmdt"] * found["c1_b1_mmdt"] ** 2
    found["d2_a1_b1_mmdt"] = found["d2_b1_mmdt"]
    found["d2_a1_b2_mmdt"] = e3 / found["c1_b2_mmdt"] ** 1.5
    return found


def features(arguments: argparse.Namespace) -> dict[str, float]:
    """Time the sixteen features of top jets on one core beside fastjet's correlators."""
    import awkward as ak

    from hepnn.data.physics.features import groomed_features, sixteen
    from hepnn.data.physics.grooming import groom
    from hepnn.data.physics.recombination import Momenta

    inside = top_jets(arguments.jets)
    groomed = fastjet_groomed(inside)
    flat = (np.asarray(ak.flatten(inside[name])) for name in ("px", "py", "pz", "E"))
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(inside)))])
    jets = Momenta(*flat, offsets)
    left = groom(jets)
    own, theirs = sixteen(jets), fastjet_correlators(groomed)
    apart = 0.0
    for name, values in theirs.items():
        some = np.isfinite(values) & (values > 0)
        apart = max(apart, float(np.abs(own[name][some] / values[some] - 1).max()))
    seconds = in_turn(
        {
            "correlators": lambda: groomed_features(
                left.pt, left.rapidity, left.azimuth, left.offsets
            ),
            "fastjet_correlators": lambda: fastjet_correlators(groomed),
            "sixteen": lambda: sixteen(jets),
            "fastjet": lambda: fastjet_correlators(fastjet_groomed(inside)),
        },
        arguments.repeats,
    )
    return {
        "features_over_fastjet": seconds["fastjet_correlators"] / seconds["correlators"],
        "features_groomed_over_fastjet": seconds["fastjet"] / seconds["sixteen"],
        "features_groomed_over_fastjet_correlators": seconds["fastjet_correlators"]
        / seconds["sixteen"],
        "features_jets_per_second": len(inside) / seconds["sixteen"],
        "features_per_second": len(own) * len(inside) / seconds["sixteen"],
        "features_largest_difference": apart,
        "features_constituents": float(len(jets.px) / len(inside)),
    }


# ROOT files


def write_muons(path: Path, events: int) -> None:
    """Write jagged muons, a flat missing energy and a label."""
    import awkward as ak
    import uproot

    rng = np.random.default_rng(1)
    counts = rng.poisson(3, events)
    columns = {
        name: ak.unflatten(values.astype(np.float32), counts)
        for name, values in {
            "pt": rng.exponential(30, counts.sum()),
            "eta": rng.normal(0, 1.2, counts.sum()),
            "phi": rng.uniform(-np.pi, np.pi, counts.sum()),
        }.items()
    }
    arrays = {
        "Muon": ak.zip(columns),
        "met": rng.exponential(40, events).astype(np.float32),
        "label": rng.integers(0, 2, events).astype(np.int32),
    }
    types = {name: ak.type(ak.Array(array)).content for name, array in arrays.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", types)
        for first in range(0, events, BASKET):
            tree.extend({name: array[first : first + BASKET] for name, array in arrays.items()})


def write_muons_card(folder: Path) -> Path:
    """Write the card of the muons."""
    quantities = [{"name": name, "expression": f"Muon_{name}"} for name in ("pt", "eta", "phi")]
    card = {
        "name": "muons",
        "title": "Muons",
        "source": {"format": "root", "files": ["muons.root"], "tree": "Events"},
        "inputs": {
            "muons": {
                "kind": "sequence",
                "length": MUONS,
                "features": quantities,
                "mask": False,
            }
        },
        "labels": {"column": "label", "classes": ["background", "signal"]},
        "observers": [{"name": "met", "unit": "GeV"}],
        "licence": "CC0-1.0",
    }
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    return path


def by_uproot(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read and pad the muons with uproot and awkward alone."""
    import awkward as ak
    import uproot

    names = [f"Muon_{name}" for name in ("pt", "eta", "phi")]
    with uproot.open(path) as file:
        arrays = file["Events"].arrays([*names, "met", "label"])
    padded = [
        ak.to_numpy(ak.fill_none(ak.pad_none(arrays[name], MUONS, clip=True), np.float32(0)))
        for name in names
    ]
    x = np.stack(padded, axis=2).astype(np.float32)
    return x, ak.to_numpy(arrays["met"]), ak.to_numpy(arrays["label"])


def root(arguments: argparse.Namespace) -> dict[str, float]:
    """Time a ROOT file's way to arrays through a data card beside uproot and awkward."""
    from hepnn.data import dataset, reading

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "muons.root"
        write_muons(path, arguments.events)
        card = write_muons_card(Path(folder))

        def by_card():
            return reading.read(dataset.open_dataset(card))

        events, (x, met, label) = by_card(), by_uproot(path)
        same = (
            np.array_equal(events.x, x)
            and np.array_equal(events.observers[:, 0], met)
            and np.array_equal(events.y, label)
        )
        if not same:
            raise SystemExit("the card's arrays are not those of uproot")
        seconds = in_turn({"hepnn": by_card, "uproot": lambda: by_uproot(path)}, arguments.repeats)
    return {
        "root_over_uproot": seconds["uproot"] / seconds["hepnn"],
        "root_events_per_second": arguments.events / seconds["hepnn"],
        "root_uproot_events_per_second": arguments.events / seconds["uproot"],
    }


# Generated jets


def make_jets(per_class: int, processes: int) -> None:
    """Generate jets by the command, into a folder that is thrown away."""
    command = Path(sys.executable).with_name("hepnn")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(str(command), "data", "make", "jets", "--seed", "1"),
                *("--set", f"per_class={per_class}", "--processes", str(processes)),
                *("--out", str(Path(folder) / "jets")),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def generator(arguments: argparse.Namespace) -> dict[str, float]:
    """Time the generation of jets in two processes beside one, starting included."""
    make_jets(1, 1)  # compiles
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.generator_repeats):
        for processes, times in seconds.items():
            began = time.perf_counter()
            make_jets(arguments.per_class, processes)
            times.append(time.perf_counter() - began)
    one, two = (float(np.median(times)) for times in seconds.values())
    return {
        "generator_two_over_one": one / two,
        "generator_events_per_second": 5 * arguments.per_class / one,
        "generator_cores": float(len(os.sched_getaffinity(0))),
    }


# Training from disk


def write_large(folder: Path, files: int) -> int:
    """Write Parquet files of 2.5 million events of 16 numbers in five classes; return the events.

    One file has 162.5 MB of float32 inputs and labels.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    shift = rng.normal(size=(5, 16)).astype(np.float32)
    names = [f"x{number}" for number in range(16)]
    fields = [*((name, pa.float32()) for name in names), ("label", pa.int8())]
    for number in range(files):
        path = folder / f"part-{number:04d}.parquet"
        plain = {"compression": "none", "use_dictionary": False}
        with pq.ParquetWriter(path, pa.schema(fields), **plain) as writer:
            for _ in range(10):
                y = rng.integers(0, 5, 250_000)
                x = rng.standard_normal((250_000, 16), dtype=np.float32) + shift[y]
                columns = dict(zip(names, x.T, strict=True))
                writer.write_table(pa.table({**columns, "label": y.astype(np.int8)}))
    card = {
        "name": "large",
        "title": "Sixteen numbers, five classes",
        "source": {"format": "parquet", "files": ["part-*.parquet"]},
        "inputs": {"features": {"features": [{"name": name} for name in names]}},
        "labels": {"column": "label", "classes": list("abcde")},
        "splits": {"train": 0.98, "validation": 0.01, "test": 0.01},
        "licence": "CC0-1.0",
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(card))
    return files * 2_500_000


def trained(folder: Path, dataset: Path, epochs: int) -> dict[str, float]:
    """Train the jet tagger's network by command; return events/s of the fit, and peak memory."""
    recipe = {
        "name": dataset.name,
        "dataset": str(dataset),
        "architecture": {"name": "mlp", "hidden": [64, 32, 32]},
        "fit": {"epochs": epochs, "batch": 1024, "keep": "last"},
    }
    path = folder / f"{dataset.name}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "hepnn.cli", "train", str(path)]
    subprocess.run(
        [*command, "--runs", str(folder), "--name", f"run-{dataset.name}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    manifest = json.loads((folder / f"run-{dataset.name}" / "manifest.json").read_text())
    stage = manifest["stages"]["float"]
    return {
        "events_per_second": manifest["data"]["events"]["train"] * epochs / stage["seconds"],
        "peak_memory": float(manifest["peak_memory_bytes"]),
        "streamed": float(manifest["data"]["streamed"]),
        "preparing_seconds": manifest["wall_seconds"] - stage["seconds"],
    }


def streaming(arguments: argparse.Namespace) -> dict[str, float]:
    """Train on a set larger than memory may be, beside a small one of as many events in all."""
    files = max(round(arguments.gigabytes * 1e9 / 162.5e6), 8)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as temporary:
        folder = Path(temporary)
        large = write_large(folder / "large", files)
        small = write_large(folder / "small", 1)
        disk = trained(folder, folder / "large", 1)
        memory = trained(folder, folder / "small", large // small)
    assert disk["streamed"] and not memory["streamed"]
    return {
        "streaming_over_memory": disk["events_per_second"] / memory["events_per_second"],
        "streaming_events_per_second": disk["events_per_second"],
        "streaming_peak_memory_bytes": disk["peak_memory"],
        "streaming_preparing_seconds": disk["preparing_seconds"],
        "streaming_gigabytes": files * 0.1625,
    }


SECTIONS = {"features": features, "root": root, "generator": generator, "streaming": streaming}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="repeatable")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--jets", type=int, default=JETS, help="features: top jets")
    parser.add_argument("--events", type=int, default=ROOT_EVENTS, help="root: events")
    parser.add_argument("--per-class", type=int, default=JETS_PER_CLASS, help="generator: jets")
    parser.add_argument("--generator-repeats", type=int, default=1)
    parser.add_argument("--gigabytes", type=float, default=8.0, help="streaming: size of the set")
    parser.add_argument("--scratch", help="streaming: folder with room for twice the set")
    arguments = parser.parse_args()
    # What the C++ of the generators prints goes to standard error.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    figures: dict[str, float] = {}
    for name in arguments.only or SECTIONS:
        found = SECTIONS[name](arguments)
        figures.update(found)
        console.say(f"{name}: {found}")
    if arguments.json:
        print(json.dumps({"figures": figures}), file=results)
        return
    for name, value in figures.items():
        print(f"{name:42} {value:.6g}", file=results)


if __name__ == "__main__":
    main()
