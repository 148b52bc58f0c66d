"""TFLite (LiteRT): the network as one file for a processor.

A fixed-point stage becomes float operations on whole multiples of its grids, which repeat its
bits as long as no accumulator outgrows the 24 bits of a float32 (`hepnn.targets.preflight`).
A float stage has three forms: float32, float16 weights, and int8 throughout.

What ships takes one event. The physical quantities go in, except for int8: it has one scale for
all features, so offset and power of two stay outside and `interface.json` says them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import RunError, TargetError, nearest
from hepnn.targets import Verdict, preflight
from hepnn.targets.inference import without_noise
from hepnn.targets.interface import NAME, logged, single_input
from hepnn.targets.kit import Kit
from hepnn.targets.tflite.artefact import TFLiteArtefact

FORMATS = ("float32", "float16", "int8")
_FILES = {"float32": "model.tflite", "float16": "model-float16.tflite", "int8": "model-int8.tflite"}
_PROMISES = {"float32": "bounded", "float16": "bounded", "int8": "measured"}


def check(model: Any, kit: Kit) -> list[Verdict]:
    """Convert the model and say what becomes of every layer.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs.
    """
    from hepnn.targets.tflite import convert

    single_input(model, "tflite")
    model = without_noise(model)
    refused: dict[str, str] = {}
    with logged(Path(os.devnull)):
        try:
            convert.float32(model)
        except TargetError as error:
            # Where every layer alone is taken, the fault lies between them.
            refused = convert.refusals(model) or {model.layers[-1].name: str(error)}
    return preflight.verdicts(model, refused)


def write(
    model: Any,
    directory: Path,
    *,
    kit: Kit,
    calibration: np.ndarray,
    exact: bool,
    formats: Sequence[str] | None = None,
) -> list[TFLiteArtefact]:
    """Convert a stage and write it with its interface.

    Parameters
    ----------
    model
        The Keras model, physical quantities to outputs.
    directory
        Where to write; exists and is empty.
    kit
        Where it is shipped to; its threads are the interpreter's.
    calibration
        Physical quantities `(events, *shape)` that the int8 ranges are taken from.
    exact
        The stage is fixed point throughout. Then the float32 form alone is written: the others
        could not keep its bits.
    formats
        Of `float32`, `float16`, `int8`; float32 when not given.

    Raises
    ------
    TargetError
        If a format is unknown or the converter refuses the model.
    """
    from hepnn.targets.tflite import convert, program, vela

    shape = single_input(model, "tflite")
    model = without_noise(model)
    wanted = _wanted(formats, exact)
    if kit.tflite.project == "cpp" and wanted[0] != "float32":
        raise TargetError(f"target tflite: the C++ of kit {kit.name} runs float32: name it first")
    if kit.tflite.project == "vela":
        vela.require()
        if exact:
            raise TargetError(
                f"kit {kit.name} takes int8, a form of stages in floating point: --stage float"
            )
        wanted = list(dict.fromkeys([*wanted, "int8"]))
    entries: list[dict[str, Any]] = []
    with logged(directory / "build.log"):
        for form in wanted:
            network, scaling = model, None
            if form == "float32":
                content = convert.float32(model)
            elif form == "float16":
                content = convert.float16(model)
            else:
                network, scaling, scaled = _after_scaling(model, calibration)
                content = convert.int8(network, scaled)
            with files.replacing(directory / _FILES[form]) as beside:
                beside.write_bytes(content)
            entries.append(
                {
                    "name": "tflite" if form == "float32" else f"tflite-{form}",
                    "file": _FILES[form],
                    "bytes": len(content),
                    "promise": "exact" if exact else _PROMISES[form],
                    "input": _input(shape, scaling, form),
                    "output": {
                        "shape": list(model.outputs[0].shape[1:]),
                        "dtype": "int8" if form == "int8" else "float32",
                    },
                }
            )
    if kit.tflite.project == "vela":
        integers = entries[wanted.index("int8")]
        integers["compiled"] = vela.compile_for_npu(
            directory / integers["file"], kit.tflite, directory / "build.log"
        )
    described = {"target": "tflite", "threads": kit.threads, "forms": entries}
    files.write_json(directory / NAME, described)
    made = load(directory)
    if kit.tflite.project == "cpp":
        added = program.write(directory, model, made[0], calibration)
        files.write_json(directory / NAME, {**described, **added})
    return made


def load(directory: Path) -> list[TFLiteArtefact]:
    """Open what `write` left, with LiteRT alone.

    Raises
    ------
    RunError
        If `interface.json` or a file is missing, damaged or cut short.
    TargetError
        If LiteRT refuses a file.
    """
    content = files.read_json(directory / NAME)
    try:
        return [
            TFLiteArtefact(directory / entry["file"], entry, content["threads"])
            for entry in content["forms"]
        ]
    except (KeyError, TypeError) as error:
        raise RunError(f"{directory / NAME} is damaged: no {error}") from error


def _wanted(formats: Sequence[str] | None, exact: bool) -> list[str]:
    wanted = list(dict.fromkeys(formats or ("float32",)))
    for form in wanted:
        if form not in FORMATS:
            raise TargetError(f"target tflite: unknown format {form!r}; {nearest(form, FORMATS)}")
    return ["float32"] if exact else wanted


def _after_scaling(
    model: Any, calibration: np.ndarray
) -> tuple[Any, dict[str, list[float]] | None, np.ndarray]:
    """Split off the input scaling: the network behind it, the scaling, the scaled events."""
    import keras
    from keras import ops

    first = model.layers[1]
    if first.name != "input_scaling":
        return model, None, calibration
    factor, shift = (ops.convert_to_numpy(part) for part in (first.kernel, first.bias))
    scaled = np.asarray(calibration, np.float32) * factor + shift
    scaling = {"factor": factor.tolist(), "shift": shift.tolist()}
    return keras.Model(first.output, model.outputs[0]), scaling, scaled


def _input(
    shape: tuple[int, ...], scaling: dict[str, list[float]] | None, form: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "shape": list(shape),
        "dtype": "int8" if form == "int8" else "float32",
        "order": "features as in the data card, the last axis; one event",
        "quantities": "physical" if scaling is None else "x * factor + shift, then int8",
    }
    if scaling is not None:
        entry["scaling"] = scaling
    return entry
