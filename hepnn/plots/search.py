"""The pictures of a search: what its trials reached one after the other, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from hepnn.plots.style import BAD, COLOURS, INK, STYLE, colour_of, literal, write


def history(document: Mapping[str, Any], path: Path) -> Path:
    """Draw what each trial reached in the first objective, and the best so far.

    Parameters
    ----------
    document
        Of `hepnn.search.results.document`.
    path
        The file to write.
    """
    objective = document["objectives"][0]
    name, less = objective["name"], objective["less_is_better"]
    trials = document["trials"]
    done = [row for row in trials if row["state"] == "complete"]
    x = np.array([row["trial"] for row in done])
    y = np.array([row["values"][name] for row in done])
    spread = np.array([row["spreads"][name] or 0.0 for row in done])
    best = np.minimum.accumulate(y) if less else np.maximum.accumulate(y)
    with rc_context(STYLE):
        figure = Figure((6.0, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.errorbar(x, y, yerr=spread, fmt="o", ms=5, color=INK, alpha=0.55, label="trial")
        axes.step(
            [*x, len(trials)],
            [*best, best[-1]],
            where="post",
            color=COLOURS[0],
            label="best so far",
        )
        for state, colour, mark in (("stopped", COLOURS[1], "v"), ("failed", BAD, "x")):
            numbers = [row["trial"] for row in trials if row["state"] == state]
            if numbers:
                axes.plot(
                    numbers,
                    np.full(len(numbers), 0.03),
                    mark,
                    color=colour,
                    label=state,
                    transform=axes.get_xaxis_transform(),
                )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(0.4, len(trials) + 0.6)
        axes.set_xlabel("trial")
        axes.set_ylabel(literal(f"{name}, {document['on']} events"))
        axes.legend(loc="best", fontsize=9)
        return write(figure, path, f"{name} of a search's trials, and the best so far")


def importance(shares: Mapping[str, Mapping[str, float]], path: Path) -> Path:
    """Draw the share of each key in the variance of each objective.

    Parameters
    ----------
    shares
        By objective and key; those of an objective add up to one.
    path
        The file to write.
    """
    keys = sorted(next(iter(shares.values())), key=lambda key: max(s[key] for s in shares.values()))
    height = 0.8 / len(shares)
    with rc_context(STYLE):
        figure = Figure((6.4, 1.3 + 0.45 * len(keys)), layout="constrained")
        axes = figure.subplots()
        for number, (name, found) in enumerate(shares.items()):
            places = np.arange(len(keys)) + (len(shares) - 1 - 2 * number) * height / 2
            axes.barh(
                places,
                [found[key] for key in keys],
                height,
                color=colour_of(number),
                label=literal(name),
            )
        axes.set_yticks(np.arange(len(keys)), [literal(key) for key in keys])
        axes.tick_params(axis="y", which="both", length=0)
        axes.minorticks_off()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the variance over the space")
        axes.legend(loc="lower right", fontsize=9)
        return write(figure, path, "What mattered in a search, by objective")
