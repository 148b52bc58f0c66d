"""The picture of a stream: how long decisions took, and how many events waited."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots.style import BAD, COLOURS, STYLE, write

#: Bins of the latencies that are drawn, an octave.
_AN_OCTAVE = 4


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """Draw the latencies with their quantiles and the deadline, and the queue over time.

    Parameters
    ----------
    document
        Of a stream: `latency_us`, `deadline_us`, `queue_depth`.
    path
        The file to write.
    """
    latency, queue = document["latency_us"], document["queue_depth"]
    with rc_context(STYLE):
        figure = Figure((8.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        edges = np.asarray(latency["bins"]["lower_edges"], np.float64)
        counts = np.asarray(latency["bins"]["counts"])
        if len(edges):
            index = np.floor(_AN_OCTAVE * np.log2(edges)).astype(int)
            first = int(index.min())
            heights = np.bincount(index - first, counts)
            bins = 2.0 ** ((first + np.arange(len(heights) + 1)) / _AN_OCTAVE)
            left.stairs(heights, bins, color=COLOURS[0], fill=True, alpha=0.35)
            left.stairs(heights, bins, color=COLOURS[0])
            for number, name in enumerate(("p50", "p99", "p99.9")):
                left.axvline(latency[name], color=COLOURS[number + 1], lw=1.2, label=name)
        if document["deadline_us"]:
            left.axvline(document["deadline_us"], color=BAD, ls="--", label="deadline")
        left.set(xscale="log", yscale="log", xlabel="from arrival to decision, µs")
        left.set_ylabel("events")
        left.set_ylim(bottom=0.5)
        left.legend(loc="best", fontsize=9)
        right.plot(queue["seconds"], queue["samples"], color=COLOURS[0], lw=1.0)
        right.set(xlabel="time, s", ylabel="events that wait")
        right.set_ylim(0, 1.1 * max(queue["max"], 1))
        return write(figure, path, "Latencies of a stream, and its queue over time")
