"""From an architecture's function to the network of one stage."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hepnn import architectures, vocabularies
from hepnn.errors import MissingDependency, RunError, TargetError, nearest
from hepnn.recipe import Architecture
from hepnn.run import Run


def assemble(
    architecture: Architecture,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    vocabulary: str,
    scaling: dict[str, np.ndarray] | None,
    options: dict[str, Any] | None = None,
) -> keras.Model:
    """Build a network that takes physical quantities: the input scaling, then the architecture.

    Parameters
    ----------
    architecture
        Name and hyper-parameters.
    input_shape, output_shape
        Of one event.
    vocabulary, options
        The vocabulary's name and how it is made.
    scaling
        Of `hepnn.data.scaling`; it becomes the frozen first layer `input_scaling`. None where
        what goes in are no physical quantities.
    """
    nn = vocabularies.get(vocabulary, **(options or {}))
    nn.scaling = scaling
    build = architectures.get(architecture.name)
    return build(input_shape, output_shape, nn=nn, **architecture.hyper)


def warm_start(
    model: keras.Model, before: keras.Model, *, leaving: Sequence[str] = ()
) -> list[str]:
    """Copy the weights of the stage before, matched by layer and variable name.

    Layers named in `leaving` keep their own.

    Auxiliary classifiers, which no stage saves, would start anew beside them and are left out.

    Returns
    -------
    list of str
        The layers that took weights over.
    """
    vars(model).pop("auxiliary", None)
    known = {_path(variable): variable for variable in before.variables}
    taken = []
    for layer in model.layers:
        for variable in layer.weights if layer.name not in leaving else ():
            source = known.get(_path(variable))
            if source is not None and source.shape == variable.shape:
                variable.assign(source.value)
                if layer.name not in taken:
                    taken.append(layer.name)
    return taken


def up_to(model: keras.Model, part: str | None) -> keras.Model:
    """Return a network up to the outputs of a layer; all of it without one.

    Of a layer that gives several tensors the first counts.

    Raises
    ------
    TargetError
        If it has no such layer.
    """
    if part is None:
        return model
    names = [layer.name for layer in model.layers]
    if part not in names:
        raise TargetError(f"part: the network has no layer {part!r}; {nearest(part, names)}")
    outputs = keras.tree.flatten(model.get_layer(part).output)
    return keras.Model(model.inputs, outputs[0], name=model.name)


def load_model(path: Path) -> keras.Model:
    """Open a saved model; no code in the file is run.

    Raises
    ------
    RunError
        If the file is no Keras model, or is damaged.
    """
    # The classes that a saved model may name.
    import hgq.layers  # noqa: F401
    import qkeras.quantizers  # noqa: F401

    import hepnn.layers.activations  # noqa: F401
    import hepnn.layers.attention  # noqa: F401
    import hepnn.layers.decision  # noqa: F401
    import hepnn.layers.depthwise  # noqa: F401
    import hepnn.layers.graphs  # noqa: F401
    import hepnn.layers.lenet  # noqa: F401
    import hepnn.layers.normalization  # noqa: F401
    import hepnn.layers.ode  # noqa: F401
    import hepnn.layers.quantized_recurrent  # noqa: F401
    import hepnn.layers.shortcut  # noqa: F401
    import hepnn.layers.tied  # noqa: F401
    import hepnn.layers.variational  # noqa: F401

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damaged archives fail in many ways
        raise RunError(f"{path} {_why(str(error))}") from error


@dataclass(frozen=True)
class Given:
    """A model that was made elsewhere.

    Attributes
    ----------
    model : keras.Model
        Functional, with one input and one output.
    source : str
        The file's name.
    inputs, outputs : list of tuple
        Name and shape of what the model was made with; where these are several, they lie in the
        one input or output one behind the other, flattened.
    """

    model: keras.Model
    source: str
    inputs: list[tuple[str, tuple[int, ...]]]
    outputs: list[tuple[str, tuple[int, ...]]]


def given(model: Any, imports: Sequence[str] = ()) -> Given:
    """Open a model that was made elsewhere.

    Parameters
    ----------
    model
        Path of a `.keras` file, or a Keras model.
    imports
        Packages that its layers come from.

    Raises
    ------
    RunError
        If it cannot be opened, or its inputs and outputs have no fixed shapes.
    """
    import_packages(imports)
    if isinstance(model, keras.Model):
        loaded, source = model, f"{model.name}.keras"
    else:
        source = str(model)
        if not Path(source).is_file():
            raise RunError(f"{source}: no such file")
        loaded = load_model(Path(source))
    if not loaded.built or not getattr(loaded, "inputs", None):
        raise RunError(f"{source}: the model is not built: it has no input shape")
    sides = []
    for what, tensors in (("input", loaded.inputs), ("output", loaded.outputs)):
        for tensor in tensors:
            if None in tensor.shape[1:]:
                raise RunError(
                    f"{source}: {what} shape {tensor.shape[1:]} has an axis of no length"
                )
        names = [tensor._keras_history.operation.name for tensor in tensors]
        sides.append([(n, tuple(t.shape[1:])) for n, t in zip(names, tensors, strict=True)])
    if len(loaded.inputs) > 1 or len(loaded.outputs) > 1:
        loaded = _packed(loaded)
    elif isinstance(loaded, keras.Sequential):
        loaded = keras.Model(loaded.inputs, loaded.outputs, name=loaded.name)
    return Given(loaded, source, *sides)


def _packed(model: keras.Model) -> keras.Model:
    """Return a model of several inputs and outputs as one of one input and one output."""
    inputs = keras.Input((sum(prod(tensor.shape[1:]) for tensor in model.inputs),), name="inputs")
    pieces, start = [], 0
    for tensor in model.inputs:
        stop = start + prod(tensor.shape[1:])
        piece = inputs[:, start:stop]
        pieces.append(
            keras.layers.Reshape(tensor.shape[1:])(piece) if len(tensor.shape) > 2 else piece
        )
        start = stop
    # The layers themselves in another graph; what is returned has copies of them.
    made = keras.tree.flatten(model._run_through_graph(pieces, operation_fn=lambda layer: layer))
    flat = [keras.layers.Flatten()(one) if len(one.shape) > 2 else one for one in made]
    outputs = keras.layers.Concatenate(name="outputs")(flat) if len(flat) > 1 else flat[0]
    whole = keras.Model(inputs, outputs, name=model.name)
    copy = keras.Model.from_config(whole.get_config())
    copy.set_weights(whole.get_weights())
    return copy


def _why(said: str) -> str:
    """Return in a few words why Keras does not open a model."""
    if "`Lambda` layer" in said:
        return "has a Lambda layer: code inside a model file is never run; make it a layer's class"
    unknown = re.search(r"Could not locate class '(\w+)'", said)
    if unknown:
        return f"has layers of the unknown class {unknown[1]!r}: --import the package it is in"
    first = said.strip().splitlines()[0] if said.strip() else "no reason given"
    return f"is no Keras model, or is damaged: {first[:200]}"


def of_run(run: Run, stage: str) -> keras.Model:
    """Open the model of a run's stage.

    The packages that an adopted model's layers come from are imported first; its user named them.

    Raises
    ------
    RunError
        If the model is missing, damaged, or not the one that was kept.
    """
    import_packages(run.manifest.get("adopted", {}).get("imports", ()))
    return load_model(run.model_file(stage))


def import_packages(names: Iterable[str]) -> None:
    """Import the packages that a model's layers come from.

    Raises
    ------
    MissingDependency
        If one is not installed.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingDependency(f"package {name!r} of the model's layers: {error}") from error


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return a model's outputs for `(events, *shape)`, in batches."""
    return np.asarray(model.predict(x, batch_size=4096, verbose=0))


def parameters(model: keras.Model) -> int:
    """Count the weights of the network itself: no quantizers, no input scaling."""
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001 - cells of recurrent layers
    of_quantizers = {
        id(variable) for layer in layers if hasattr(layer, "kif") for variable in layer.variables
    }
    return sum(
        int(np.prod(variable.shape))
        for variable in model.trainable_variables
        if id(variable) not in of_quantizers
    )


def _path(variable: keras.Variable) -> str:
    """Return a variable's path, by which stages of one network are matched."""
    # HGQ2's batch normalization has other names for gamma and beta.
    return variable.path.replace("/bn_gamma", "/gamma").replace("/bn_beta", "/beta")
