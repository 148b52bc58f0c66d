"""Graphs of nearest neighbours.

Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", ACM Trans. Graph. 38 (2019) 146
(arXiv:1801.07829), section 3; H. Qu, L. Gouskos, "ParticleNet: Jet Tagging via Particle Clouds",
Phys. Rev. D 101 (2020) 056019 (arXiv:1902.08570).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

#: Further away than any object: where there is none, and an object from itself.
_FAR = 1e30


@keras.saving.register_keras_serializable(package="hepnn")
class EdgeFeatures(keras.layers.Layer):
    """What an object's edges to its nearest neighbours are described by: `[x_i, x_j - x_i]`.

    Distances are Euclidean. Padding is nobody's neighbour; an object with fewer neighbours than
    there are edges has its last edges to itself.

    Parameters
    ----------
    neighbours
        Edges of each object.
    coordinates
        Which features of the first input the distance is in; all by default.
    """

    def __init__(
        self, neighbours: int, coordinates: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.neighbours = neighbours
        self.coordinates = None if coordinates is None else list(coordinates)

    def call(self, inputs: Any) -> Any:
        """Return `(batch, objects, neighbours, 2 x features)`.

        Parameters
        ----------
        inputs
            Where the objects are `(batch, objects, features)`, what they have `(batch, objects,
            features)`, and if there is padding the mask `(batch, objects, 1)`.
        """
        places, features, *mask = inputs
        if self.coordinates is not None:
            places = ops.stack([places[..., one] for one in self.coordinates], axis=-1)
        index = self._nearest(places, mask[0] if mask else None)
        objects, channels = features.shape[1:]
        flat = ops.reshape(index, (-1, objects * self.neighbours, 1))
        found = ops.take_along_axis(features, flat, axis=1)
        found = ops.reshape(found, (-1, objects, self.neighbours, channels))
        own = ops.repeat(ops.expand_dims(features, 2), self.neighbours, axis=2)
        return ops.concatenate([own, found - own], axis=-1)

    def _nearest(self, places: Any, mask: Any) -> Any:
        """Return the places of each object's neighbours `(batch, objects, neighbours)`."""
        objects = places.shape[1]
        square = ops.sum(places * places, axis=-1, keepdims=True)
        across = ops.matmul(places, ops.transpose(places, (0, 2, 1)))
        distance = square - 2.0 * across + ops.transpose(square, (0, 2, 1))
        counted = 1.0 - ops.eye(objects)
        if mask is not None:
            counted = counted * ops.transpose(mask, (0, 2, 1))
        distance = ops.where(counted > 0.5, distance, _FAR)
        nearness, index = ops.top_k(-distance, self.neighbours)
        itself = ops.reshape(ops.arange(objects, dtype="int32"), (1, objects, 1))
        return ops.where(nearness > -0.5 * _FAR, ops.cast(index, "int32"), itself)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return `(batch, objects, neighbours, 2 x features)`."""
        batch, objects, channels = input_shape[1]
        return batch, objects, self.neighbours, 2 * channels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"neighbours": self.neighbours, "coordinates": self.coordinates}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="hepnn")
class EdgeMean(keras.layers.Layer):
    """The mean over an object's edges: `(batch, objects, edges, features)` to three axes."""

    def call(self, inputs: Any) -> Any:
        """Return `(batch, objects, features)`."""
        return ops.mean(inputs, axis=2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape without the edges."""
        batch, objects, _, channels = input_shape
        return batch, objects, channels
