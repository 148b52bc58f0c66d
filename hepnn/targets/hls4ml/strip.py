"""Export logits: a final softmax is left to the host.

In fixed point a softmax needs two tables whose sizes follow from the types around it; sized
carelessly it turns right logits into noise, while no decision needs it.
"""

from __future__ import annotations

from typing import Any


def without_softmax(model: Any) -> tuple[Any, bool]:
    """Return the model up to its logits, and whether a softmax was left out."""
    import keras

    last = model.layers[-1]
    kind = last.__class__.__name__
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if kind == "Softmax" or (kind == "Activation" and activation == "softmax"):
        return keras.Model(model.inputs, last.input, name=model.name), True
    if activation != "softmax":
        return model, False
    config = last.get_config()
    logits = last.__class__.from_config({**_plain(config), "activation": "linear"})
    outputs = logits(last.input)
    logits.set_weights(last.get_weights())
    return keras.Model(model.inputs, outputs, name=model.name), True


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's configuration ready for changes; HGQ2 wraps its own once more."""
    import keras

    if "class_name" in config:
        return keras.saving.deserialize_keras_object(config)
    return config
