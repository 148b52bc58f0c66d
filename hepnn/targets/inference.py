"""A network as it is at inference: without the layers that only do something in training."""

from __future__ import annotations

from typing import Any

#: Layers that pass their input on at inference; of several inputs, the first.
_PASSING = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianSample")

#: Those of them that no converter knows.
_UNKNOWN = ("GaussianNoise", "GaussianSample")


def without_noise(model: Any) -> Any:
    """Return the network without noise, and without what only the noise was made from.

    A network that has none is returned as it is; of another one a copy, its layers' names and
    weights the same.
    """
    import keras

    if not any(layer.__class__.__name__ in _UNKNOWN for layer in model.layers):
        return model

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if layer.__class__.__name__ in _PASSING:
            return keras.tree.flatten(inputs[0])[0]
        return layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=_copied, call_function=call)
    for layer in copy.layers:
        if not layer.variables:  # such as an input, which a copy may name otherwise
            continue
        source = model.get_layer(layer.name)
        for variable, value in zip(layer.variables, source.variables, strict=True):
            variable.assign(value.value)
    return copy


def _copied(layer: Any) -> Any:
    import keras

    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
