"""How far samples are from one another.

Wasserstein distance
    the area between two cumulative distributions: how far, on average, probability has to be
    moved (in the quantity's unit).
Sliced distance
    its mean over random directions, J. Rabin et al., SSVM 2011 (doi:10.1007/978-3-642-24785-9_37):
    of several quantities together, with what they have to do with one another.
Coverage
    the fraction of real events that have a made one among their k nearest, M. F. Naeem et al.,
    "Reliable fidelity and diversity metrics for generative models", ICML 2020
    (arXiv:2002.09797), eq. (9): low where modes are not reached. Of equal distributions it is
    1 - 2**-k.
Two-sample test
    the area under the ROC curve of a classifier that is trained to tell made from real, on one
    half of the events, and tried on the other: J. Friedman, PHYSTAT 2003 (SLAC-PUB-10325);
    D. Lopez-Paz, M. Oquab, ICLR 2017 (arXiv:1610.06545). 0.5 is perfect.
"""

from __future__ import annotations

import numpy as np

from hepnn.tasks import bootstrap, roc

#: Random directions of the sliced distance.
DIRECTIONS = 64

#: Neighbours of the coverage, and the events that it is taken of.
NEIGHBOURS, COVERED = 5, 5000


def wasserstein(
    real: np.ndarray, made: np.ndarray, weight: np.ndarray, other: np.ndarray | None = None
) -> np.ndarray:
    """Return the Wasserstein distance of each quantity.

    Parameters
    ----------
    real, made
        `(events, quantities)`; as many of each.
    weight
        `(events,)`, or `(replicas, events)`: then replicas come first.
    other
        The same of the made ones, if it differs.

    Returns
    -------
    np.ndarray
        `(quantities,)`, or `(replicas, quantities)`.

    Examples
    --------
    >>> wasserstein(np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]]), np.ones(2)).tolist()
    [1.5]
    """
    weight = np.asarray(weight, np.float64)
    other = weight if other is None else np.asarray(other, np.float64)
    signed = np.concatenate(
        [_shares(weight), -_shares(other)],
        axis=-1,
    )
    found = []
    for of_real, of_made in zip(real.T, made.T, strict=True):
        values = np.concatenate([of_real, of_made])
        order = np.argsort(values, kind="stable")
        between = np.cumsum(signed[..., order], axis=-1)[..., :-1]
        found.append(np.abs(between) @ np.diff(values[order]))
    return np.stack(found, axis=-1)


def chance(real: np.ndarray, weight: np.ndarray, seed: int, times: int = 8) -> np.ndarray:
    """Return what two samples of as many real events would be apart `(quantities,)`.

    Halves of the real events are compared; the distance of equal distributions falls with the
    root of the number of events.
    """
    rng = np.random.default_rng(seed)
    half = len(real) // 2
    found = []
    for _ in range(times):
        order = rng.permutation(len(real))
        one, two = order[:half], order[half : 2 * half]
        found.append(wasserstein(real[one], real[two], weight[one], weight[two]))
    return np.mean(found, axis=0) / np.sqrt(2)


def sliced(
    real: np.ndarray,
    made: np.ndarray,
    weight: np.ndarray,
    other: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return the sliced distance, a number or `(replicas,)`.

    Parameters
    ----------
    real, made
        In comparable units `(events, quantities)`.
    weight, other
        As of `wasserstein`.
    seed
        Of the directions.
    """
    directions = np.random.default_rng(seed).normal(size=(real.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return wasserstein(real @ directions, made @ directions, weight, other).mean(axis=-1)


def covered(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return which real events have a made one within the distance of their k-th neighbour.

    Parameters
    ----------
    real, made
        In comparable units `(events, quantities)`.
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = min(NEIGHBOURS, len(real) - 1)
    # The nearest of a real event is itself.
    reach = NearestNeighbors(n_neighbors=neighbours + 1).fit(real).kneighbors(real)[0][:, -1]
    nearest = NearestNeighbors(n_neighbors=1).fit(made).kneighbors(real)[0][:, 0]
    return nearest <= reach


def tell_apart(
    real: np.ndarray, made: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure a classifier is that events are real, and which events it was tried on.

    Parameters
    ----------
    real, made
        `(events, quantities)`, event by event of equal weight.
    weight
        `(events,)`.
    seed
        Of the halves and of the classifier.

    Returns
    -------
    scores : np.ndarray
        `(2, tried)`: of the real events and of the made ones.
    tried : np.ndarray
        Numbers of the events.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    order = np.random.default_rng(seed).permutation(len(real))
    learnt, tried = np.split(order, [len(order) // 2])
    classifier = HistGradientBoostingClassifier(
        max_iter=200, early_stopping=True, random_state=seed
    )
    both = np.concatenate([real[learnt], made[learnt]])
    is_real = np.repeat([1, 0], len(learnt))
    weights = np.tile(np.maximum(weight[learnt], 0.0), 2)
    classifier.fit(both, is_real, sample_weight=weights)
    scores = [classifier.decision_function(part[tried]) for part in (real, made)]
    return np.stack(scores), tried


def area(scores: np.ndarray, weight: np.ndarray, seed: int) -> tuple[float, list[float]]:
    """Return the area under the ROC curve of scores `(2, events)`, and its interval."""
    flat, signal = scores.ravel(), np.repeat([True, False], scores.shape[1])
    both = np.tile(weight, 2).astype(np.float64)
    drawn = bootstrap.draws(len(flat), seed)
    replicas = [roc.auc(flat, signal, both * one) for one in drawn]
    return roc.auc(flat, signal, both), bootstrap.central(np.array(replicas))


def _shares(weight: np.ndarray) -> np.ndarray:
    total = weight.sum(axis=-1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total != 0)
