"""What commands print: tables, documents, and lines that say what was found."""

from __future__ import annotations

import json
import sys
from typing import Any


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a table, one line each."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold", no_wrap=not sys.stdout.isatty())
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    # Into a pipe goes one line a row, however long.
    Console(width=None if sys.stdout.isatty() else 1000).print(table, markup=False)


def table_of_columns(rows: list[dict[str, Any]]) -> None:
    """Print few rows of many values turned around, so that they fit a terminal."""
    names = [str(row[next(iter(row))]) for row in rows]
    first = next(iter(rows[0]))
    table(
        [
            {first: key, **{name: row.get(key, "") for name, row in zip(names, rows, strict=True)}}
            for key in list(dict.fromkeys(key for row in rows for key in row))[1:]
        ]
    )


def spreads(folds: dict[str, Any]) -> None:
    """Print mean and spread, over a run's folds, of every figure that is one number."""
    known = {name: one for name, one in folds["stages"].items() if "mean" in one}
    rows: dict[str, dict[str, Any]] = {}
    for stage, found in known.items():
        for figure, mean in found["mean"].items():
            if isinstance(mean, float):
                row = rows.setdefault(figure, {"mean over folds": figure.replace("_", " ")})
                row[stage] = with_spread(mean, found["spread"][figure])
    table(list(rows.values()))


def json_document(document: Any) -> None:
    """Print one JSON document."""
    from hepnn.files import plain

    print(json.dumps(document, indent=2, default=plain))


def agreement(document: dict[str, Any], as_json: bool) -> None:
    """Print what artefacts promise and keep."""
    if as_json:
        json_document(document)
        return
    rows = []
    for stage, found in document["stages"].items():
        for name, figures in found["artefacts"].items():
            rows.append(
                {
                    "stage": stage,
                    "artefact": name,
                    "promise": figures["promise"],
                    "verdict": figures["verdict"],
                    "events": found["events"],
                    "mismatches": figures["mismatches"],
                    "max |diff|": f"{figures['max_abs_diff']:.3g}",
                    "flips": _percent(figures["decision_flips"]),
                    "eff. shift": _percent(figures["max_efficiency_shift"]),
                }
            )
    table(rows)
    print("holds" if document["holds"] else "does not hold")


def findings(document: dict[str, Any]) -> None:
    """Print what the doctor found, and what mends it."""
    inputs = document["inputs"]
    print(
        f"inputs: {inputs['outside']} of {inputs['events']} events of validation and test have a"
        f" quantity outside of the range of the {inputs['seen']} that types come from"
    )
    table([rounded(one) for one in inputs["features"] if one["below"] or one["above"]])
    for name, entry in document["exports"].items():
        if "findings" not in entry:
            first = entry.get("first_difference")
            said = "holds" if entry["holds"] else f"differs, first in layer {first!r}"
            print(f"{name}: {said}")
            continue
        rows = [
            {
                "layer": one["layer"],
                "cause": one["cause"],
                "adds": f"{one['added']:.1%}",
                "values": one["says"],
                "mend": ", ".join(f"{key}={value}" for key, value in one["mend"].items()),
            }
            for one in entry["findings"]
        ]
        print(f"{name}: {len(rows)} layers add more than they should")
        table(rows)
        table([_range(one) for one in entry["ranges"]])
        for title, state in (("as it is", entry["before"]), ("mended", entry["after"])):
            print(
                f"{title}: {_percent(state['decision_flips'])} of decisions flip, efficiency "
                f"shifts by {_percent(state['max_efficiency_shift'])}, {state['bits']} bits"
            )
        for key, value in entry["mend"].items():
            print(f"  {'changed' if document['fixed'] else 'change'} {key} to {value}")
    for text in document["broken"]:
        print(f"on the test events the promise is broken: {text}")


def _range(one: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ranges: what was seen, how far it can go, and what its type holds."""
    spans = {key: "{:.4g} to {:.4g}".format(*one[key]) for key in ("seen", "interval", "holds")}
    known = "" if one["propagated"] else " (as seen)"
    return {
        "layer": one["layer"],
        "kind": one["kind"],
        "seen": spans["seen"],
        "can reach": spans["interval"] + known,
        "type": one["type"],
        "holds": spans["holds"],
        "beyond": one["beyond"],
    }


def threshold(chosen: dict[str, Any], as_json: bool) -> None:
    """Print a trigger's threshold and what it gives."""
    if as_json:
        json_document({key: value for key, value in chosen.items() if key != "vectors"})
        return
    rows = [
        {"": chosen["score"], "value": f"{chosen['threshold']:.6g}"}
        | {"interval": _interval(chosen["threshold_interval"])}
    ]
    # Where truth knows no signal, what counts as background is every event.
    background = "accepted" if chosen["signal_efficiency"] is None else "background"
    for name, title in (("background", background), ("signal_efficiency", "signal efficiency")):
        if (found := chosen[name]) is not None:
            rows.append(
                {"": title, "value": f"{found['value']:.4g}"}
                | {"interval": _interval(found["interval"])}
            )
    table(rows)


def stream(document: dict[str, Any], as_json: bool) -> None:
    """Print the account of a stream, and what it was like."""
    if as_json:
        json_document(document)
        return
    account, latency = document["account"], document["latency_us"]
    quantiles = ", ".join(
        f"{name} {value:,.1f}"
        for name, value in latency.items()
        if name != "bins" and value is not None
    )
    found = {
        "latency, us": quantiles,
        "missed deadlines": document["missed_deadlines"],
        "throughput": f"{document['throughput_hz']:,.0f} Hz",
        "accepted": _rate(document["accepted_rate_hz"]),
        "dead time": _percent(document["dead_time"]),
        "queue": f"{document['queue_depth']['mean']:.1f} on average, "
        f"{document['queue_depth']['max']} at most",
        "workers replaced": document["workers_replaced"] or None,
    }
    for name in ("efficiency", "background"):
        shares = document[name] and document[name]["of_decided"]
        if shares:
            interval = _interval(shares["interval"])
            found[name] = f"{shares['value']:.4g} {interval}, {_rate(document[name]['rate_hz'])}"
    for name, item in document["items"].items():
        if len(document["items"]) > 1 and name != "shadow":
            found[f"item {name}"] = (
                f"{_rate(item['rate_hz'])}, {_rate(item['unique_rate_hz'])} alone"
            )
    if "shadow" in document:
        found["shadow"] = f"decides otherwise in {document['shadow']['disagreements']} events"
    if document["output"]:
        found["written"] = f"{document['output']['written']} to {document['output']['path']}"
    table([{"": key, " ": value} for key, value in found.items() if value is not None])
    for reason, count in account["reasons"].items():
        print(f"{count} {reason}")
    for fault in document["faults"]:
        print(f"alarm: {fault}")
    verdict = "balances" if account["balances"] else "does not balance"
    print(
        f"{account['in']} in = {account['accepted']} accepted + {account['rejected']} rejected + "
        f"{account['dropped']} dropped + {account['failed']} failed: {verdict}"
    )


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.4g}, {interval[1]:.4g}]"


def _rate(rate: dict[str, float]) -> str:
    return f"{rate['value']:,.1f} ± {rate['error']:.1f} Hz"


def signs(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the support matrix with a sign for each target."""
    from hepnn.architectures.support import VOCABULARIES, sign

    signs = {name: " ".join(map(sign, row.get(name, {}).values())) for name in VOCABULARIES}
    return {"name": row["name"], "variant": row["variant"], **signs}


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table with numbers of five digits."""
    return {key: f"{v:.5g}" if isinstance(v, float) else v for key, v in row.items()}


def read_line(summary: dict[str, Any]) -> str:
    """Say what was read, and what the card left out."""
    read, skipped = summary["read"], summary["files"]["skipped"]
    text = f"{summary['events']} events of {read.get('entries', 0)} entries"
    left = [f"{read[why]} by {why}" for why in ("selection", "no class") if read.get(why)]
    text += f"; left out: {', '.join(left)}" if left else ""
    return text + (f"; {len(skipped)} files skipped" if skipped else "")


def with_spread(value: float, spread: float | None) -> str:
    """Return a number with its spread, if there is one."""
    return f"{value:.5g}" + ("" if spread is None else f" ± {spread:.2g}")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.3%}"
