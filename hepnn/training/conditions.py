"""What holds of a network during its fit alone, and is gone from what is saved.

Frozen layers, penalties on kernels, arithmetic in half of the bits.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import keras
from keras import ops

from hepnn.errors import RecipeError, nearest
from hepnn.recipe import Fit
from hepnn.recipe.regularizers import Regularize

Result = TypeVar("Result")


def held(fit: Callable[..., Result]) -> Callable[..., Result]:
    """Decorate `fit(model, train, validation, plan, ...)`: the plan's conditions hold inside."""

    @functools.wraps(fit)
    def within(model: keras.Model, train: Any, validation: Any, plan: Fit, **rest: Any) -> Result:
        with (
            frozen(model, plan.freeze),
            penalized(model, plan.regularize),
            lowered(model, plan.precision),
        ):
            return fit(model, train, validation, plan, **rest)

    return within


@contextlib.contextmanager
def frozen(model: keras.Model, wanted: str | Sequence[str]) -> Iterator[None]:
    """Let layers keep their weights.

    Parameters
    ----------
    model
        The network.
    wanted
        A layer's name: all up to and with it; a pattern, or a list of names and patterns: those.

    Raises
    ------
    RecipeError
        If no layer has such a name, or if none is left to train.
    """
    names = [layer.name for layer in model.layers]
    kept: set[str] = set()
    if isinstance(wanted, str) and not set(wanted) & set("*?["):
        if wanted not in names:
            raise RecipeError(f"fit.freeze: no layer {wanted!r}; {nearest(wanted, names)}")
        kept = set(names[: names.index(wanted) + 1])
    else:
        for pattern in [wanted] if isinstance(wanted, str) else wanted:
            found = fnmatch.filter(names, pattern)
            if not found:
                raise RecipeError(f"fit.freeze: no layer {pattern!r}; {nearest(pattern, names)}")
            kept |= set(found)
    # Containers come before what they hold, so that each has its own say when it is put back.
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001 - cells of recurrent layers
    before = [(layer, layer.trainable) for layer in layers] if kept else []
    for name in kept:
        model.get_layer(name).trainable = False
    if kept and not model.trainable_variables:
        raise RecipeError("fit.freeze: no layer is left to train")
    try:
        yield
    finally:
        for layer, trainable in before:
            layer.trainable = trainable


@contextlib.contextmanager
def penalized(model: keras.Model, wanted: Regularize) -> Iterator[None]:
    """Add penalties on the kernels to the losses that a network has already.

    Parameters
    ----------
    model
        The network; Keras adds what the `regularizer` of each trained variable says to its loss.
    wanted
        The penalties.
    """
    kernels = [v for v in model.trainable_variables if v.name.endswith("kernel")]
    kernels = kernels if wanted.wanted else []
    before = [kernel.regularizer for kernel in kernels]
    for kernel, own in zip(kernels, before, strict=True):
        kernel.regularizer = Penalty(wanted, own)
    try:
        yield
    finally:
        for kernel, own in zip(kernels, before, strict=True):
            kernel.regularizer = own


class Penalty(keras.regularizers.Regularizer):
    """Powers of a kernel's elements, summed, beside the penalty that it has of its own.

    Parameters
    ----------
    wanted
        The penalties.
    own
        The regularizer that was there.
    """

    def __init__(self, wanted: Regularize, own: Any = None) -> None:
        self._wanted = wanted
        self._own = own

    def __call__(self, x: Any) -> Any:
        """Return the penalty of a kernel."""
        size = ops.absolute(x)
        total = ops.zeros(()) if self._own is None else self._own(x)
        for power, weight in enumerate((self._wanted.l1, self._wanted.l2, self._wanted.l3), 1):
            if weight:
                total = total + weight * ops.sum(size**power)
        return total


@contextlib.contextmanager
def lowered(model: keras.Model, precision: str) -> Iterator[None]:
    """Compute in half of the bits what can be.

    That is Keras's own layers but those that give the outputs, whose loss is taken in float32,
    and the scaling of the inputs, which are physical quantities of any size.

    Parameters
    ----------
    model
        The network; its weights stay float32.
    precision
        A dtype policy of Keras.

    Raises
    ------
    RecipeError
        If layers of the network are in fixed point.
    """
    layers: list[Any] = []
    if precision != "float32":
        for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - cells too
            package = type(layer).__module__.split(".")[0]
            if package in ("hgq", "qkeras"):
                raise RecipeError(
                    f"fit.precision: layer {layer.name} is in fixed point, which is exact in "
                    "float32 only; half the bits are for float stages"
                )
            if package == "keras":
                layers.append(layer)
        last = {tensor._keras_history.operation.name for tensor in model.outputs}  # noqa: SLF001
        layers = [one for one in layers if one.name not in {"input_scaling", *last}]
    before = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
