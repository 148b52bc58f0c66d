"""Quantizers with a width for every number, in backends where hls4ml 1.3 has none or is wrong.

- `VivadoAccelerator` and `Catapult` are refused. The one takes the C++ of Vivado.
- For Quartus and Catapult functions have to take arrays, and Quartus' writer forgets to write
  them.
- With `ac_fixed` a lane of one bit is written with two, so that it rounds to half its step and
  does not wrap. The types of Siemens, which Quartus and Catapult come with, do have one bit.
  For oneAPI, whose have not, such a lane is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError

#: The backend whose C++ another one takes.
_SAME = {"VivadoAccelerator": "Vivado", "Catapult": "Quartus"}

#: Backends with `ac_fixed` in plain arrays.
_ARRAYS = ("Quartus", "Catapult")

_INCLUDE = '#include "nnet_utils/nnet_helpers.h"\n'

_HEADER = """\
#ifndef NNET_CODE_GEN_H_
#define NNET_CODE_GEN_H_

#include "../defines.h"

namespace nnet {{
{code}
}} // namespace nnet

#endif
"""


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml write quantizers by the rules above, while in here."""
    from hls4ml.backends.fpga.passes import hgq_proxy_model as passes

    written, fixed = passes.generate_mask_fn, passes.to_acfixed

    def one_bit_too(k: Any, b: Any, i: Any, rounding: str, overflow: str) -> str:
        signed = "true" if k else "false"
        return f"ac_fixed<{b},{i},{signed},AC_{rounding},AC_{overflow}>"

    def generate(
        name: str, shape: Any, k: Any, b: Any, i: Any, rounding: str, overflow: str, backend: str
    ) -> str:
        if backend == "oneAPI" and np.any(b == 1):
            raise TargetError(f"quantizer {name} has a lane of one bit, which oneAPI has not")
        text = written(name, shape, k, b, i, rounding, overflow, _SAME.get(backend, backend))
        if backend in _ARRAYS:
            text = text.replace("input_t &inp, output_t &out", "input_t *inp, output_t *out")
        return str(text)

    passes.generate_mask_fn, passes.to_acfixed = generate, one_bit_too
    try:
        yield
    finally:
        passes.generate_mask_fn, passes.to_acfixed = written, fixed


def write(graph: Any, directory: Path) -> None:
    """Write the functions that Quartus' writer leaves out.

    Raises
    ------
    TargetError
        If the sources are not those of hls4ml 1.3.
    """
    code = "".join(str(part) for node in graph.get_layers() for part in node.code.values())
    firmware = directory / "firmware"
    text = (firmware / "parameters.h").read_text()
    if text.count(_INCLUDE) != 1:
        raise TargetError(f"target hls4ml: {firmware / 'parameters.h'} is not as of hls4ml 1.3")
    files.write_text(firmware / "nnet_utils" / "nnet_code_gen.h", _HEADER.format(code=code))
    with_ours = _INCLUDE + '#include "nnet_utils/nnet_code_gen.h"\n'
    files.write_text(firmware / "parameters.h", text.replace(_INCLUDE, with_ours))
