"""Dropout of any architecture: a copy of the network is trained in its place.

The copy has dropout between its layers; the network takes its weights over when it is trained, so
that what is saved and shipped has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras.src.layers.convolutional.base_conv import BaseConv

from hepnn.errors import RecipeError
from hepnn.recipe.regularizers import Dropout
from hepnn.rewrites import graph

_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
_SPATIAL: dict[int, Any] = {
    1: keras.layers.SpatialDropout1D,
    2: keras.layers.SpatialDropout2D,
    3: keras.layers.SpatialDropout3D,
}


def inserted(model: keras.Model, wanted: Dropout) -> keras.Model:
    """Return a copy of a network with dropout, or the network itself where none is wanted.

    Parameters
    ----------
    model
        The network.
    wanted
        The rates.

    Raises
    ------
    RecipeError
        If the network is trained together with others, or has no place for what is wanted.
    """
    if not wanted.wanted:
        return model
    for attribute in ("auxiliary", "discriminator"):
        if getattr(model, attribute, None):
            raise RecipeError(
                f"fit.dropout: {model.name} is trained together with its {attribute} networks; "
                "use the architecture's own dropout"
            )
    places = {
        "inputs": {
            one.name: _behind(keras.layers.Dropout(wanted.inputs, name="fit_dropout_inputs"))
            for one in model.layers
            if one.name == "input_scaling"
        },
        "hidden": {
            one.name: _before(keras.layers.Dropout(wanted.hidden, name=f"fit_dropout_{one.name}"))
            for one in _after_the_first(model)
            if isinstance(one, _DENSE)
        },
        "spatial": {
            one.name: _before(_SPATIAL[one.rank](wanted.spatial, name=f"fit_dropout_{one.name}"))
            for one in _after_the_first(model)
            if isinstance(one, BaseConv)
        },
    }
    around: dict[str, Any] = {}
    for kind, found in places.items():
        if getattr(wanted, kind):
            if not found:
                raise RecipeError(f"fit.dropout.{kind}: architecture {model.name} has no place")
            around |= found
    return graph.copied(model, {}, around)


def taken_out(trained: keras.Model, model: keras.Model) -> keras.Model:
    """Return the network without dropout, with the weights of its trained copy."""
    if trained is not model:
        for layer in (layer for layer in model.layers if layer.variables):
            source = trained.get_layer(layer.name)
            for variable, value in zip(layer.variables, source.variables, strict=True):
                variable.assign(value.value)
    return model


def _behind(drop: Any) -> Callable[[Any], Any]:
    return lambda layer: lambda *inputs, **options: drop(layer(*inputs, **options))


def _before(drop: Any) -> Callable[[Any], Any]:
    return lambda layer: lambda *inputs, **options: layer(*map(drop, inputs), **options)


def _after_the_first(model: keras.Model) -> list[Any]:
    """Return the trained layers with a kernel that another one comes before."""
    found: dict[str, Any] = {}
    behind: set[str] = set()
    nodes = model._nodes_by_depth  # noqa: SLF001 - every call, in the order of the graph
    for node in (node for depth in sorted(nodes, reverse=True) for node in nodes[depth]):
        layer = node.operation
        before = {tensor._keras_history.operation.name for tensor in node.input_tensors}  # noqa: SLF001
        weighs = layer.trainable and isinstance(layer, (*_DENSE, BaseConv))
        if weighs and before & behind:
            found[layer.name] = layer
        matrices = any(len(weight.shape) > 1 for weight in getattr(layer, "trainable_weights", ()))
        if matrices or before & behind:
            behind.add(layer.name)
    return list(found.values())
