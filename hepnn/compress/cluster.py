"""Weight clustering: the weights of each kernel share a few values.

S. Han, H. Mao, W. J. Dally, "Deep Compression" (arXiv:1510.00149), section 3. K-means divides a
trained kernel's weights into clusters; after that a weight stays in its cluster, and what is
trained is the value that its members share. A constraint sets them to their mean right after the
optimizer, so that every engine keeps them: with plain gradient descent a centroid follows the
mean of its members' gradients, where the paper's follows their sum. TensorFlow Model
Optimization, whose step this is, refuses Keras 3 models.

Weights that pruning has set to zero are a cluster of their own, whose value is zero. A
quantization that follows keeps what is equal equal: `hepnn.compress.hold`.
"""

from __future__ import annotations

import keras
import numpy as np

from hepnn.compress import Plan
from hepnn.compress.hold import hold, share
from hepnn.compress.kernels import RECURRENT, prunable
from hepnn.errors import RecipeError, nearest
from hepnn.recipe import Cluster

#: Rounds of k-means; in one dimension it has settled long before.
ROUNDS = 300


def plan(step: Cluster, before: keras.Model, calibration: np.ndarray) -> Plan:
    """Plan the stage `clustered`: the network of the stage before, trained on in clusters.

    Raises
    ------
    RecipeError
        If a layer that the step names has no kernel.
    """
    names = {name.removesuffix(RECURRENT) for name in prunable(before)}
    for name in step.layers:
        if name not in names:
            raise RecipeError(f"cluster.layers: no {name!r}; {nearest(name, names)}")

    def prepare(model: keras.Model) -> None:
        hold(model)
        for name, kernel in prunable(model).items():
            count = step.layers.get(name.removesuffix(RECURRENT), step.clusters)
            share(model, name, groups(kernel.numpy(), count, step.initial, step.seed))

    return Plan(
        stage="clustered",
        prepare=prepare,
        callbacks=lambda epochs: [],
        finish=lambda model, events: None,
    )


def groups(kernel: np.ndarray, count: int, initial: str, seed: int) -> np.ndarray:
    """Return the cluster of each weight: 0 of zeros, whose value stays zero, then from 1 on.

    Parameters
    ----------
    kernel
        Weights of any shape.
    count
        Clusters, that of the zeros included if there is one.
    initial, seed
        Where k-means starts, as in the recipe.
    """
    found = np.zeros(kernel.shape, np.int32)
    weights = kernel[kernel != 0].astype(np.float64)
    if not weights.size:
        return found
    wanted = count - 1 if weights.size < kernel.size else count
    values = centroids(weights, wanted, initial, seed)
    found[kernel != 0] = 1 + _nearest(weights, values)
    return found


def centroids(weights: np.ndarray, count: int, initial: str, seed: int = 0) -> np.ndarray:
    """Return the sorted centroids of k-means in one dimension: S. Lloyd, 1957.

    >>> centroids(np.array([0.0, 0.2, 1.0, 1.2]), 2, "linear").tolist()
    [0.1, 1.1]

    Parameters
    ----------
    weights
        `(weights,)`.
    count
        Centroids, at most; one without members is left out.
    initial
        `linear`: at equal distances between the smallest and the largest weight; `density`: with
        equally many weights in between; `kmeans++`: at weights drawn with the square of their
        distance from those drawn before.
    seed
        Of the drawing.
    """
    ranked = np.sort(weights)
    if len(distinct := np.unique(ranked)) <= count:
        return distinct
    sums = np.concatenate([[0.0], np.cumsum(ranked)])
    values = _START[initial](ranked, count, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        edges = np.searchsorted(ranked, (values[1:] + values[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(ranked)]])
        members = np.diff(edges)
        means = np.divide(np.diff(sums[edges]), members, out=values.copy(), where=members > 0)
        if np.array_equal(means, values):
            break
        values = np.sort(means)
    return values[members > 0]


def _linear(ranked: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.linspace(ranked[0], ranked[-1], count)


def _density(ranked: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.quantile(ranked, (np.arange(count) + 0.5) / count)


def _plus_plus(ranked: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    values = [rng.choice(ranked)]
    distance = (ranked - values[0]) ** 2
    for _ in range(count - 1):
        values.append(rng.choice(ranked, p=distance / distance.sum()))
        distance = np.minimum(distance, (ranked - values[-1]) ** 2)
    return np.sort(values)


_START = {"linear": _linear, "density": _density, "kmeans++": _plus_plus}


def _nearest(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.searchsorted((values[1:] + values[:-1]) / 2, weights)
