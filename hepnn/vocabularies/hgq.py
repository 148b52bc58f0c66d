"""HGQ2 layers with learned bit widths.

C. Sun et al., "Gradient-based automatic mixed precision quantization for neural networks
on-chip" (arXiv:2405.00645): every weight and every data lane has a bit width of its own, which
is trained with the weights against a differentiable estimate of the logic used (effective bit
operations, EBOPs), times `beta`.

Data lanes wrap around and round half up, or down where asked for; weights round half up and
saturate symmetrically.
The networks are fixed point throughout: equal bits can be asked of every target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from hgq.config import QuantizerConfig
from hgq.constraints import Constant, MinMax
from hgq.layers import (
    QAdd,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QDense,
    QEinsumDense,
    QMaximum,
    QMultiply,
    QSubtract,
)
from hgq.regularizers import MonoL1

from hepnn.errors import RecipeError
from hepnn.layers.activations import PLAIN, Precise
from hepnn.layers.depthwise import QDepthwiseConv2D
from hepnn.layers.quantized_recurrent import HOLD, REACH
from hepnn.vocabularies import attention
from hepnn.vocabularies.floating import Float
from hepnn.vocabularies.grids import set_grid
from hepnn.vocabularies.neurons import FixedPointNeurons, held
from hepnn.vocabularies.sequences import FixedPointSequences
from hepnn.vocabularies.sets import FixedPointSets

#: Largest integer and fraction bits of a table's inputs: 4,096 entries with the sign.
TABLE_INTEGER, TABLE_FRACTION = 4, 7

_SUBSTITUTES = {
    "ScaledTanh": "activation: relu",
    "Subsampling2D": "subsampling: max or average",
    "PartialConv2D": "connections: full",
    "RadialBasis": "output: dense",
    "LayerNormalization": "normalization: batch",
    "NeuralODE": "solver: euler",
    "LocalResponseNormalization": "normalization: none",
    "Conv2DTranspose": "upsampling: nearest",
    "TiedDense": "tied: false",
    "TiedConv2D": "tied: false",
}


class FixedPoint(FixedPointNeurons, FixedPointSequences, FixedPointSets, Float, ABC):
    """What the fixed-point vocabularies share: the same words on HGQ2's layers."""

    def __getattribute__(self, word: str) -> Any:
        """Refuse a word that has no fixed-point form, naming what to use instead."""
        if word in _SUBSTITUTES:
            name = object.__getattribute__(self, "name")
            raise RecipeError(
                f"vocabulary {name} has no {word}; set {_SUBSTITUTES[word]} in the architecture"
            )
        return object.__getattribute__(self, word)

    @abstractmethod
    def lane(self, layer: str) -> Any:
        """Return the quantizer of a layer's inputs: a width a feature or channel, the last axis.

        Parameters
        ----------
        layer
            The layer's name.
        """

    @abstractmethod
    def weight(self, layer: str, part: str) -> Any:
        """Return the quantizer of a layer's weights.

        Parameters
        ----------
        layer
            The layer's name.
        part
            `kernel`, `recurrent_kernel` or `bias`.
        """

    @abstractmethod
    def pressure(self) -> dict[str, Any]:
        """Return the arguments of every layer by which its bits are pressed down."""

    def quantizers(self, layer: str) -> dict[str, Any]:
        """Return the arguments of a layer with a kernel: inputs, kernel and bias."""
        return {
            "iq_conf": self.lane(layer),
            "kq_conf": self.weight(layer, "kernel"),
            "bq_conf": self.weight(layer, "bias"),
            **self.pressure(),
        }

    def Dense(self, units: int, **kwargs: Any) -> Any:  # noqa: N802 - the vocabulary's words
        """Return a fully connected layer, over the last axis."""
        self._refuse_inexact(kwargs.get("activation"))
        return QDense(units, **kwargs, **self.quantizers(kwargs["name"]))

    def EinsumDense(self, equation: str, **kwargs: Any) -> Any:  # noqa: N802
        """Return a linear layer along any axes."""
        self._refuse_inexact(kwargs.get("activation"))
        return QEinsumDense(equation, **kwargs, **self.quantizers(kwargs["name"]))

    def Conv1D(self, filters: int, kernel_size: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Return a one-dimensional convolution; a causal one pads before it."""
        self._refuse_inexact(kwargs.get("activation"))
        if kwargs.get("padding") == "causal":
            return self._causal(filters, kernel_size, **kwargs)
        return QConv1D(filters, kernel_size, **kwargs, **self.quantizers(kwargs["name"]))

    def _causal(self, filters: int, kernel_size: Any, **kwargs: Any) -> Any:
        # HGQ2's layer stops where it counts its EBOPs: it convolves bits with the same padding.
        (span,) = np.ravel(kernel_size)
        (dilation,) = np.ravel(kwargs.get("dilation_rate", 1))
        padding = self.ZeroPadding1D(
            ((int(span) - 1) * int(dilation), 0), name=f"{kwargs['name']}_padding"
        )
        convolution = self.Conv1D(filters, kernel_size, **{**kwargs, "padding": "valid"})
        return lambda x: convolution(padding(x))

    def Conv2D(self, filters: int, kernel_size: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Return a two-dimensional convolution."""
        self._refuse_inexact(kwargs.get("activation"))
        return QConv2D(filters, kernel_size, **kwargs, **self.quantizers(kwargs["name"]))

    def DepthwiseConv2D(self, kernel_size: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Return a convolution of each map alone."""
        self._refuse_inexact(kwargs.get("activation"))
        return QDepthwiseConv2D(kernel_size, **kwargs, **self.quantizers(kwargs["name"]))

    def BatchNormalization(self, **kwargs: Any) -> Any:  # noqa: N802
        """Return a batch normalization whose scale and offset are fixed point."""
        return QBatchNormalization(**kwargs, **self.quantizers(kwargs["name"]))

    def Add(self, **kwargs: Any) -> Any:  # noqa: N802
        """Return the sum of several tensors."""
        return QAdd(**kwargs, **self._lanes(kwargs["name"]))

    def Subtract(self, **kwargs: Any) -> Any:  # noqa: N802
        """Return the difference of two tensors."""
        return QSubtract(**kwargs, **self._lanes(kwargs["name"]))

    def Multiply(self, **kwargs: Any) -> Any:  # noqa: N802
        """Return the product of several tensors."""
        return QMultiply(**kwargs, **self._lanes(kwargs["name"]))

    def Maximum(self, **kwargs: Any) -> Any:  # noqa: N802
        """Return the larger of several tensors."""
        return QMaximum(**kwargs, **self._lanes(kwargs["name"]))

    def _lanes(self, layer: str) -> dict[str, Any]:
        return {"iq_confs": self.lane(layer), **self.pressure()}

    def _refuse_inexact(self, activation: str | None) -> None:
        if activation not in (None, *PLAIN):
            raise RecipeError(
                f"vocabulary {self.name} has no activation {activation!r} within a layer with a "
                "kernel; use activation: relu, or the word Activation behind it"
            )

    def input_scaling(
        self, shape: tuple[int, ...], scaling: dict[str, np.ndarray], name: str = "input_scaling"
    ) -> Any:
        """Return the frozen input layer, exact on the grid of the physical quantities."""
        frozen: dict[str, Any] = {"trainable": False, "ic": None, "ir": None, "fr": None}
        lanes = {"fc": None, "homogeneous_axis": tuple(range(len(shape)))}
        layer = QEinsumDense(
            **self._einsum(shape, name),
            iq_conf=QuantizerConfig("kif", "datalane", **frozen, **lanes),
            kq_conf=QuantizerConfig("kif", "weight", **frozen, fc=None),
            bq_conf=QuantizerConfig("kif", "bias", **frozen, fc=None),
            enable_ebops=False,
        )
        layer.build((None, *shape))
        exponent, signed = scaling["exponent"], scaling["signed"]
        step = scaling["offset_step"]
        set_grid(layer.iq, signed, scaling["integer"], scaling["fraction"])
        set_grid(layer.kq, np.ones_like(exponent), 1 - exponent, exponent)
        set_grid(layer.bq, np.ones_like(exponent), np.full_like(exponent, 20), step)
        self._fill(layer, scaling)
        layer.trainable = False
        return layer


class HGQ(FixedPoint):
    """The vocabulary of learned bit widths.

    Parameters
    ----------
    beta
        Weight of the EBOPs in the loss; a schedule changes it in training.
    weight_bits, lane_fraction, lane_integer
        Where the widths start: bits of the weights without their sign, fraction and integer
        bits of the data lanes.
    max_fraction
        Largest fraction of a data lane.
    rounding
        Of the data lanes: `RND`, half up, or `TRN`, down.
    """

    name = "hgq"

    def __init__(
        self,
        beta: float = 0.0,
        weight_bits: int = 8,
        lane_integer: int = 2,
        lane_fraction: int = 6,
        max_fraction: int = 12,
        rounding: str = "RND",
    ) -> None:
        self.beta = beta
        self.weight_bits = weight_bits
        self.lane_integer = lane_integer
        self.lane_fraction = lane_fraction
        self.max_fraction = max_fraction
        self.rounding = rounding

    def lane(self, layer: str) -> Any:
        """Return a trainable quantizer: one width a feature or channel."""
        return QuantizerConfig(
            "kif",
            "datalane",
            i0=self.lane_integer,
            f0=self.lane_fraction,
            # A step above one is left to the weights.
            fc=MinMax(0, self.max_fraction),
            fr=MonoL1(1e-8),
            round_mode=self.rounding,
            homogeneous_axis=None,
            heterogeneous_axis=(-1,),
        )

    def weight(self, layer: str, part: str) -> Any:
        """Return a trainable quantizer: one width a weight."""
        place = "bias" if part == "bias" else "weight"
        return QuantizerConfig("kbi", place, b0=self.weight_bits, br=MonoL1(1e-8))

    def inner_lane(self, name: str, kind: str) -> Any:
        """Return a trainable quantizer inside a recurrent cell; gates and tanh saturate."""
        if kind == HOLD:
            return self.lane(name)
        reach = REACH[kind]
        return QuantizerConfig(
            "kif",
            "datalane",
            i0=reach,
            ic=Constant(reach),
            ir=None,
            # A gate is a quarter of its lane.
            f0=max(self.lane_fraction - 2 * reach, 0),
            fc=MinMax(0, self.max_fraction),
            fr=MonoL1(1e-8),
            round_mode=self.rounding,
            overflow_mode="SAT",
            homogeneous_axis=None,
            heterogeneous_axis=(-1,),
        )

    def table(self, layer: str, function: Precise) -> tuple[Any, Any]:
        """Return trainable quantizers for a table; both saturate.

        An input that wrapped around would open a gate that it should close.
        """
        lane: dict[str, Any] = {
            "f0": self.lane_fraction,
            "fr": MonoL1(1e-8),
            "ir": MonoL1(1e-8),
            "overflow_mode": "SAT",
            "homogeneous_axis": None,
            "heterogeneous_axis": (),
        }
        integer = self.lane_integer + 1
        signed, whole = held(*function.range(-(2.0**integer), 2.0**integer))
        inputs = {"ic": MinMax(0, TABLE_INTEGER), "fc": MinMax(0, TABLE_FRACTION)}
        entries = {"ic": MinMax(0, self.max_fraction), "fc": MinMax(0, self.max_fraction)}
        inputs |= {"k0": True, "i0": integer, "round_mode": self.rounding}
        entries |= {"k0": signed, "i0": whole, "round_mode": "RND"}
        return (
            QuantizerConfig("kif", "datalane", **inputs, **lane),
            QuantizerConfig("kif", "table", **entries, **lane),
        )

    def softmax_tables(self, reach: int) -> dict[str, Any]:
        """Return trainable quantizers of a softmax: all saturate, and have no sign."""
        lane: dict[str, Any] = {
            "k0": False,
            "fr": MonoL1(1e-8),
            "ir": MonoL1(1e-8),
            "overflow_mode": "SAT",
            "homogeneous_axis": None,
            "heterogeneous_axis": (),
        }
        score = {"i0": reach, "ic": Constant(reach), "fc": MinMax(0, TABLE_FRACTION)}
        score |= {"f0": max(self.lane_fraction + attention.REACH - reach, 0)}
        total = {"i0": TABLE_INTEGER, "ic": MinMax(0, TABLE_INTEGER + 1)}
        total |= {"f0": self.lane_fraction, "fc": MinMax(0, TABLE_FRACTION)}
        entry = {"i0": 0, "ic": Constant(0), "f0": 8, "fc": MinMax(0, attention.FINEST)}
        return {
            "exp_iq_conf": QuantizerConfig("kif", "datalane", **score, **lane),
            "exp_oq_conf": QuantizerConfig("kif", "table", **entry, **lane),
            "inv_iq_conf": QuantizerConfig("kif", "datalane", **total, **lane),
            "inv_oq_conf": QuantizerConfig("kif", "table", **entry, **lane),
        }

    def pressure(self) -> dict[str, Any]:
        """Return the weight of the EBOPs."""
        return {"beta0": self.beta}


def integers(ranges: Mapping[str, float], name: str, default: int) -> int:
    """Return the integer bits that hold the largest absolute value measured under a name."""
    if name not in ranges:
        return default
    return int(np.ceil(np.log2(max(ranges[name], 2.0**-8))))
