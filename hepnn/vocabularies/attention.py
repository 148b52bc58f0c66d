"""Words for attention: a product of two tensors, and a softmax.

In fixed point the softmax subtracts the largest score, looks the exponentials up, adds them, and
looks the sum's inverse up; the constant that scores are multiplied by is in the table. The
exponentials are of 0 to -8 at least, and have at most 9 fraction bits: a score that is so much
below the largest has weight zero, exactly.
"""

from __future__ import annotations

from abc import abstractmethod
from math import ceil, log2
from typing import Any

import keras
from hgq.layers import QAdd, QEinsum, QSoftmax

from hepnn.layers import attention
from hepnn.vocabularies.grids import frozen

#: How far down exponentials are looked up, as a power of two, and their most fraction bits:
#: exp(-7), were the table to end there, is below half of the last place.
REACH, FINEST = 3, 9


class Attention:
    """The float words."""

    Einsum: Any = staticmethod(attention.Einsum)
    Softmax: Any = staticmethod(attention.ScaledSoftmax)

    def Raised(self, by: float, *, name: str) -> Any:  # noqa: N802 - the vocabulary's words
        """Return the sum of a tensor and of one that holds 0 and `by`, a power of two."""
        return keras.layers.Add(name=name)


class FixedPointAttention:
    """The same words on HGQ2's layers."""

    @abstractmethod
    def lane(self, layer: str) -> Any:
        """Return the quantizer of a layer's inputs."""

    @abstractmethod
    def pressure(self) -> dict[str, Any]:
        """Return the arguments of every layer by which its bits are pressed down."""

    @abstractmethod
    def softmax_tables(self, reach: int) -> dict[str, Any]:
        """Return the quantizers `exp_iq_conf`, `exp_oq_conf`, `inv_iq_conf`, `inv_oq_conf`.

        Parameters
        ----------
        reach
            Integer bits of what the exponential is looked up for.
        """

    def Einsum(self, equation: str, *, name: str) -> Any:  # noqa: N802 - the vocabulary's words
        """Return the sum of the products of two tensors."""
        return QEinsum(equation, name=name, iq_confs=self.lane(name), **self.pressure())

    def Raised(self, by: float, *, name: str) -> Any:  # noqa: N802
        """Return the sum of a tensor and of one that holds 0 and `by`: one bit of it comes in."""
        power = round(log2(by))
        lanes = (self.lane(name), frozen(k0=0, i0=power + 1, f0=-power))
        return QAdd(name=name, iq_confs=lanes, **self.pressure())

    def Softmax(self, scale: float = 1.0, *, name: str) -> Any:  # noqa: N802
        """Return the softmax over the last axis, of two tables."""
        tables = self.softmax_tables(REACH + ceil(-log2(scale)))
        return QSoftmax(axis=-1, input_scaler=scale, name=name, **tables, **self.pressure())
