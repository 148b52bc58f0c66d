"""Drift: histograms of what comes beside those of the training, and of scores and rates.

The distance of two histograms p and q is the population stability index, the sum of
(p - q) ln(p / q) over the bins (N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, where more
than 0.25 is a shift). Of samples of n and m events from one distribution it has, over
1/n + 1/m, a chi-squared distribution of one degree of freedom less than bins (B. Yurdakul,
"Statistical properties of population stability index", Western Michigan University 2018): an
alarm wants both, a distance above the limit and less than one chance in a million of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammainccinv

#: Above this a histogram has shifted.
LIMIT = 0.25

#: Chance of a distance that is called an accident.
CHANCE = 1e-6

#: Bins of equal content in the reference.
BINS = 10


class Histogram:
    """A reference, and what is counted in its bins.

    Parameters
    ----------
    reference
        Values `(events,)`, of which the bins' edges are quantiles.
    """

    def __init__(self, reference: np.ndarray) -> None:
        inner = np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1])
        self.edges = np.unique(inner.astype(reference.dtype))
        self._events, self._below = len(reference), self._beneath(reference)
        self.reference = self.counts
        self._events, self._below = 0, np.zeros_like(self._below)

    def add(self, values: np.ndarray) -> None:
        """Count values `(events,)`."""
        self._events += len(values)
        self._below += self._beneath(values)

    @property
    def counts(self) -> np.ndarray:
        """What is in the bins."""
        return np.diff(self._below, prepend=0, append=self._events)

    @property
    def distance(self) -> float:
        """The population stability index; half a count stands for an empty bin."""
        if not self.counts.sum():
            return 0.0
        p, q = (
            np.maximum(one, 0.5) / np.maximum(one, 0.5).sum()
            for one in (self.counts, self.reference)
        )
        return float(((p - q) * np.log(p / q)).sum())

    @property
    def by_chance(self) -> float:
        """The distance that is reached by chance once in a million times."""
        sizes = self.counts.sum(), self.reference.sum()
        if not all(sizes) or len(self.counts) < 2:
            return float("inf")
        quantile = 2 * gammainccinv((len(self.counts) - 1) / 2, CHANCE)
        return float(quantile * (1 / sizes[0] + 1 / sizes[1]))

    def drifted(self, limit: float = LIMIT) -> bool:
        """Say whether what came is another distribution than the reference."""
        return self.distance > max(limit, self.by_chance)

    def document(self, limit: float = LIMIT) -> dict[str, Any]:
        """Return the distance, the verdict, and the contents of the bins."""
        return {
            "distance": self.distance,
            "drifted": self.drifted(limit),
            "inner_edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
            "reference": self.reference.tolist(),
        }

    def _beneath(self, values: np.ndarray) -> np.ndarray:
        # An edge counts as above it, so that a value of many events is a bin's own. Numbers are
        # sorted faster than each is looked up among the edges.
        return np.sort(values).searchsorted(self.edges)


class Drift:
    """Histograms of every feature and score, and the share that is accepted.

    Parameters
    ----------
    x
        Training events `(events, *shape)`; the last axis are the features.
    features
        Their names.
    scores
        Scores `(events, items)` of validation events.
    items
        Names of the scores.
    expected
        Share of the validation events that the menu keeps, and how many they are.
    limit
        Distance above which a histogram has shifted.
    """

    def __init__(
        self,
        x: np.ndarray,
        features: tuple[str, ...],
        scores: np.ndarray,
        items: list[str],
        expected: tuple[float, int],
        limit: float = LIMIT,
    ) -> None:
        flat = x.reshape(-1, x.shape[-1])
        self.features = {name: Histogram(flat[:, n]) for n, name in enumerate(features)}
        self.scores = {name: Histogram(scores[:, n]) for n, name in enumerate(items)}
        self.limit = limit
        self._expected = expected
        self._decided = self._accepted = 0

    def add(self, x: np.ndarray, scores: np.ndarray, accepted: int) -> None:
        """Count decided events `(events, *shape)`, their scores and how many were accepted."""
        self._decided += len(x)
        self._accepted += accepted
        for histograms, values in ((self.features, x), (self.scores, scores)):
            columns = values.reshape(-1, values.shape[-1]).T
            for one, column in zip(histograms.values(), columns, strict=True):
                one.add(column)

    def document(self) -> dict[str, Any]:
        """Return every histogram, the rate, and the alarms in words."""
        expected, events = self._expected
        found = self._accepted / max(self._decided, 1)
        # Of two samples of one distribution, whose share both together tell best.
        share = (self._accepted + expected * events) / (self._decided + events)
        spread = share * (1 - share) * (1 / max(self._decided, 1) + 1 / events)
        pull = (found - expected) / np.sqrt(spread) if spread > 0 else 0.0
        alarms = [
            f"{kind} {name} has drifted: distance {one.distance:.3g}"
            for kind, of_kind in (("feature", self.features), ("score", self.scores))
            for name, one in of_kind.items()
            if one.drifted(self.limit)
        ]
        if abs(pull) > 5 and self._decided and abs(found - expected) > 0.1 * expected:
            alarms.append(f"{found:.3%} of events are accepted, {expected:.3%} were expected")
        return {
            "limit": self.limit,
            "features": {name: one.document(self.limit) for name, one in self.features.items()},
            "scores": {name: one.document(self.limit) for name, one in self.scores.items()},
            "accepted_share": {"found": found, "expected": expected, "pull": float(pull)},
            "alarms": alarms,
        }
