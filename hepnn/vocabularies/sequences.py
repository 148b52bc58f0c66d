"""Words for sequences: recurrent layers, float and in fixed point."""

from __future__ import annotations

from typing import Any

from hepnn.errors import RecipeError
from hepnn.layers import quantized_recurrent as quantized
from hepnn.layers import recurrent


class Sequences:
    """The float words."""

    SimpleRNN: Any = staticmethod(recurrent.SimpleRNN)
    LSTM: Any = staticmethod(recurrent.LSTM)
    PeepholeLSTM: Any = staticmethod(recurrent.PeepholeLSTM)
    GRU: Any = staticmethod(recurrent.GRU)


class FixedPointSequences:
    """The same words in fixed point, with hard gates."""

    def SimpleRNN(self, units: int, **kwargs: Any) -> Any:  # noqa: N802 - the vocabulary's words
        """Return a simple recurrent layer."""
        return self._recurrent(quantized.QSimpleRNN, units, **kwargs)

    def LSTM(self, units: int, **kwargs: Any) -> Any:  # noqa: N802
        """Return a long short-term memory."""
        return self._recurrent(quantized.QLSTM, units, **kwargs)

    def PeepholeLSTM(self, units: int, **kwargs: Any) -> Any:  # noqa: N802
        """Return a long short-term memory whose gates see its memory."""
        return self._recurrent(quantized.QPeepholeLSTM, units, **kwargs)

    def GRU(self, units: int, **kwargs: Any) -> Any:  # noqa: N802
        """Return a gated recurrent unit."""
        return self._recurrent(quantized.QGRU, units, **kwargs)

    def _recurrent(self, layer: Any, units: int, **kwargs: Any) -> Any:
        nn: Any = self
        if kwargs.pop("gates", "soft") != "hard":
            raise RecipeError(f"vocabulary {nn.name} has no soft gates; set gates: hard")
        name = kwargs["name"]
        return layer(
            units=units,
            **kwargs,
            iq_conf=nn.lane(name),
            kq_conf=nn.weight(name, "kernel"),
            rkq_conf=nn.weight(name, "recurrent_kernel"),
            bq_conf=nn.weight(name, "bias"),
            lanes={lane: nn.inner_lane(lane, kind) for lane, (kind, _) in layer.LANES.items()},
            **nn.pressure(),
        )
