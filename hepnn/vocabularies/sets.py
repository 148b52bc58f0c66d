"""Words for sets of objects: constant sums and choices, and the mask of padded places.

A masked sequence has, as its last feature, 1 for an object and 0 for padding. `Mask` makes of
it one bit for every place and channel, `Masked` multiplies by these bits. In firmware the first
is wires and the second an AND, with no broadcasting that a target would have to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from hgq.layers import QEinsumDense, QMultiply

from hepnn.errors import RecipeError
from hepnn.layers import graphs
from hepnn.vocabularies.attention import Attention, FixedPointAttention
from hepnn.vocabularies.grids import frozen, holding, set_grid

#: What a layer is here: tensors to a tensor.
Word = Callable[[Any], Any]


class Sets(Attention):
    """The float words."""

    Masked = staticmethod(keras.layers.Multiply)
    EdgeFeatures: Any = staticmethod(graphs.EdgeFeatures)
    EdgeMean = staticmethod(graphs.EdgeMean)

    def Mask(self, units: int, *, name: str) -> Word:  # noqa: N802 - the vocabulary's words
        """Return the mask bit of every place, `units` times.

        From `(batch, places, features)`, the bit last, to `(batch, places, units)`.
        """
        return lambda x: self._mask(last_feature(x.shape[-1], units), name, x)

    def ConstantEinsum(  # noqa: N802
        self, equation: str, kernel: np.ndarray, *, name: str, bias: np.ndarray | None = None
    ) -> Word:
        """Return a sum with weights that are given and never trained.

        Parameters
        ----------
        equation
            As for `EinsumDense`, with the batch.
        kernel, bias
            Powers of two, or zero, where the network is to be fixed point; the bias has the
            last axes of the output.
        name
            The layer's name.
        """
        return lambda x: self._constant(equation, kernel, bias, name, x)

    def _mask(self, kernel: np.ndarray, name: str, x: Any) -> Any:
        return self._constant("abc,cd->abd", kernel, None, name, x)

    def _constant(
        self, equation: str, kernel: np.ndarray, bias: np.ndarray | None, name: str, x: Any
    ) -> Any:
        layer = keras.layers.EinsumDense(**described(equation, x, kernel, bias), name=name)
        fill(layer, kernel, bias, x)
        return layer(x)


class FixedPointSets(FixedPointAttention):
    """The same words on HGQ2's layers; their constants are held exactly."""

    name: str

    def EdgeFeatures(self, neighbours: int, **kwargs: Any) -> Any:  # noqa: N802
        """Refuse nearest neighbours.

        Raises
        ------
        RecipeError
            Always.
        """
        raise RecipeError(
            f"vocabulary {self.name} has no EdgeFeatures: choosing the nearest has no fixed-point "
            "form here; take architecture interaction_network"
        )

    def Masked(self, *, name: str) -> Any:  # noqa: N802
        """Return the product with mask bits, the second of two tensors."""
        bit = frozen(k0=0, i0=1, f0=0)
        return QMultiply(name=name, iq_confs=(self.lane(name), bit), **self.pressure())

    def _mask(self, kernel: np.ndarray, name: str, x: Any) -> Any:
        features = x.shape[-1]
        lanes = frozen(homogeneous_axis=tuple(range(len(x.shape) - 1)), heterogeneous_axis=None)
        layer = self._held("abc,cd->abd", kernel, None, name, x, iq_conf=lanes)
        # Nothing but the bit comes in.
        shown = (np.arange(features) == features - 1).astype(int)
        set_grid(layer.iq, 0, shown, 0)
        return layer(x)

    def _constant(
        self, equation: str, kernel: np.ndarray, bias: np.ndarray | None, name: str, x: Any
    ) -> Any:
        # What comes in was brought to narrow lanes before; it is passed on as it is.
        return self._held(equation, kernel, bias, name, x, enable_iq=False)(x)

    def _held(
        self,
        equation: str,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        name: str,
        x: Any,
        **inputs: Any,
    ) -> Any:
        layer = QEinsumDense(
            **described(equation, x, kernel, bias),
            name=name,
            kq_conf=frozen("weight"),
            bq_conf=frozen("bias"),
            enable_ebops=False,
            **inputs,
        )
        fill(layer, kernel, bias, x)
        for quantizer, values in ((layer.kq, kernel), (layer.bq, bias)):
            if values is not None:
                set_grid(quantizer, 1, *holding(values))
        return layer


def last_feature(features: int, units: int) -> np.ndarray:
    """Return the kernel that repeats the last of the features."""
    kernel = np.zeros((features, units))
    kernel[-1] = 1.0
    return kernel


def described(equation: str, x: Any, kernel: np.ndarray, bias: np.ndarray | None) -> dict[str, Any]:
    """Return the arguments of an `EinsumDense` by the shapes of what it is given."""
    into, _, out = equation.partition("->")
    left, _, right = into.partition(",")
    sizes = dict(zip(left, x.shape, strict=True)) | dict(zip(right, kernel.shape, strict=True))
    return {
        "equation": equation,
        "output_shape": tuple(sizes[axis] for axis in out[1:]),
        "bias_axes": None if bias is None else out[len(out) - np.ndim(bias) :],
    }


def fill(layer: Any, kernel: np.ndarray, bias: np.ndarray | None, x: Any) -> None:
    """Build a layer for a tensor and give it its constants, for good."""
    layer.build(x.shape)
    layer.kernel.assign(np.asarray(kernel, np.float32))
    if bias is not None:
        layer.bias.assign(np.asarray(bias, np.float32))
    layer.trainable = False
