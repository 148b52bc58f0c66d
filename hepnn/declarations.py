"""Where recipes, datasets and kits lie: `models/`, `datasets/`, `deploy/`.

They are declarations and no Python. A checkout has them beside the package; a wheel carries
them inside it, so that a short name works from both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hepnn.errors import RecipeError, nearest

T = TypeVar("T", bound=BaseModel)

#: Kind of declaration: the folder it lies in and the file that declares it.
KINDS = {
    "models": "recipe.yaml",
    "datasets": "dataset.yaml",
    "deploy": "target.yaml",
}


class Declaration(BaseModel):
    """A piece of YAML with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def root(kind: str) -> Path:
    """Return the folder of a kind of declaration."""
    package = Path(__file__).parent
    inside = package / "declared" / kind
    return inside if inside.is_dir() else package.parent / kind


def names(kind: str) -> list[str]:
    """Return the short names that exist."""
    return sorted(path.parent.name for path in root(kind).glob(f"*/{KINDS[kind]}"))


def find(kind: str, name: str | Path) -> Path:
    """Return the file of a declaration, by short name or by path (of the file or its folder).

    Raises
    ------
    RecipeError
        If there is none, naming the nearest short name.
    """
    path = Path(name)
    for candidate in (path, path / KINDS[kind], root(kind) / str(name) / KINDS[kind]):
        if candidate.is_file():
            return candidate
    noun = kind.removesuffix("s").replace("deploy", "kit")
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise RecipeError(f"no {noun} at {path}")
    raise RecipeError(f"unknown {noun} {str(name)!r}; {nearest(str(name), names(kind))}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises
    ------
    RecipeError
        If the file cannot be read or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        raise RecipeError(f"{path}: not YAML, line {line}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: expected a mapping of keys")
    return content


def parse(model: type[T], content: dict[str, Any], where: str | Path) -> T:
    """Check a mapping against its schema.

    Raises
    ------
    RecipeError
        One line: the first thing wrong, its key, and the nearest key that would be valid.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{where}: {_explain(model, content, error)}") from error


def _explain(model: type[BaseModel], content: Any, error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    parent = _model_at(model, first["loc"][:-1])
    known = parent.model_fields if parent is not None else {}
    return f"unknown key {key!r}; {nearest(str(first['loc'][-1]), known)}"


def _model_at(model: Any, location: tuple[Any, ...]) -> type[BaseModel] | None:
    """Follow a location of a validation error down to the model that holds it."""
    current: list[Any] = [model]
    for part in location:
        following: list[Any] = []
        for candidate in current:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                if part in candidate.model_fields:
                    following += _models_in(candidate.model_fields[part].annotation)
                elif part in (tag_of(candidate), candidate.__name__):
                    following.append(candidate)
        # An index into a list keeps the models that the list holds.
        current = following or current
    models = [c for c in current if isinstance(c, type) and issubclass(c, BaseModel)]
    return models[0] if models else None


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type):
        return [annotation]
    return [m for a in getattr(annotation, "__args__", ()) for m in _models_in(a)]


def tag_of(model: type[BaseModel]) -> str | None:
    """Return the value of a model's discriminating `step` field."""
    step = model.model_fields.get("step")
    return None if step is None else step.default
