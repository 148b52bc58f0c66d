"""The report: one page about one run, from its folder alone.

`report.html` loads nothing from anywhere, follows the reader's colour scheme and prints. What a
run does not have yet, or has lost, is said in its place.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from hepnn import files, plots
from hepnn.errors import RunError
from hepnn.report import folder, inline, numbers, ranges, tables, verdicts
from hepnn.report.folder import Contents
from hepnn.run import Run

#: Points beyond which a picture has a line of the page for itself.
COLUMN = 480

#: Pictures that only some networks have: with a latent plane, or linear in an image.
OPTIONAL = {
    "latent": "Latent plane",
    "decoded": "What the decoder makes of the latent plane",
    "templates": "Weights of each class",
    "altered": "Training events as they are, and as the network sees them",
}


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
    contents = folder.read(run)
    trained = {} if "adopted" in contents.manifest else {"curves": "Training"}
    titles = {**trained, **contents.task.PICTURES, **OPTIONAL}
    overview = plots.overview(verdicts.summary(contents), run.path / "overview.svg")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shown in (numbers.count, numbers.duration, numbers.significant, numbers.size):
        environment.filters[shown.__name__] = shown
    page = environment.get_template("report.html.j2").render(
        run=contents,
        manifest=contents.manifest,
        recipe=contents.recipe,
        data=contents.data,
        cards=verdicts.cards(contents),
        overview=inline.svg(overview, "overview"),
        stages=contents.stages,
        stage_rows=tables.stages(contents),
        class_groups=tables.by_name(contents),
        fold_tables=tables.folds(contents),
        layer_rows=tables.layers(contents),
        targets=[tables.targets(contents, stage) for stage in _shipped(contents)],
        form_rows=tables.forms(contents),
        ranged=ranges.of_artefacts(contents),
        pictures={stage: _pictures(run, stage, titles) for stage in contents.stages},
        commands=_commands(contents),
    )
    path = run.path / "report.html"
    files.write_text(path, page)
    return path


def summary(run: Run) -> dict[str, Any]:
    """Return what `hepnn.plots.overview` draws of a run."""
    return verdicts.summary(folder.read(run))


def _shipped(contents: Contents) -> list[str]:
    known = {*contents.exports, *contents.agreement}
    return [stage for stage in reversed(contents.stages) if stage in known]


def _pictures(run: Run, stage: str, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the pictures of a stage: markup, or why there is none."""
    found: list[dict[str, Any]] = []
    for name, title in titles.items():
        picture: dict[str, Any] = {"name": name, "title": title, "svg": None, "lacks": ""}
        picture["wide"] = False
        try:
            path = run.path / "stages" / stage / f"{name}.svg"
            picture["svg"] = inline.svg(path, f"{stage}-{name}")
            picture["wide"] = inline.width(picture["svg"]) > COLUMN
        except RunError as error:
            if name in OPTIONAL:
                continue
            picture["lacks"] = str(error)
        found.append(picture)
    return found


def _commands(contents: Contents) -> list[tuple[str, str]]:
    """Return what a reader types to get the same again, with a word on each."""
    commands = []
    adopted = contents.manifest.get("adopted")
    # What was typed, where the run recorded it: `{"recipe": "jet-tagger", "set": ["a.b=v"]}`.
    typed = contents.manifest.get("command") or {}
    if typed.get("recipe"):
        changes = "".join(f" --set {shlex.quote(change)}" for change in typed.get("set", []))
        line = f"hepnn train {shlex.quote(str(typed['recipe']))}{changes} --deploy"
        commands.append(("as it was typed", line))
    recipe = shlex.quote(f"{contents.folder}/recipe.yaml")
    here = shlex.quote(contents.folder)
    if adopted:
        options = [("rewrite", one["rewrite"]) for one in adopted.get("rewrites", [])]
        options += [("import", name) for name in adopted.get("imports", [])]
        words = "".join(f" --{option} {shlex.quote(word)}" for option, word in options)
        data = Path(str(contents.recipe.get("dataset", "DATA"))).name
        file = shlex.quote(str(adopted.get("file")))
        line = f"hepnn adopt {file} --data {shlex.quote(data)}{words}"
        commands.append(("from the model and the events that it was adopted with", line))
    else:
        line = f"hepnn train {recipe} --deploy"
        commands.append(("from the resolved recipe in the run folder", line))
    return [
        *commands,
        ("compare every artefact anew; exit code 1 if a promise is broken", f"hepnn agree {here}"),
        ("the metrics of every stage", f"hepnn evaluate {here}"),
        ("this page", f"hepnn report {here}"),
    ]
