"""The C++ of a deployed folder: sources of kit `litert-cpp`, and what they are tried with.

`vectors/inputs.txt` and `vectors/expected.txt` hold an event a line in hexadecimal floats, which
lose no bit. Of a fixed-point stage the outputs of Keras are expected, to the last bit; of a float
stage what LiteRT answered here, since another processor may sum in another order.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import declarations, files
from hepnn.targets import vectors
from hepnn.targets.fixed_point import first_lane
from hepnn.targets.tflite.artefact import TFLiteArtefact

#: The folder of the sources among the kits.
KIT = "litert-cpp"

SOURCES = (
    "CMakeLists.txt",
    "events.hpp",
    "hepnn_litert.hpp",
    "hepnn_pool.hpp",
    "litert_c.hpp",
    "network_test.cpp",
    "trigger.cpp",
)

#: Of the largest output of an event: how far a float stage may be off on another processor.
TOLERANCE = 1e-4


def write(
    directory: Path, model: Any, artefact: TFLiteArtefact, calibration: np.ndarray
) -> dict[str, Any]:
    """Write sources and test vectors; return what `interface.json` says of them.

    Parameters
    ----------
    directory
        With the model files.
    model
        The Keras model.
    artefact
        Its float32 form.
    calibration
        Physical quantities `(events, *shape)`.
    """
    for name in SOURCES:
        shutil.copyfile(declarations.root("deploy") / KIT / name, directory / name)
    exact = artefact.promise == "exact"
    lane = first_lane(model) if exact else None
    chosen = vectors.choose(calibration, lane[1] if lane else None)
    given = artefact.predict(chosen.x)
    wanted = np.asarray(model.predict(chosen.x, verbose=0), np.float32) if exact else given
    differing = int((given != wanted).reshape(len(given), -1).any(axis=1).sum())
    files.write_text(directory / "vectors/inputs.txt", text(chosen.x))
    files.write_text(directory / "vectors/expected.txt", text(wanted))
    return {
        "program": {"sources": list(SOURCES), "tolerance": 0.0 if exact else TOLERANCE},
        "vectors": vectors.described(chosen, "keras" if exact else "LiteRT interpreter", differing),
    }


def text(events: np.ndarray) -> str:
    r"""Return numbers `(events, ...)` float32 as the C++ reads them: an event a line.

    >>> text(np.array([[0.5, -3.0]], np.float32))
    '0x1.0000000000000p-1 -0x1.8000000000000p+1\n'
    """
    rows = np.asarray(events, np.float32).reshape(len(events), -1).tolist()
    return "".join(" ".join(value.hex() for value in row) + "\n" for row in rows)
