"""The architectures: one function each, on the vocabulary `nn`.

`build(input_shape, output_shape, *, nn, **hyper)` returns a Keras model from one event's shape
to logits. It knows no data, path or recipe.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hepnn import tables
from hepnn.errors import RecipeError, nearest

ARCHITECTURES = {
    "alexnet": "hepnn.architectures.alexnet:build",
    "autoencoder": "hepnn.architectures.autoencoder:build",
    "cnn1d": "hepnn.architectures.cnn1d:build",
    "deep_sets": "hepnn.architectures.deep_sets:build",
    "densenet": "hepnn.architectures.densenet:build",
    "encoder": "hepnn.architectures.encoder:build",
    "encoder_decoder": "hepnn.architectures.encoder_decoder:build",
    "fully_convolutional": "hepnn.architectures.fully_convolutional:build",
    "gan": "hepnn.architectures.gan:build",
    "googlenet": "hepnn.architectures.googlenet:build",
    "highway": "hepnn.architectures.highway:build",
    "interaction_network": "hepnn.architectures.interaction_network:build",
    "lenet5": "hepnn.architectures.lenet5:build",
    "mlp": "hepnn.architectures.mlp:build",
    "neural_ode": "hepnn.architectures.neural_ode:build",
    "particlenet": "hepnn.architectures.particlenet:build",
    "perceptron": "hepnn.architectures.perceptron:build",
    "recurrent": "hepnn.architectures.recurrent:build",
    "resnet": "hepnn.architectures.resnet:build",
    "transformer": "hepnn.architectures.transformer:build",
    "unet": "hepnn.architectures.unet:build",
    "vae": "hepnn.architectures.vae:build",
    "vgg": "hepnn.architectures.vgg:build",
    "xception": "hepnn.architectures.xception:build",
}


def get(name: str) -> Callable[..., Any]:
    """Return the build function of an architecture.

    Raises
    ------
    RecipeError
        If no such architecture exists.
    """
    return tables.load(ARCHITECTURES, name, "architecture")


def check_hyper(name: str, hyper: dict[str, Any]) -> None:
    """Refuse a hyper-parameter that the architecture does not have.

    Raises
    ------
    RecipeError
        Naming the nearest one that exists.
    """
    parameters = inspect.signature(get(name)).parameters
    known = [p for p in parameters if p not in ("input_shape", "output_shape", "nn")]
    for key in hyper:
        if key not in known:
            raise RecipeError(f"architecture {name} has no {key!r}; {nearest(key, known)}")
