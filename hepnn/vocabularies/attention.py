"""Words for attention: a product of two tensors, and a softmax.

In fixed point the softmax subtracts the largest score, looks the exponentials up, adds them, and
looks the sum's inverse up. The exponentials are of 0 to -8 and have at most 9 fraction bits: a
score that is 8 or more below the largest has weight zero, exactly.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
from hgq.layers import QEinsum, QSoftmax

from hepnn.layers import attention

#: Integer bits of what the exponential is looked up for, and most fraction bits of what is found:
#: exp(-7) is below half of the last place, and so is everything further down.
REACH, FINEST = 3, 9


class Attention:
    """The float words."""

    Einsum: Any = staticmethod(attention.Einsum)

    def Softmax(self, *, name: str) -> Any:  # noqa: N802 - the vocabulary's words
        """Return the softmax over the last axis."""
        return keras.layers.Softmax(axis=-1, name=name)


class FixedPointAttention:
    """The same words on HGQ2's layers."""

    @abstractmethod
    def lane(self, layer: str) -> Any:
        """Return the quantizer of a layer's inputs."""

    @abstractmethod
    def pressure(self) -> dict[str, Any]:
        """Return the arguments of every layer by which its bits are pressed down."""

    @abstractmethod
    def softmax_tables(self) -> dict[str, Any]:
        """Return the quantizers `exp_iq_conf`, `exp_oq_conf`, `inv_iq_conf`, `inv_oq_conf`."""

    def Einsum(self, equation: str, *, name: str) -> Any:  # noqa: N802
        """Return the sum of the products of two tensors."""
        return QEinsum(equation, name=name, iq_confs=self.lane(name), **self.pressure())

    def Softmax(self, *, name: str) -> Any:  # noqa: N802
        """Return the softmax over the last axis, of two tables."""
        return QSoftmax(axis=-1, name=name, **self.softmax_tables(), **self.pressure())
