"""A copy of a functional model in which some layers are called otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: What stands for a layer: called with its input tensor.
Form = Callable[[Any], Any]


#: What calls a layer: made of the layer.
Around = Callable[[Any], Callable[..., Any]]


def copied(
    model: Any, forms: Mapping[str, Form], around: Mapping[str, Around] | None = None
) -> Any:
    """Return a copy of a model with other forms of some layers, weights taken over.

    Parameters
    ----------
    model
        A functional Keras model.
    forms
        By the layer's name.
    around
        By the layer's name: what calls it, where it stays but something comes before or behind.
    """
    import keras

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        form = forms.get(layer.name)
        if form is not None:
            return form(inputs[0])
        called = (around or {}).get(layer.name)
        return (layer if called is None else called(layer))(*inputs, **options)

    def clone(layer: Any) -> Any:
        content = keras.saving.serialize_keras_object(layer)
        return keras.saving.deserialize_keras_object(content)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    known = {layer.name: layer for layer in model.layers}
    for layer in copy.layers:
        source = known.get(layer.name)
        if source is None or layer.name in forms or not layer.variables:
            continue
        for variable, value in zip(layer.variables, source.variables, strict=True):
            variable.assign(value.value)
    return copy


def function(layer: Any) -> str:
    """Return the name of a layer's activation."""
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def kind(layer: Any) -> str:
    """Return a layer's class."""
    return str(layer.__class__.__name__)
