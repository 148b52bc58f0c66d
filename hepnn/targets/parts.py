"""FPGA parts by their ordering codes: whose they are, and whether there are such.

Known are the devices of the families below; one that is missing belongs in the table. What follows
a device in the code (package, speed, temperature) is only looked at for its form.
"""

from __future__ import annotations

import difflib
import re

_VIRTEX_PLUS = "3p 5p 7p 9p 11p 13p 19p 23p 27p 29p 31p 33p 35p 37p 45p 47p 57p"
_ZYNQ_PLUS = "1cg 1eg 2cg 2eg 3cg 3eg 4cg 4eg 4ev 5cg 5eg 5ev 6cg 6eg 7cg 7eg 7ev 9cg 9eg 11eg"
_ZYNQ_MORE = "15eg 17eg 19eg 21dr 25dr 27dr 28dr 29dr 39dr 42dr 43dr 46dr 47dr 48dr 49dr 65dr 67dr"

#: Devices by how their names begin, and what comes behind.
_AMD = {
    "xcvu": _VIRTEX_PLUS + " 065 080 095 125 160 190 440",
    "xcku": "3p 5p 9p 11p 13p 15p 19p 025 035 040 060 085 095 115",
    "xczu": f"{_ZYNQ_PLUS} {_ZYNQ_MORE}",
    "xcau": "7p 10p 15p 20p 25p",
    "xcu": "26 30 50 55c 55n 200 250 280",
    "xc7z": "007s 010 012s 014s 015 020 030 035 045 100",
    "xc7a": "12t 15t 25t 35t 50t 75t 100t 200t",
    "xc7k": "70t 160t 325t 355t 410t 420t 480t",
    "xc7s": "6 15 25 50 75 100",
    "xc7v": "585t 2000t x330t x415t x485t x550t x690t x980t x1140t h580t h870t",
    "xcvc": "1502 1702 1802 1902 2602 2802",
    "xcvm": "1102 1302 1402 1502 1802 2202 2302 2502 2902",
}

_ARRIA = "016 022 027 032 048 057 066 090 115"

_INTEL = {
    **{f"10A{kind}": _ARRIA for kind in "XST"},
    **{f"AGF{kind}": "006 008 012 014 019 022 023 027" for kind in "ABCD"},
    **{f"AGI{kind}": "019 022 023 027 035 040 041" for kind in "ABCD"},
    **{f"AGM{kind}": "032 039" for kind in "HIJ"},
    **{f"1S{kind}": "040 065 085 110 160 165 166 210 211 250 280 10M" for kind in "GXTM"},
    **{f"5C{kind}": "A2 A4 A5 A7 A9 C3 C4 C5 C7 C9 D5 D6 D7 D9" for kind in "EGTS"},
}

#: Families that Intel's compilers take in place of a part.
_FAMILIES = ("Agilex5", "Agilex7", "Arria10", "CycloneV", "Cyclone10GX", "Stratix10", "StratixV")

_LATTICE = {
    "LFE5U": "-12F -25F -45F -85F M-25F M-45F M-85F M5G-25F M5G-45F M5G-85F",
    "iCE40": "HX1K HX4K HX8K LP1K LP4K LP8K UP3K UP5K UL1K",
    "LIFCL": "-17 -33 -40",
}

_VENDORS = {"AMD": _AMD, "Intel": _INTEL, "Lattice": _LATTICE}

#: What may stand behind the device.
_REST = re.compile(r"[0-9A-Za-z-]*")


def vendor(part: str) -> str:
    """Return whose part it is.

    Parameters
    ----------
    part
        The whole code, such as ``xcvu13p-flga2577-2-e``, or a family of Intel's.

    Raises
    ------
    ValueError
        If no vendor has such a device, with the nearest that there is.

    Examples
    --------
    >>> vendor("xcvu13p-flga2577-2-e"), vendor("10AX115S3F45E2SG"), vendor("Agilex7")
    ('AMD', 'Intel', 'Intel')
    """
    if part in _FAMILIES:
        return "Intel"
    known = []
    for name, families in _VENDORS.items():
        for prefix, devices in families.items():
            for device in devices.split():
                known.append(prefix + device)
                rest = part.removeprefix(known[-1])
                if rest != part and _REST.fullmatch(rest) and not _longer(device, rest):
                    return name
    start = part.partition("-")[0]
    close = difflib.get_close_matches(start, [*known, *_FAMILIES], n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}...?" if close else ""
    raise ValueError(f"no part {part!r} is known{hint}")


def _longer(device: str, rest: str) -> bool:
    """Say whether the device's number goes on behind it, as of one that is not listed."""
    return device[-1:].isdigit() and rest[:1].isdigit()
