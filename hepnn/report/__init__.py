"""The report: one page about one run, from its folder alone.

`report.html` loads nothing from anywhere, follows the reader's colour scheme and prints. What a
run does not have yet, or has lost, is said in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from hepnn import files, plots
from hepnn.errors import RunError
from hepnn.report import content, inline
from hepnn.run import Run


def write(run: Run) -> Path:
    """Write a run's `report.html`, and `overview.svg`, its picture.

    Parameters
    ----------
    run
        A run in any state.

    Returns
    -------
    Path
        The page.
    """
    overview = plots.overview(summary(run), run.path / "overview.svg")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        **content.page(run), overview=inline.svg(overview, "overview"), figures=_figures(run)
    )
    path = run.path / "report.html"
    files.write_text(path, page)
    return path


def summary(run: Run) -> dict[str, Any]:
    """Return what `hepnn.plots.overview` draws of a run."""
    return content.summary(run)


def _figures(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Return the pictures of each stage: markup, or why there is none."""
    found: dict[str, list[dict[str, Any]]] = {}
    for stage in run.stages:
        for name, title in (
            ("curves", "Training"),
            ("confusion", "Confusion"),
            ("roc", "ROC, each class against the others"),
        ):
            picture: dict[str, Any] = {"name": name, "title": title, "svg": None, "lacks": ""}
            try:
                path = run.path / "stages" / stage / f"{name}.svg"
                picture["svg"] = inline.svg(path, f"{stage}-{name}")
            except RunError as error:
                picture["lacks"] = str(error)
            found.setdefault(stage, []).append(picture)
    return found
