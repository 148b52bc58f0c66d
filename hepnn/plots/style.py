"""How pictures look: SVG that reads on white and on near-black.

Everything that is ink (axes, ticks, text) is drawn in one marked colour, which becomes
`currentColor` in the file: a picture inside a page takes the page's text colour, and a picture
alone follows the reader's colour scheme. Two calls with equal content give equal bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import mplhep
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from hepnn import files
from hepnn.errors import RecipeError

#: Colours of classes. Each has a contrast of 3 on white and on #10141a, and any two stay
#: 0.08 apart in OKLab under simulated protanopia, deuteranopia and tritanopia; from the sixth
#: class on the dashes tell them apart.
COLOURS = ("#3f8cf5", "#cf7d00", "#0b7a55", "#d81b60", "#7a4bd0")

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)))
GOOD, BAD = "#1f883d", "#dc3545"

# A colour that nobody picks, so that it can be found in the file.
INK = "#010203"

_ALONE = (
    "<style>svg:root{color:#1f2328}"
    "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}</style>"
)

STYLE: Any = {
    **mplhep.style.CMS,
    "font.size": 10.5,
    "font.sans-serif": ["TeX Gyre Heros", "Helvetica", "Arial", "DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.9,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 5,
    "xtick.minor.size": 2.5,
    "ytick.major.size": 5,
    "ytick.minor.size": 2.5,
    "xtick.major.pad": 4,
    "ytick.major.pad": 4,
    "lines.linewidth": 1.6,
    "legend.labelcolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "hepnn",
}


def colour_of(number: int) -> str:
    """Return the colour of a class."""
    return COLOURS[number % len(COLOURS)]


def dash_of(number: int) -> Any:
    """Return the dashes of a class's line."""
    return DASHES[number // len(COLOURS) % len(DASHES)]


def literal(name: str) -> str:
    """Keep a name from being read as mathematics, or as a label to be hidden."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def short(names: Sequence[str], length: int) -> bool:
    """Say whether no name is longer than so many letters."""
    return all(len(name) <= length for name in names)


def write(figure: Figure, path: Path, title: str) -> Path:
    """Write a figure as SVG; as what else its suffix says, black on white.

    Parameters
    ----------
    figure
        What was drawn.
    path
        The file.
    title
        Said to those who cannot see it.

    Raises
    ------
    RecipeError
        If nothing draws files of that suffix.
    """
    insist_on_kind(path)
    if path.suffix != ".svg":
        with files.replacing(path) as beside:
            figure.savefig(beside, facecolor="white", dpi=150)
        return path
    for axes in figure.axes:
        if axes.get_yscale() == "log":
            axes.yaxis.set_major_formatter(LogFormatterSciNotation())
    stream = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue().decode("utf-8")
    # The file's own style sheet would reach the whole page that the picture is put into.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    head = (
        '<svg role="img" style="stroke-linejoin:round;stroke-linecap:butt" '
        f"aria-label={_quoted(title)} "
    )
    text = text.replace("<svg ", head, 1)
    text = re.sub(r"(<svg [^>]*>)", lambda found: found.group(1) + _ALONE, text, count=1)
    text = re.sub(r' d="[^"]*"', _rounded, text)
    files.write_text(path, text.replace(INK, "currentColor"))
    return path


def insist_on_kind(path: Path) -> None:
    """Raise if nothing draws files of a suffix, before there is anything to draw.

    Raises
    ------
    RecipeError
        Naming those that are drawn.
    """
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:] not in kinds:
        raise RecipeError(f"{path}: no pictures of this kind; known: {', '.join(kinds)}")


def _rounded(drawn: re.Match[str]) -> str:
    """Write a path's numbers to a hundredth of a point: half the bytes, the same picture."""
    numbers = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", drawn[0])
    return " ".join(numbers.split()).join((" ", ""))


def _quoted(text: str) -> str:
    return '"' + escape(text, {'"': "&quot;"}) + '"'
