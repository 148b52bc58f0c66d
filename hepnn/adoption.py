"""A run made of a Keras model that was trained elsewhere, so that every command takes it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, evaluation, files, preflight, recipe, rewrites, run, targets
from hepnn.data import bare, division
from hepnn.data import dataset as datasets
from hepnn.errors import DataError, RecipeError
from hepnn.recipe import Recipe, TargetRequest
from hepnn.run import Events, Run
from hepnn.tasks import Task
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as task_scaling

#: What is said of a quantity that is predicted.
_SAID = {"name", "unit", "description"}

#: Parts of a bare file's events that calibrate and validate; the others test.
_CALIBRATION, _VALIDATION = 0.6, 0.2


@dataclasses.dataclass(frozen=True)
class _Data:
    """The events of an adopted run, and what its manifest says of them."""

    splits: dict[str, Events]
    entry: dict[str, Any]
    labels: str


def adopt(
    model: Any,
    calibration: str | Path | tuple[np.ndarray, ...] | np.ndarray,
    *,
    name: str | None = None,
    task: str | None = None,
    runs: Path = Path("runs"),
    imports: Sequence[str] = (),
    rewrite: Sequence[str] = (),
    seed: int = 1,
) -> Run:
    """Make a run of a Keras 3 model, float or quantized with HGQ2.

    The model takes the quantities of the data as they are: a scaling has to be inside it.

    Parameters
    ----------
    model
        Path of a `.keras` file, or a Keras model. Several inputs or outputs become one, in which
        they lie one behind the other; a file of events has an array for each, by its name.
    calibration
        Short name or path of a data card; a data file without one (`hepnn.data.bare`); or arrays:
        `x`, `(x, y)`. A card's splits are kept; other events are divided by a permutation.
    name
        Of the run; the model's name and the time by default.
    task
        `classify`, `regress`, `segment`, `reconstruct` or `embed`; by default what the labels
        are made for, and `embed` without any.
    runs
        Folder that the run folder is made in.
    imports
        Packages to import first, whose layers the model is made of.
    rewrite
        Names of `hepnn.rewrites`, applied to the model in this order.
    seed
        Of the permutation.

    Raises
    ------
    RunError
        If the model cannot be opened, or has no fixed shape.
    DataError
        If the data are not what the model takes.
    """
    console.import_tensorflow()
    from hepnn.training import network

    made_elsewhere = network.given(model, imports)
    loaded, source = made_elsewhere.model, made_elsewhere.source
    shapes = tuple(loaded.inputs[0].shape[1:]), tuple(loaded.outputs[0].shape[1:])
    data, dataset = _read(calibration, *shapes, made_elsewhere.inputs, seed)
    told: list[dict[str, Any]] = []
    if rewrite:
        loaded, told = rewrites.apply(loaded, rewrite, data.splits["calibration"].x)
    kind = _task(task, data, loaded, source)
    made_of = Recipe.model_validate(
        {
            "name": re.sub(r"[^\w.+-]+", "-", Path(source).stem),
            "title": f"{Path(source).name}, adopted",
            "dataset": dataset,
            "task": kind,
            "architecture": {"name": "adopted", "file": Path(source).name},
            "seed": seed,
        }
    )
    _complete(data.entry, get_task(made_of.task), data.labels, shapes[1], source)
    made = run.create(made_of, runs, name)
    origin = {
        "file": Path(source).name,
        "imports": list(imports),
        "rewrites": told,
        "inputs": made_elsewhere.inputs,
        "outputs": made_elsewhere.outputs,
    }
    made.record(adopted=origin, data=data.entry)
    for split, events in data.splits.items():
        made.keep_events(split, events)
    if count := len(data.entry["targets"]):
        known = data.splits["calibration"]
        mean = (known.y if data.labels == "values" else known.x).reshape(-1, count).mean(axis=0)
        path = made.path / "data" / task_scaling.FILE
        files.write_arrays(path, offset=np.zeros(count), exponent=np.zeros(count), mean=mean)
    _keep_stage(made, loaded)
    _keep_targets(made)
    made.record(status="adopted")
    return made


def _read(
    calibration: Any,
    shape: tuple[int, ...],
    output: tuple[int, ...],
    inputs: Sequence[tuple[str, tuple[int, ...]]],
    seed: int,
) -> tuple[_Data, str]:
    """Read the events, divide them, and return them with the name of where they come from."""
    if isinstance(calibration, str | Path) and not bare.is_bare(calibration):
        return _of_card(datasets.open_dataset(calibration), shape), str(calibration)
    if isinstance(calibration, str | Path):
        path = Path(calibration)
        content = bare.read(path, shape, inputs)
        return _of_arrays(content, path.name, output, seed), str(path.resolve())
    arrays = calibration if isinstance(calibration, tuple) else (calibration,)
    x = np.ascontiguousarray(arrays[0], np.float32)
    bare.check(x, shape, "calibration")
    names = [f"{bare.INPUTS}{number}" for number in range(x.shape[-1])]
    y = np.asarray(arrays[1]) if len(arrays) > 1 else None
    if y is not None and len(y) != len(x):
        raise DataError(f"calibration: {len(x)} events, {len(y)} labels")
    content = bare.Content(x, y, np.ones(len(x), np.float32), names)
    return _of_arrays(content, "arrays", output, seed), "arrays"


def _of_card(data: datasets.Dataset, shape: tuple[int, ...]) -> _Data:
    if data.shape != shape:
        raise DataError(
            f"dataset {data.name}: events of shape {data.shape}, the model takes {shape}"
        )
    parts = division.divide(data)
    bare.check(parts.calibration.x, shape, f"dataset {data.name}")
    kind = data.card.labels.kind
    targets = getattr(data.card.labels, "targets", [])
    entry = {
        "name": data.name,
        "title": data.card.title,
        "fingerprint": parts.fingerprint,
        "group": data.group.model_dump(mode="json", exclude={"features", "pixels"}),
        "features": [feature.model_dump(mode="json") for feature in data.features],
        "observers": [feature.model_dump(mode="json") for feature in data.card.observers],
        "classes": data.classes,
        "targets": [_target(**one.model_dump(include=_SAID)) for one in targets],
        "shape": list(shape),
        "events": parts.events,
    }
    splits = {name: getattr(parts, name) for name in ("calibration", "validation", "test")}
    return _Data(splits, entry, kind)


def _of_arrays(content: bare.Content, where: str, output: tuple[int, ...], seed: int) -> _Data:
    count, shape = len(content.x), content.x.shape[1:]
    edges = [round(_CALIBRATION * count), round((_CALIBRATION + _VALIDATION) * count)]
    if not 0 < edges[0] < edges[1] < count:
        raise DataError(f"{where}: {count} events are too few to calibrate on and to compare on")
    y, labels = np.zeros((count, 0), np.float32), "none"
    if content.y is not None:
        y, labels = _labels(content.y, output, where)
    order = np.random.default_rng(seed).permutation(count)
    parts = dict(zip(("calibration", "validation", "test"), np.split(order, edges), strict=True))
    splits = {
        name: Events(content.x[rows], y[rows], content.weight[rows]) for name, rows in parts.items()
    }
    kept = division.CALIBRATION_EVENTS
    splits["calibration"] = division.take(splits["calibration"], np.arange(min(kept, edges[0])))
    names = _names(output)
    entry = {
        "name": where,
        "title": where,
        "fingerprint": run.fingerprint(content.x, y, content.weight),
        "group": {"kind": "features" if len(shape) == 1 else "array", "shape": list(shape)},
        "features": [{"name": name, "unit": "1", "scaling": "none"} for name in content.names],
        "observers": [],
        "classes": [str(n) for n in range(max(len(names), 2))] if labels == "classes" else names,
        "targets": [_target(name) for name in names] if labels == "values" else [],
        "shape": list(shape),
        "events": {name: len(rows) for name, rows in parts.items()},
    }
    return _Data(splits, entry, labels)


def _labels(y: np.ndarray, output: tuple[int, ...], where: str) -> tuple[np.ndarray, str]:
    """Return labels, and of which kind they are for a network of these outputs."""
    size = int(np.prod(output))
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and np.array_equal(y, np.round(y)))
    if y.ndim == 1 and whole and len(output) == 1:
        numbers = y.astype(np.int64)
        if numbers.min() >= 0 and numbers.max() < max(size, 2):
            return numbers.astype(np.int32), "classes"
    one_hot = y.ndim == 2 and y.shape[1] == size > 1 and whole
    if one_hot and (y.sum(axis=1) == 1).all() and y.min() == 0:
        return y.argmax(axis=1).astype(np.int32), "classes"
    if y.dtype.kind in "iubf" and int(np.prod(y.shape[1:])) == size:
        return y.reshape(len(y), size).astype(np.float32), "values"
    raise DataError(f"{where}: labels of shape {y.shape[1:]} do not fit outputs of shape {output}")


def _target(name: str, unit: str = "1", description: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit,
        "description": description,
        "scaling": "none",
        "offset": 0.0,
        "exponent": 0.0,
    }


def _task(wanted: str | None, data: _Data, model: Any, source: str) -> dict[str, Any]:
    """Return the recipe's task: what is asked for, or what the labels are made for."""
    usual = {"classes": "classify", "values": "regress", "mask": "segment", "none": "embed"}
    name = wanted or usual.get(data.labels)
    if name is None:
        raise RecipeError(f"{source}: no task is known for labels of kind {data.labels}: --task")
    if name == "classify":
        return {"name": name, "outputs": _outputs(model)}
    return {"name": name}


def _outputs(model: Any) -> str:
    """Say whether a classifier ends in logits or in probabilities."""
    last = model.layers[-1]
    function = getattr(getattr(last, "activation", None), "__name__", "")
    ends = function in ("softmax", "sigmoid") or "Softmax" in last.__class__.__name__
    return "probabilities" if ends else "logits"


def _complete(
    entry: dict[str, Any], task: Task, labels: str, output: tuple[int, ...], source: str
) -> None:
    """Say in the manifest's entry what the outputs are.

    Raises
    ------
    HepnnError
        If the labels are not what the task is judged by, or do not fit the outputs.
    """
    if task.LABELS not in (None, labels):
        raise RecipeError(f"{source}: the task needs labels of kind {task.LABELS}, not {labels}")
    if task.LABELS == "classes":
        classes = len(entry["classes"])
        if output != (classes,) and (output, classes) != ((1,), 2):
            raise DataError(f"{source}: outputs of shape {output}, the data have {classes} classes")
    if task.LABELS is None:
        entry["classes"], entry["targets"] = _names(output), []
    if task.SCALED == "inputs":
        if output != tuple(entry["shape"]):
            raise DataError(f"{source}: outputs of shape {output}, inputs of {entry['shape']}")
        said = [{key: one[key] for key in _SAID if key in one} for one in entry["features"]]
        entry["targets"] = [_target(**one) for one in said]


def _names(output: tuple[int, ...]) -> list[str]:
    return [f"output{number}" for number in range(int(np.prod(output)))]


def _keep_targets(made: Run) -> None:
    """Write the targets into the recipe that take every layer, and tell of the others."""
    wanted = []
    for request in (TargetRequest(name=name) for name in targets.TARGETS):
        with console.working(f"preflight: {request.name}"):
            refused = [
                row for row in preflight.of_run(made, [request]) if row["verdict"] == "refused"
            ]
        if not refused:
            wanted.append(request)
            continue
        row = refused[0]
        text = f"{request.name} refuses layer {row['layer']!r} ({row['kind']}): {row['reason']}"
        console.say(text + (f"; --rewrite {row['instead']}" if row["instead"] else ""))
    completed = made.recipe.model_copy(update={"targets": wanted})
    files.write_text(made.path / "recipe.yaml", recipe.dump(completed))


def _keep_stage(made: Run, model: Any) -> None:
    from hepnn.compress import quantize

    stage = "quantized" if quantize.bits(model) else "float"
    folder = made.path / "stages" / stage
    with files.replacing(folder / "model.keras") as temporary:
        model.save(temporary)
    evaluation.write(model, made, folder)
    made.record_stage(stage, vocabulary="hgq" if stage == "quantized" else "float")
