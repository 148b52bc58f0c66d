"""What hls4ml's backends have in common here, and in what they differ.

`Vitis`, `Vivado` and `VivadoAccelerator` are AMD's, `Quartus` and `oneAPI` Intel's, `Catapult`
is Siemens'. Their C++ is compiled and run on this machine with the types that the vendor's
compiler has, save that of `oneAPI`, which is SYCL and needs `icpx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import TargetError, nearest
from hepnn.targets import parts
from hepnn.targets.kit import Kit

#: Layers that were compared with Keras bit for bit where hls4ml does not write AMD's C++.
_PROVEN = (
    "InputLayer",
    "QEinsumDense",
    "EinsumDense",
    "QDense",
    "Dense",
    "QConv2D",
    "Conv2D",
    "Activation",
    "ReLU",
    "Flatten",
    "Reshape",
    "MaxPooling2D",
)

#: Of the clock that hls4ml's block design takes from the processor of a PYNQ-Z2.
_PYNQ_CLOCK_NS = 10


@dataclass(frozen=True)
class Backend:
    """How a backend's project is read, compiled here and built by the vendor.

    Attributes
    ----------
    vendor : str
        Whose parts it is for.
    includes : tuple of str
        Folders of the headers with the types.
    sources : str
        Where the sources lie in the project.
    emulated : bool
        Its C++ runs on this machine.
    einsum : bool
        hls4ml has an einsum for it.
    beside : tuple of str
        Further sources in `firmware/`, such as an adapter of the port.
    proven : tuple of str or None
        Classes of layers that may be used; all where None.
    """

    vendor: str
    includes: tuple[str, ...] = ()
    sources: str = "."
    emulated: bool = True
    einsum: bool = False
    beside: tuple[str, ...] = ()
    proven: tuple[str, ...] | None = _PROVEN


_XILINX = ("firmware/ap_types",)
_CATAPULT = tuple(f"firmware/{name}/include" for name in ("ac_types", "ac_math", "ac_simutils"))

BACKENDS = {
    "Vitis": Backend("AMD", _XILINX, einsum=True, proven=None),
    "Vivado": Backend("AMD", _XILINX, einsum=True, proven=None),
    "VivadoAccelerator": Backend(
        "AMD", _XILINX, einsum=True, beside=("network_axi.cpp",), proven=None
    ),
    "Quartus": Backend("Intel", ("firmware/ac_types", "firmware/ap_types")),
    "oneAPI": Backend("Intel", sources="src", emulated=False, einsum=True),
    "Catapult": Backend("AMD", (*_CATAPULT, "firmware/nnet_utils")),
}


def of(kit: Kit) -> Backend:
    """Return what is known of a kit's backend."""
    return BACKENDS[kit.hls4ml.backend]


def options(kit: Kit) -> dict[str, Any]:
    """Return what a backend's conversion is told beside what all are told.

    Raises
    ------
    TargetError
        If the kit's part is another vendor's, or hls4ml has no design for its board, or not at
        its clock.
    """
    name, vendor = kit.hls4ml.backend, of(kit).vendor
    if kit.part is not None and parts.vendor(kit.part) != vendor:
        raise TargetError(f"kit {kit.name}: backend {name} is for {vendor}'s parts, not {kit.part}")
    if name != "VivadoAccelerator":
        return {}
    from hls4ml.backends.vivado_accelerator import vivado_accelerator_config

    beside = Path(vivado_accelerator_config.__file__).parent
    known = files.read_json(beside / "supported_boards.json")
    board = kit.hls4ml.board
    if board not in known:
        raise TargetError(
            f"kit {kit.name}: hls4ml has no accelerator for board {board!r};"
            f" {nearest(board, known)}"
        )
    # hls4ml takes the board's part whatever the kit says, and its designs have one clock.
    part = known[board]["part"]
    if kit.part not in (None, part):
        raise TargetError(f"kit {kit.name}: board {board} has part {part}, not {kit.part}")
    if board == "pynq-z2" and kit.clock_period_ns not in (None, _PYNQ_CLOCK_NS):
        raise TargetError(
            f"kit {kit.name}: hls4ml's design for {board} is clocked at {_PYNQ_CLOCK_NS} ns,"
            f" not {kit.clock_period_ns:g}"
        )
    return {"board": board}


def refused(model: Any, kit: Kit, fixed: bool) -> dict[str, str]:
    """Return the layers that the kit's backend is not to be trusted with, with the reason.

    Parameters
    ----------
    model
        The network as it is converted.
    kit
        With the backend.
    fixed
        The network is in fixed point. In float its outputs are only known once it runs.
    """
    backend, name = of(kit), kit.hls4ml.backend
    if not (backend.emulated or fixed):
        last = model.layers[-1].name
        return {last: f"{name} is not run here, so nobody knows what a float stage becomes"}
    if backend.proven is None:
        return {}
    said = f"not proven to be repeated by hls4ml's {name}: use Vitis or Vivado"
    return {
        layer.name: f"{layer.__class__.__name__} is {said}"
        for layer in model.layers
        if layer.__class__.__name__ not in backend.proven
    }
