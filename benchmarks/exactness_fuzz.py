"""Equal bits, proven wide: random networks to every target, compared with Keras.

Networks are drawn from the vocabulary's words (`tests/fuzz/words.py`) with random sizes, widths,
signs and modes of lanes and weights, and shipped to TFLite, hls4ml and RTL. Each is asked the
same events: those it was calibrated on, others in range, at the ends of ranges and of the input
lane, at ties, and far beyond. What is counted are pairs of network and form: `tflite`, `hls4ml`
(the compiled emulation), `rtl-interpreter` (the integer program), `rtl` (the Verilog, simulated by
Verilator) and `rtl-vhdl` (the VHDL, simulated by GHDL where it is on the path). A form is refused
when its target says so before or while writing, with a reason; crashed when anything else stops
it; silently wrong when it was written and one event differs. Events that a form refuses one by
one (where several lanes take the input, from 2^23 steps on) are left out, and counted in the
journal.

    python benchmarks/exactness_fuzz.py --networks 200 --seed 1 --journal fuzz.jsonl --json
    python benchmarks/exactness_fuzz.py --seed 1 --only 17

A journal keeps every network as one line of JSON; started again with it, the script goes on
with what is missing. `--only` tries networks again, and `--forms` some forms alone: of every form
the last line counts. The exit code is 1 when anything is silently wrong or crashed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hepnn import console

TESTS = Path(__file__).parents[1] / "tests"

#: Networks after which a process is replaced, so that what libraries keep of each does not add up.
_EACH = 40


def tried(seed: int, number: int, forms: tuple[str, ...]) -> dict[str, Any]:
    """Draw a network, ship it and compare it; return what the journal keeps of it."""
    sys.path.insert(0, str(TESTS))
    console.import_tensorflow()
    from fuzz import compare, draw

    start = time.perf_counter()
    drawn = draw.network(seed, number)
    seconds = {"draw": round(time.perf_counter() - start, 2)}
    with tempfile.TemporaryDirectory() as folder:
        found = compare.network(drawn, Path(folder), forms, seconds)
    return {
        "seed": seed,
        "number": number,
        "vocabulary": drawn.vocabulary,
        "words": drawn.words,
        "answers": drawn.answers,
        "events": len(drawn.x),
        "forms": found,
        "seconds": seconds,
    }


def run(
    seed: int, numbers: list[int], forms: tuple[str, ...], processes: int
) -> Iterator[dict[str, Any]]:
    """Try networks in processes of their own; one that ends its process is counted crashed."""
    waiting = list(numbers)
    while waiting:
        chunk, waiting = waiting[: _EACH * processes], waiting[_EACH * processes :]
        left = set(chunk)
        try:
            for entry in _in_pool(seed, chunk, forms, processes):
                left.discard(entry["number"])
                yield entry
        except BrokenProcessPool:
            for number in sorted(left):
                yield from _alone(seed, number, forms)


def _alone(seed: int, number: int, forms: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        yield from _in_pool(seed, [number], forms, 1)
    except BrokenProcessPool:
        verdict = {"verdict": "crashed", "reason": "the process ended"}
        yield {"seed": seed, "number": number, "words": [], "forms": dict.fromkeys(forms, verdict)}


def _in_pool(
    seed: int, numbers: list[int], forms: tuple[str, ...], processes: int
) -> Iterator[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        jobs: list[Future[dict[str, Any]]] = [
            pool.submit(tried, seed, number, forms) for number in numbers
        ]
        for job in jobs:
            yield job.result()


def journal(path: Path | None, seed: int) -> dict[int, dict[str, Any]]:
    """Return what a journal knows of a seed, by number; of a form's lines the last counts."""
    known: dict[int, dict[str, Any]] = {}
    if path is None or not path.exists():
        return known
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # cut short when the script was stopped
            continue
        if entry["seed"] == seed:
            merge(known, entry)
    return known


def merge(known: dict[int, dict[str, Any]], entry: dict[str, Any]) -> None:
    """Put a network's line to what is known of others and of it."""
    before = known.get(entry["number"], {"forms": {}})
    known[entry["number"]] = {**entry, "forms": {**before["forms"], **entry["forms"]}}


def summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures, the reasons of refusals with how often, and every fault."""
    from fuzz import compare

    refusals: Counter[tuple[str, str]] = Counter()
    faults, skipped = [], Counter()
    for entry in entries:
        for name, form in entry["forms"].items():
            if form["verdict"] == compare.REFUSED:
                refusals[name, form["reason"]] += 1
            elif form["verdict"] == compare.NOT_SIMULATED:
                skipped[name, form["reason"]] += 1
            elif form["verdict"] != compare.EXACT:
                told = {key: entry[key] for key in ("seed", "number", "words")}
                faults.append({**told, "form": name, **form})

    def counted(of: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
        return [{"form": f, "reason": r, "networks": n} for (f, r), n in of.most_common()]

    return {
        "figures": compare.figures(entries),
        "networks": len(entries),
        "refusals": counted(refusals),
        "not_simulated": counted(skipped),
        "faults": faults,
    }


def _told(entry: dict[str, Any]) -> str:
    verdicts = Counter(form["verdict"] for form in entry["forms"].values())
    said = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    return f"network {entry['number']} ({' '.join(entry['words'])}): {said}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=20, help="how many, from number 0 on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of networks to try again")
    parser.add_argument("--forms", nargs="+", help="these alone; all when not given")
    parser.add_argument("--journal", type=Path, help="JSON lines, one a network")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    sys.path.insert(0, str(TESTS))
    from fuzz import compare

    forms = tuple(arguments.forms or (form for known in compare.FORMS.values() for form in known))
    known = journal(arguments.journal, arguments.seed)
    numbers = arguments.only or [
        n for n in range(arguments.networks) if n not in known or {*forms} - {*known[n]["forms"]}
    ]
    for entry in run(arguments.seed, numbers, forms, arguments.processes):
        merge(known, entry)
        console.say(_told(entry))
        if arguments.journal:
            with arguments.journal.open("a") as stream:
                stream.write(json.dumps(entry) + "\n")
    counted = arguments.only or range(arguments.networks)
    result = summary([entry for n, entry in sorted(known.items()) if n in counted])
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result["figures"].items():
            print(f"{name:16} {value}")
        for fault in result["faults"]:
            print(f"network {fault['number']}, {fault['form']}: {fault['reason']}")
    figures = result["figures"]
    return 1 if figures["silently_wrong"] or figures["crashed"] else 0


if __name__ == "__main__":
    sys.exit(main())
