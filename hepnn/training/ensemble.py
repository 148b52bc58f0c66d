"""Several networks as one: a shared input, and the mean of what the members put out.

L. K. Hansen, P. Salamon, "Neural network ensembles", IEEE Trans. PAMI 12 (1990) 993. Of a
classifier the logits are averaged, and with them the logarithms of the probabilities: the
softmax of the mean is the members' geometric mean. An average of probabilities would need an
exponential and a logarithm in the network, and leave nothing exact.

Every member keeps its own input scaling and its bits. Outputs are added two by two, as all
targets can, and multiplied by one constant. In fixed point that is a power of two, the nearest
to the members' number, so that every target repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

import keras
import numpy as np

from hepnn import vocabularies
from hepnn.compress import quantize
from hepnn.training import network

#: Fraction bits of the lanes that outputs in fixed point are added on.
FRACTION = 12

#: Bits beyond the largest sum that calibration events give.
MARGIN = 1


def divisor(members: int, exact: bool) -> float:
    """Return what a sum of members is divided by: their number, or the power of two nearest.

    >>> [divisor(members, True) for members in (2, 3, 4, 5, 6)]
    [2.0, 4.0, 4.0, 4.0, 8.0]
    """
    return 2.0 ** round(log2(members)) if exact else float(members)


def ensemble(
    members: Sequence[keras.Model],
    shifts: Sequence[Mapping[str, np.ndarray] | None],
    x: np.ndarray,
    name: str,
) -> keras.Model:
    """Return the network of all members.

    Parameters
    ----------
    members
        Networks of the same inputs and outputs, all float or all fixed point.
    shifts
        Of each member, `offset` and `exponent` of `(z - offset) * 2**-exponent`, which takes its
        outputs to those of the whole; None where they are the same.
    x
        Calibration events `(events, *shape)`: how far sums reach.
    name
        Of the network.
    """
    exact = bool(quantize.bits(members[0]))
    nn = vocabularies.get(*(("hgq",) if exact else ("float",)), **_options(exact))
    inputs = keras.Input(members[0].input_shape[1:], name="inputs")
    outputs, taken = [], []
    for number, member in enumerate(members, 1):
        copy = _renamed(member, inputs, f"fold{number}")
        taken.append((member, copy))
        output, shift = copy.outputs[0], shifts[number - 1]
        if shift is not None:
            reach = _reach(network.predict(member, x))
            scaling = {**shift, **_grid(reach, shift["exponent"])}
            output = nn.input_scaling(output.shape[1:], scaling, name=f"fold{number}_rescaled")(
                output
            )
        outputs.append(output)
    total = outputs[0]
    for number, output in enumerate(outputs[1:], 2):
        total = nn.Add(name=f"sum{number}")([total, output])
    sums = keras.Model(inputs, total)
    _take_over(taken)
    if exact:
        quantize.set_ranges(sums, [x])
        _take_over(taken)  # whose own lanes stay as they were trained
    channels = total.shape[-1]
    exponent = np.full(channels, log2(divisor(len(members), exact)))
    reach = _reach(network.predict(sums, x))
    scaling = {"offset": np.zeros(channels), "exponent": exponent, **_grid(reach, exponent)}
    mean = nn.input_scaling(total.shape[1:], scaling, name="mean")(total)
    return keras.Model(inputs, mean, name=name)


def _options(exact: bool) -> dict[str, Any]:
    return {"lane_fraction": FRACTION} if exact else {}


def _renamed(model: keras.Model, inputs: Any, prefix: str) -> keras.Model:
    """Return a copy of a network on other inputs, its layers named after it."""

    def clone(layer: Any) -> Any:
        content = keras.saving.serialize_keras_object(layer)
        content["config"]["name"] = f"{prefix}_{layer.name}"
        return keras.saving.deserialize_keras_object(content)

    given = keras.tree.map_structure(lambda _: inputs, model.input)
    return keras.models.clone_model(model, input_tensors=given, clone_function=clone)


def _take_over(pairs: Sequence[tuple[keras.Model, keras.Model]]) -> None:
    """Copy the weights of members, with the bits of their lanes."""
    for member, copy in pairs:
        layers = {layer.name.split("_", 1)[-1]: layer for layer in copy.layers}
        for layer in member.layers:
            if layer.variables:
                for variable, source in zip(
                    layers[layer.name].variables, layer.variables, strict=True
                ):
                    variable.assign(source.value)


def _reach(outputs: np.ndarray) -> np.ndarray:
    """Return the largest absolute value of each channel `(channels,)`."""
    return np.abs(outputs.reshape(-1, outputs.shape[-1])).max(axis=0)


def _grid(reach: np.ndarray, exponent: np.ndarray) -> dict[str, np.ndarray]:
    """Return the grid of values that reach so far, and of what is added to them."""
    whole = np.ceil(np.log2(np.maximum(reach, 2.0**-FRACTION))).astype(np.int64)
    return {
        "signed": np.ones_like(whole),
        "integer": whole + MARGIN,
        "fraction": np.full_like(whole, FRACTION),
        "offset_step": np.full_like(whole, FRACTION) + np.asarray(exponent, np.int64),
    }
