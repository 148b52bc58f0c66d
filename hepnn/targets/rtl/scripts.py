"""The vendors' project scripts that alkaid writes, for the vendor of the part alone.

alkaid 0.8.2 writes both for any part. That of Vivado places with a directive for parts of
several dies and an option that Vivado has not any more (UG835, `place_design`); that of Quartus
takes the part's code for its family.
"""

from __future__ import annotations

from pathlib import Path

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets import parts

VIVADO, QUARTUS = "build_vivado_prj.tcl", "build_quartus_prj.tcl"

#: Script and kind of constraints by vendor.
_OF = {"AMD": (VIVADO, "xdc"), "Intel": (QUARTUS, "sdc")}

_PLACE = ("place_design -directive SSI_HighUtilSLRs -fanout_opt", "place_design -directive Explore")

_FAMILY = 'set_global_assignment -name FAMILY [lindex [split "${device}" "-"] 0]'


def mend(folder: Path, part: str, family: str | None) -> None:
    """Keep the script that builds the part, and put right what would stop it.

    Parameters
    ----------
    folder
        What alkaid wrote in one language.
    part
        The kit's part.
    family
        Of an Intel part, as Quartus names it.

    Raises
    ------
    TargetError
        If an Intel part has no family, or a script is not that of alkaid 0.8.2.
    """
    vendor = parts.vendor(part)
    for name, (script, constraints) in _OF.items():
        if name != vendor:
            (folder / script).unlink()
            for path in (folder / "src").glob(f"*.{constraints}"):
                path.unlink()
    if vendor == "AMD":
        _replace(folder / VIVADO, *_PLACE)
    elif vendor == "Intel":
        if family is None:
            raise TargetError(f"part {part}: the kit has no family, which Quartus wants to know")
        _replace(folder / QUARTUS, _FAMILY, f'set_global_assignment -name FAMILY "{family}"')


def _replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    if text.count(before) != 1:
        raise TargetError(f"target rtl: {path} is not the script of alkaid 0.8.2")
    files.write_text(path, text.replace(before, after))
