"""Fixed bit widths with the quantizers of the QKeras API.

C. N. Coelho et al., "Automatic heterogeneous quantization of deep neural networks for
low-latency inference on the edge for particle detectors", Nature Mach. Intell. 3 (2021) 675
(arXiv:2006.10159): every weight and every activation has the same number of bits, rounded to
nearest even, saturating. `quantized_bits` is the implementation that HGQ2 ships for Keras 3.

The layers are HGQ2's, given those quantizers; `qkeras.qlayers` is never imported, because it
replaces the constructors of HGQ2's own layers for the whole process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkeras.quantizers import quantized_bits

from hepnn.layers.activations import Precise
from hepnn.layers.quantized_recurrent import REACH
from hepnn.vocabularies import attention
from hepnn.vocabularies.hgq import FixedPoint, integers
from hepnn.vocabularies.neurons import held

#: Integer bits of what recurrent cells hold; states are between -1 and 1.
_HELD = {"state": 0, "past": 1, "memory": 2}


class QKeras(FixedPoint):
    """The vocabulary of fixed bit widths.

    Parameters
    ----------
    bits
        Bits of weights and activations, the sign included.
    ranges
        Range of `<layer>.input`, `<layer>.kernel`, `<layer>.bias`, and the smallest input
        `<layer>.input.min`, measured on the float stage; they place the binary point.
        Without them, two integer bits for activations and none for weights.
    """

    name = "qkeras"

    def __init__(self, bits: int = 6, ranges: Mapping[str, float] | None = None) -> None:
        self.bits = bits
        self.ranges = dict(ranges or {})

    def lane(self, layer: str) -> Any:
        """Return a frozen quantizer, the binary point placed by the measured range."""
        if self.ranges.get(f"{layer}.input.min", -1.0) >= 0.0:
            whole = integers(self.ranges, f"{layer}.input", 2)
            return quantized_bits(self.bits, whole, keep_negative=False)
        return self._signed(f"{layer}.input", 2)

    def weight(self, layer: str, part: str) -> Any:
        """Return a frozen quantizer, the binary point placed by the weights."""
        return self._signed(f"{layer}.{part}", 0)

    def inner_lane(self, name: str, kind: str) -> Any:
        """Return a frozen quantizer inside a recurrent cell; a memory reaches from -4 to 4."""
        return quantized_bits(self.bits - 1, REACH.get(kind, _HELD.get(name, 0)))

    def table(self, layer: str, function: Precise) -> tuple[Any, Any]:
        """Return frozen quantizers for a table: `bits` wide, both of them."""
        whole = integers(self.ranges, f"{layer}.input", 2)
        signed, integer = held(*function.range(-(2.0**whole), 2.0**whole))
        entries = quantized_bits(self.bits - signed, integer, keep_negative=signed)
        return quantized_bits(self.bits - 1, whole), entries

    def softmax_tables(self, reach: int) -> dict[str, Any]:
        """Return frozen quantizers of a softmax: `bits` wide, without a sign."""
        bits = min(self.bits, attention.FINEST)
        return {
            "exp_iq_conf": quantized_bits(self.bits, reach, keep_negative=False),
            "exp_oq_conf": quantized_bits(bits, 0, keep_negative=False),
            "inv_iq_conf": quantized_bits(self.bits, 4, keep_negative=False),
            "inv_oq_conf": quantized_bits(bits, 0, keep_negative=False),
        }

    def pressure(self) -> dict[str, Any]:
        """Return that no bits are counted."""
        return {"enable_ebops": False}

    def _signed(self, part: str, default: int) -> Any:
        # quantized_bits of HGQ2 counts the bits without the sign.
        return quantized_bits(self.bits - 1, integers(self.ranges, part, default))
