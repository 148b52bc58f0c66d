"""Rounding to a step beyond all bits of a number, which stops the emulation's types.

The open-source `ap_types` that hls4ml 1.3 ships read the bit below the new last place before they
ask whether the number has one; an assertion then ends the process. A channel that passes nothing,
on a lane that rounds half up, is such a case. The vendor's types have no assertion.
"""

from __future__ import annotations

from pathlib import Path

from hepnn import files
from hepnn.errors import TargetError

_BIT = "bool qbit = _AP_ROOT_op_get_bit(op.V, F2 - _AP_F - 1);"
_BIT_THAT_IS_THERE = (
    "bool qbit = (F2 - _AP_F > _AP_W2) ? false : (bool)_AP_ROOT_op_get_bit(op.V, F2 - _AP_F - 1);"
)


def mend(directory: Path) -> None:
    """Let the types ask first, in the sources that were written.

    Raises
    ------
    TargetError
        If the sources are not those of hls4ml 1.3.
    """
    header = directory / "firmware" / "ap_types" / "ap_fixed_base.h"
    text = header.read_text()
    if text.count(_BIT) != 1:
        raise TargetError(f"target hls4ml: {header} does not round as that of hls4ml 1.3 does")
    files.write_text(header, text.replace(_BIT, _BIT_THAT_IS_THERE))
