"""Whose work is in an export, and under which licence: looked up in what is installed."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = "LICENSES"


@dataclass(frozen=True)
class Part:
    """Files of one origin.

    Attributes
    ----------
    files : str
        Which they are, for a reader; the part is there when `marker` is.
    marker : str
        A pattern of one of them.
    origin : str
        Who wrote them.
    licence : str
        SPDX name; empty where the installed package says it.
    package : str
        The distribution that they came from.
    """

    files: str
    marker: str
    origin: str
    package: str
    licence: str = ""


_SIEMENS = "Siemens EDA (Mentor Graphics), Algorithmic C"

_PARTS = (
    Part("the C++ sources", "network.cpp", "hepnn", "hepnn"),
    Part("the C++ sources and `CMakeLists.txt`", "hepnn_litert.hpp", "hepnn", "hepnn"),
    Part("the HLS sources, scripts and test bench", "hls4ml_config.yml", "hls4ml", "hls4ml"),
    Part("`firmware/ap_types/`", "firmware/ap_types/*.h", "Xilinx", "hls4ml", "Apache-2.0"),
    Part("`firmware/ac_types/`", "firmware/ac_types/**/*.h", _SIEMENS, "hls4ml", "Apache-2.0"),
    Part("`firmware/ac_math/`", "firmware/ac_math/**/*.h", _SIEMENS, "hls4ml", "Apache-2.0"),
    Part("`firmware/ac_simutils/`", "firmware/ac_simutils/**/*", _SIEMENS, "hls4ml", "Apache-2.0"),
    Part("`verilog/src/static/`, `verilog/sim/`", "verilog/src/static/*.v", "alkaid", "alkaid"),
    Part("`vhdl/src/static/`", "vhdl/src/static/*.vhd", "alkaid", "alkaid"),
)


def write(folder: Path) -> list[tuple[str, str, str]]:
    """Copy the licences' texts and return what is whose.

    Parameters
    ----------
    folder
        What the target wrote.

    Returns
    -------
    list of tuple
        Files, origin with its version, and the licence, for every part that is there.
    """
    found = []
    for part in _PARTS:
        if not any(folder.glob(part.marker)):
            continue
        version = importlib.metadata.version(part.package)
        licence = part.licence or _licence(part.package)
        origin = f"{part.origin} {version}" if part.origin == part.package else part.origin
        if part.origin != part.package:
            origin += f", as hls4ml {version} brings it"
        found.append((part.files, origin, licence))
        _copy(part.package, folder / FOLDER)
    return found


def _licence(package: str) -> str:
    stated = importlib.metadata.metadata(package).json
    return str(stated.get("license_expression") or stated.get("license") or "not stated")


def _copy(package: str, folder: Path) -> None:
    """Copy the licence's text of an installed package."""
    for path in importlib.metadata.files(package) or ():
        source = Path(str(path.locate()))
        inside = ".dist-info" in str(path) or len(path.parts) == 2
        if path.name.upper().startswith("LICENSE") and inside and source.is_file():
            folder.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / f"{package}.txt")
            return
