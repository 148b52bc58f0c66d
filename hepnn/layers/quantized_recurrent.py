"""Recurrent layers in fixed point, on HGQ2's quantizers.

HGQ2 has a simple recurrent layer and a GRU; here are these, the LSTM and the LSTM with
peepholes, all on the equations of `hepnn.layers.cells`, with what theirs do not have: a mask that
is data, one bit a step, and states that are on their lanes also where the last step is padding,
so that padding changes no bit.

Every number of a cell has a lane. Those of gates and of squashing functions saturate and thereby
are the function: a gate is `x / 4 + 1/2` of a lane from -2 to 2, a hyperbolic tangent is a lane
from -1 to 1, as in HGQ2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from hgq.config import QuantizerConfig
from hgq.layers.core.base import QLayerBaseSingleInput
from hgq.quantizer import Quantizer
from keras import ops
from keras.saving import serialize_keras_object

from hepnn.layers import recurrent
from hepnn.layers.recurrent import FloatCell, Recurrent

#: What a lane does: saturate as a gate, saturate as a squashing function, or only hold numbers.
GATE, SQUASH, HOLD = "gate", "squash", "hold"

#: Integer bits of the lanes that saturate.
REACH = {GATE: 1, SQUASH: 0}


class QuantizedRecurrent(QLayerBaseSingleInput, Recurrent):
    """What fixed-point recurrent layers share.

    Parameters
    ----------
    kq_conf, rkq_conf, bq_conf
        Quantizers of kernel, recurrent kernel and bias, and of weights like them.
    lanes
        A quantizer for every name in the class's `LANES`.
    iq_conf
        Of the features that come in; the mask has a lane of one bit.
    **kwargs
        As of the float layer and of HGQ2's.
    """

    #: The cell's lanes: what each does, and its width in units.
    LANES: ClassVar[dict[str, tuple[str, int]]]

    def __init__(
        self,
        kq_conf: QuantizerConfig,
        rkq_conf: QuantizerConfig,
        bq_conf: QuantizerConfig,
        lanes: Mapping[str, QuantizerConfig],
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "gates": "hard"})
        self._weight_confs = {"kq_conf": kq_conf, "rkq_conf": rkq_conf, "bq_conf": bq_conf}
        self._lane_confs = dict(lanes)
        self._weight_quantizers = {
            name: Quantizer(conf, name=f"{self.name}_{name}_q")
            for name, conf in self._of_weights().items()
        }
        self._lanes = {
            name: Quantizer(self._lane_confs[name], name=f"{self.name}_{name}_q")
            for name in self.LANES
        }
        self._bit = Quantizer(_ONE_BIT, name=f"{self.name}_mask_q") if self.masked else None

    @property
    def kq(self) -> Quantizer:
        """Quantizer of the kernel."""
        return self._weight_quantizers["kernel"]

    def lane(self, name: str) -> Quantizer:
        """Return the quantizer of a lane of the cell."""
        return self._lanes[name]

    @property
    def mask_lane(self) -> Quantizer:
        """Quantizer of the mask."""
        return self._bit

    def quantized(self, name: str) -> Any:
        """Return a weight on its grid."""
        return self._weight_quantizers[name](getattr(self, name))

    def build(self, input_shape: Any) -> None:
        """Make the weights and all quantizers."""
        batch, steps, features = input_shape
        self._iq.build((batch, steps, features - self.masked))
        super().build(input_shape)
        for name, quantizer in self._weight_quantizers.items():
            quantizer.build(getattr(self, name).shape)
        for name, (_, width) in self.LANES.items():
            self._lanes[name].build((batch, width * self.units))
        if self._bit is not None:
            self._bit.build((batch, steps, 1))

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Return the last output, or all of them."""
        return Recurrent.call(self, inputs, training=training)

    def cell(self, training: Any) -> FixedCell:
        """Return what the equations are computed with."""
        return FixedCell(self, training)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        config = {**super().get_config(), **self._weight_confs, "lanes": self._lane_confs}
        return serialize_keras_object(config)

    def _of_weights(self) -> dict[str, QuantizerConfig]:
        confs = self._weight_confs
        return {
            "kernel": confs["kq_conf"],
            "recurrent_kernel": confs["rkq_conf"],
            "bias": confs["bq_conf"],
        }

    def _bits(self, name: str) -> Any:
        """Return the bits of a weight or of a lane, of the shape of what it holds."""
        if name in self._weight_quantizers:
            return self._weight_quantizers[name].bits_(getattr(self, name).shape)
        return self._lanes[name].bits_((1, self.LANES[name][1] * self.units))

    def _compute_ebops(self, shape: Any) -> Any:
        steps = shape[1]
        into = self._iq.bits_((1, steps, self.kernel.shape[0]))
        held = sum(ops.sum(self._bits(name)) for name in ("state", "memory") if name in self.LANES)
        a_step = self._step_ebops() + ops.sum(self._bits("bias")) + self.masked * held
        return ops.sum(ops.matmul(into, self._bits("kernel"))) + steps * a_step

    def _step_ebops(self) -> Any:
        """Return the products of a step behind the linear map of its inputs."""
        raise NotImplementedError


class FixedCell(FloatCell):
    """Fixed-point arithmetic for the equations of `hepnn.layers.cells`."""

    def __init__(self, layer: QuantizedRecurrent, training: Any) -> None:
        super().__init__(layer)
        self._training = training
        # Once, and not in every step.
        self._weights = {name: layer.quantized(name) for name in layer._weight_quantizers}  # noqa: SLF001

    def weight(self, name: str) -> Any:
        """Return a weight on its grid."""
        return self._weights[name]

    def entering(self, x: Any) -> Any:
        """Return the inputs on their lanes."""
        return self._layer.iq(x, training=self._training)

    def bit(self, mask: Any) -> Any:
        """Return the mask as one bit."""
        return self._layer.mask_lane(mask, training=self._training)

    def gate(self, name: str, x: Any) -> Any:
        """Return the hard sigmoid, on its lane."""
        return 0.25 * self.lane(name, x) + 0.5

    def squash(self, name: str, x: Any) -> Any:
        """Return the hard hyperbolic tangent, on its lane."""
        return self.lane(name, x)

    def lane(self, name: str, x: Any) -> Any:
        """Return the number on its lane."""
        return self._layer.lane(name)(x, training=self._training)


@keras.saving.register_keras_serializable(package="hepnn")
class QSimpleRNN(QuantizedRecurrent, recurrent.SimpleRNN):
    """The simple recurrent layer; its state is the squashing lane itself."""

    LANES: ClassVar = {"state": (SQUASH, 1)}

    def _step_ebops(self) -> Any:
        return ops.sum(ops.matmul(self._bits("state"), self._bits("recurrent_kernel")))


@keras.saving.register_keras_serializable(package="hepnn")
class QLSTM(QuantizedRecurrent, recurrent.LSTM):
    """The LSTM; memory and output have lanes that wrap, as every other data lane."""

    LANES: ClassVar = {
        "gates": (GATE, 2),
        "candidate": (SQUASH, 1),
        "memory": (HOLD, 1),
        "read": (SQUASH, 1),
        "output_gate": (GATE, 1),
        "state": (HOLD, 1),
    }

    def _step_ebops(self) -> Any:
        written, remembered = ops.split(self._bits("gates"), 2, axis=-1)
        products = (
            written * self._bits("candidate")
            + remembered * self._bits("memory")
            + self._bits("output_gate") * self._bits("read")
        )
        into = ops.matmul(self._bits("state"), self._bits("recurrent_kernel"))
        return ops.sum(into) + ops.sum(products)


@keras.saving.register_keras_serializable(package="hepnn")
class QPeepholeLSTM(QLSTM, recurrent.PeepholeLSTM):
    """The LSTM whose gates see its memory."""

    def _of_weights(self) -> dict[str, QuantizerConfig]:
        return {**super()._of_weights(), "peephole": self._weight_confs["rkq_conf"]}

    def _step_ebops(self) -> Any:
        return super()._step_ebops() + ops.sum(self._bits("peephole") * self._bits("memory"))


@keras.saving.register_keras_serializable(package="hepnn")
class QGRU(QuantizedRecurrent, recurrent.GRU):
    """The gated recurrent unit; `past` is what is reset, before or after its linear map."""

    LANES: ClassVar = {
        "gates": (GATE, 2),
        "past": (HOLD, 1),
        "candidate": (SQUASH, 1),
        "state": (HOLD, 1),
    }

    def _of_weights(self) -> dict[str, QuantizerConfig]:
        weights = super()._of_weights()
        if self.reset_after:
            weights["recurrent_bias"] = self._weight_confs["bq_conf"]
        return weights

    def _step_ebops(self) -> Any:
        units = self.units
        update, reset = ops.split(self._bits("gates"), 2, axis=-1)
        state, past, kernel = (
            self._bits("state"),
            self._bits("past"),
            self._bits("recurrent_kernel"),
        )
        before = ops.matmul(state, kernel[:, : 2 * units])
        if self.reset_after:
            candidate = ops.matmul(state, kernel[:, 2 * units :]) + reset * past
        else:
            candidate = ops.matmul(past, kernel[:, 2 * units :]) + reset * state
        mixed = update * (state + self._bits("candidate"))
        return ops.sum(before) + ops.sum(candidate) + ops.sum(mixed)


_ONE_BIT = QuantizerConfig(
    "kif",
    "datalane",
    k0=0,
    i0=1,
    f0=0,
    ic=None,
    ir=None,
    fc=None,
    fr=None,
    trainable=False,
    homogeneous_axis=None,
    heterogeneous_axis=(),
)
