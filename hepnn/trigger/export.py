"""What a run shipped for LiteRT, read into memory: it can vanish from the disk afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import RunError, nearest
from hepnn.run import Run, open_run

#: Folder of the LiteRT export of a stage.
_FOLDER = "tflite"


@dataclass(frozen=True)
class Export:
    """A network that was shipped, with what is known of its numbers.

    Attributes
    ----------
    path : Path
        The `.tflite` file that it was read from.
    content : bytes
        The file.
    sha256 : str
        Checksum of the content.
    stage : str
        The run's stage.
    form : str
        `tflite`, `tflite-float16`.
    promise : str
        `exact`, `bounded` or `measured`: see `hepnn.targets.Artefact`.
    shape, output_shape : tuple of int
        Of one event.
    features, units : tuple of str
        What the last axis of an event holds, and in which units.
    task : str
        What the network was trained for.
    options : dict
        The recipe's options of the task.
    names : tuple of str
        Of the classes.
    targets : list of dict
        Of what is predicted: name, offset and exponent of each.
    run : Path or None
        The run's folder, where the export lies in one.
    """

    path: Path
    content: bytes
    sha256: str
    stage: str
    form: str
    promise: str
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    features: tuple[str, ...]
    units: tuple[str, ...]
    task: str
    options: dict[str, Any]
    names: tuple[str, ...]
    targets: list[dict[str, Any]]
    run: Path | None

    @property
    def label(self) -> str:
        """Stage and form, by which the run keeps what belongs to it."""
        return f"{self.stage}/{self.form}"

    def opened_run(self) -> Run:
        """Return the run that the export lies in.

        Raises
        ------
        RunError
            If it lies in none.
        """
        if self.run is None:
            raise RunError(f"{self.path.parent} lies in no run, where its events would be")
        return open_run(self.run)


def read(
    where: str | Path | Run,
    stage: str | None = None,
    form: str = "tflite",
    runs: Path = Path("runs"),
) -> Export:
    """Read the LiteRT export of a run, or one that lies alone.

    Parameters
    ----------
    where
        A run, its path or name, or `latest`; or the folder of an export, or a file in it.
    stage
        Of the run; by default the last one that was shipped bit-exactly, or else the last.
    form
        `tflite` or `tflite-float16`.
    runs
        Where runs are that are named.

    Raises
    ------
    RunError
        If there is none, if it is damaged, or if its checksum is another.
    """
    folder = _folder(where, stage, runs)
    known = files.read_json(folder / "interface.json")
    about = files.read_json(folder / "quantities.json")
    described = files.read_json(folder / "target.json")
    try:
        forms = {entry["name"]: entry for entry in known["forms"]}
        if form not in forms:
            raise RunError(f"{folder}: no form {form!r}; {nearest(form, forms)}")
        entry = forms[form]
        if entry["input"]["dtype"] != "float32":
            raise RunError(
                f"{folder}: {form} takes {entry['input']['dtype']}: its inputs are not"
                " the physical quantities; use tflite or tflite-float16"
            )
        path = folder / entry["file"]
        content = _content(path, entry)
        above = folder.resolve().parents[2:3]
        run = next((one for one in above if (one / "manifest.json").is_file()), None)
        outputs = about["outputs"]
        if "task" not in outputs:
            raise RunError(f"{folder}: part {outputs.get('part')!r} of a network has no decision")
        features = about["inputs"]["features"]
        return Export(
            path=path,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            stage=described["stage"],
            form=form,
            promise=entry["promise"],
            shape=tuple(entry["input"]["shape"]),
            output_shape=tuple(entry["output"]["shape"]),
            features=tuple(feature["name"] for feature in features),
            units=tuple(feature["unit"] for feature in features),
            task=outputs["task"],
            options=outputs.get("options", {}),
            names=tuple(outputs["names"]),
            targets=outputs["targets"],
            run=run,
        )
    except (KeyError, TypeError, IndexError) as error:
        raise RunError(f"{folder} is damaged: no {error}") from error


def _folder(where: str | Path | Run, stage: str | None, runs: Path) -> Path:
    """Return the folder of the export that is meant."""
    if not isinstance(where, Run):
        path = Path(where)
        path = path.parent if path.is_file() else path
        if (path / "interface.json").is_file():
            return path
        where = open_run(where, runs)
    shipped = [name for name in where.stages if _is_export(where.exports(name) / _FOLDER)]
    if stage is not None:
        where.stage(stage)
        shipped = [name for name in shipped if name == stage]
    if not shipped:
        of_stage = "" if stage is None else f" --stage {stage}"
        raise RunError(
            f"run {where.name} has no LiteRT export: hepnn deploy {where} --to tflite{of_stage}"
        )
    exact = [name for name in shipped if _is_exact(where.exports(name) / _FOLDER)]
    return where.exports((exact or shipped)[-1]) / _FOLDER


def _is_export(folder: Path) -> bool:
    return (folder / "interface.json").is_file()


def _is_exact(folder: Path) -> bool:
    forms = files.read_json(folder / "interface.json").get("forms", [])
    return any(entry.get("promise") == "exact" for entry in forms)


def _content(path: Path, entry: dict[str, Any]) -> bytes:
    """Read the model, and compare it with its checksum."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    sums = path.parent / "SHA256SUMS"
    if sums.is_file():
        line = f"{hashlib.sha256(content).hexdigest()}  {path.name}"
        if line not in sums.read_text(encoding="utf-8").splitlines():
            raise RunError(f"{path} is not the file that was written: its checksum differs")
    elif len(content) != entry["bytes"]:
        raise RunError(f"{path}: damaged or cut short; run 'hepnn deploy' again")
    return content
