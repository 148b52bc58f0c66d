"""What each target makes of each layer, before anything is trained or shipped.

A network is converted on the weights that it has, random ones before the training, as far as
the target needs to say something of every layer; nothing here knows what a target takes. What
is found is kept by recipe or model, target, kit and the versions of the packages.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files, rewrites, targets
from hepnn.data import scaling as scalings
from hepnn.errors import HepnnError, RunError, TargetError
from hepnn.recipe import Recipe, TargetRequest
from hepnn.run import Run, versions
from hepnn.targets import kit as kits
from hepnn.tasks import get as get_task

#: A line of what is found: `target`, `stage`, `layer`, `kind`, `verdict`, `reason`, `instead`.
Row = dict[str, str]


def refuse_unsupported(recipe: Recipe, shape: tuple[int, ...], names: Sequence[str]) -> None:
    """Check every wanted target against the network on random weights.

    Raises
    ------
    TargetError
        Naming the first layer that a target refuses, and why.
    """
    for row in of_recipe(recipe, shape, names):
        if row["verdict"] == "refused":
            raise TargetError(
                f"target {row['target']} refuses layer {row['layer']!r} ({row['kind']}) of stage "
                f"{row['stage']}: {row['reason']}"
            )


def of_recipe(recipe: Recipe, shape: tuple[int, ...], names: Sequence[str]) -> list[Row]:
    """Return what each wanted target makes of each layer, on random weights.

    Parameters
    ----------
    recipe
        With its targets.
    shape
        Of one event of the data.
    names
        Of the classes or targets.
    """
    content = recipe.model_dump(mode="json", include={"architecture", "seed", "task"})
    rows, models = [], {}
    for request in recipe.targets:
        stage = kits.stage_of(request, recipe.stages)
        vocabulary, options = _vocabulary(recipe, stage)
        if vocabulary not in models:
            models[vocabulary] = _Once(_assembled, recipe, shape, names, vocabulary, options)
        key = [content, list(shape), list(names), vocabulary, options]
        rows += _of_request(key, models[vocabulary], request, stage)
    return rows


def of_run(opened: Run, requests: Sequence[TargetRequest]) -> list[Row]:
    """Return what targets make of a run's finished stages, on the weights that they have."""
    rows, models = [], {}
    for request in requests:
        stage = kits.stage_of(request, opened.stages)
        opened.model_file(stage)
        if stage not in models:
            models[stage] = _Once(_of_stage, opened, stage)
        key = opened.manifest["stages"][stage]["sha256"]
        rows += _of_request(key, models[stage], request, stage)
    return rows


def of_file(
    path: Path, requests: Sequence[TargetRequest], imports: Sequence[str] = ()
) -> list[Row]:
    """Return what targets make of a model in a `.keras` file.

    Raises
    ------
    RunError
        If it cannot be opened, or its inputs and outputs have no fixed shapes.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file")
    model, key = _Once(_of_path, path, imports), files.sha256(path)
    return [row for request in requests for row in _of_request(key, model, request, "model")]


class _Once:
    """A model that is made when it is first asked for, and only then."""

    def __init__(self, make: Callable[..., Any], *given: Any) -> None:
        self._make, self._given = make, given
        self._made: Any = None

    def __call__(self) -> Any:
        if self._made is None:
            console.import_tensorflow()
            self._made = self._make(*self._given)
        return self._made


def _assembled(
    recipe: Recipe,
    shape: tuple[int, ...],
    names: Sequence[str],
    vocabulary: str,
    options: dict[str, Any],
) -> Any:
    import keras

    from hepnn.training import network

    keras.utils.set_random_seed(recipe.seed)
    sample = np.random.default_rng(recipe.seed).normal(size=(256, *shape)) * 4
    task = get_task(recipe.task)
    grid = None if task.FROM_NOISE else scalings.standard(sample.astype(np.float32))
    return network.assemble(
        recipe.architecture, *task.shapes(shape, names), vocabulary, grid, options
    )


def _vocabulary(recipe: Recipe, stage: str) -> tuple[str, dict[str, Any]]:
    """Return the vocabulary of a stage, as it is before anything is measured."""
    for step in recipe.compress[: recipe.stages.index(stage)]:
        if step.step == "quantize":
            return step.method, {"bits": step.bits} if step.method == "qkeras" else {}
    return "float", {}


def _of_stage(opened: Run, stage: str) -> Any:
    from hepnn.training import network

    return network.of_run(opened, stage)


def _of_path(path: Path, imports: Sequence[str]) -> Any:
    from hepnn.training import network

    return network.given(path, imports).model


def _of_request(key: Any, model: _Once, request: TargetRequest, stage: str) -> list[Row]:
    """Return one target's rows: kept ones, or found now and kept."""
    target, kit = targets.get(request.name), kits.of(request.name, request.kit, request.options)
    described = [key, request.name, request.part, kit.model_dump(mode="json"), _versions()]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=files.plain).encode())
    kept = _folder() / f"{digest.hexdigest()}.json"
    with suppress(HepnnError, KeyError, TypeError):
        return [{**row, "stage": stage} for row in files.read_json(kept)["rows"]]
    made = model()  # imports TensorFlow as it should be
    from hepnn.targets.fixed_point import is_fixed_point
    from hepnn.training import network

    part = network.up_to(made, request.part)
    owes_bits = any(is_fixed_point(layer) for layer in part.layers)
    offered = rewrites.offered(part) if not owes_bits else {}
    try:
        verdicts = target.check(part, kit)
    except TargetError as error:
        verdicts = [targets.Verdict(part.layers[-1].name, "model", "refused", str(error))]
    rows = [
        {
            "target": request.name,
            "stage": stage,
            **_row(verdict, owes_bits),
            "instead": " or ".join(offered.get(verdict.layer, [])),
        }
        for verdict in verdicts
    ]
    with suppress(HepnnError, OSError):  # a folder that cannot be written keeps nothing
        files.write_json(kept, {"rows": rows})
    return rows


def _row(verdict: targets.Verdict, owes_bits: bool) -> Row:
    outcome, reason = verdict.verdict, verdict.reason
    if owes_bits and outcome == "approximate":
        outcome, reason = "refused", f"not exact: {reason}"
    return {"layer": verdict.layer, "kind": verdict.kind, "verdict": outcome, "reason": reason}


def _folder() -> Path:
    """Return where verdicts are kept: `HEPNN_CACHE`, or the user's cache folder."""
    base = os.environ.get("HEPNN_CACHE")
    if base:
        return Path(base) / "preflight"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hepnn" / "preflight"


def _versions() -> dict[str, str]:
    """Return the versions of the packages, and a mark of hepnn's own sources."""
    mark = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        state = path.stat()
        mark.update(f"{path.name}{state.st_size}{state.st_mtime_ns}".encode())
    return {**versions(), "hepnn": mark.hexdigest()}
