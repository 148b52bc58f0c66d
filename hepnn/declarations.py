"""Where recipes, datasets and kits lie: `models/`, `datasets/`, `deploy/`.

They are declarations and no Python. A checkout has them beside the package; a wheel carries
them inside it, so that a short name works from both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

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


class Finite(Declaration):
    """A declaration whose numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


def root(kind: str) -> Path:
    """Return the folder of a kind of declaration."""
    package = Path(__file__).parent
    inside = package / "declared" / kind
    return inside if inside.is_dir() else package.parent / kind


def names(kind: str) -> list[str]:
    """Return the short names that exist: a folder's, or `folder/inner` for one inside it."""
    base = root(kind)
    found = [*base.glob(f"*/{KINDS[kind]}"), *base.glob(f"*/*/{KINDS[kind]}")]
    return sorted(path.parent.relative_to(base).as_posix() for path in found)


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
    # A misspelt key is also a missing one: it says more.
    found = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    first = found[0]
    key = _written(content, first["loc"])
    if first["type"] == "union_tag_invalid":
        known = re.findall(r"'([^']*)'", first["ctx"]["expected_tags"])
        return f"{key}: unknown {first['ctx']['tag']!r}; {nearest(first['ctx']['tag'], known)}"
    if first["type"] != "extra_forbidden":
        message = first["msg"].removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    parent = _model_at(model, first["loc"][:-1])
    fields = parent.model_fields if parent is not None else {}
    return f"unknown key {key!r}; {nearest(str(first['loc'][-1]), fields)}"


def _written(content: Any, location: tuple[Any, ...]) -> str:
    """Return an error's location as the file has it: without the tags of unions."""
    parts, here = [], content
    for number, part in enumerate(location):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            # A tag, the keys of something missing, or what a value of several types is not.
            if number < len(location) - 1 or not isinstance(here, dict | list):
                continue
        parts.append(str(part))
    return ".".join(parts)


def _model_at(model: Any, location: tuple[Any, ...]) -> type[BaseModel] | None:
    """Follow a location of a validation error down to the model that holds it."""
    current: list[Any] = [model]
    for part in location:
        models = [m for m in current if isinstance(m, type) and issubclass(m, BaseModel)]
        tagged = [m for m in models if len(models) > 1 and part in (*tags_of(m), m.__name__)]
        following = tagged or [
            deeper
            for m in models
            if part in m.model_fields
            for deeper in _models_in(m.model_fields[part].annotation)
        ]
        # An index into a list, or a key of a mapping, keeps the models that it holds.
        current = following or current
    models = [m for m in current if isinstance(m, type) and issubclass(m, BaseModel)]
    return models[0] if models else None


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type):
        return [annotation]
    return [m for a in getattr(annotation, "__args__", ()) for m in _models_in(a)]


def tags_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values that tell a model from the others of its union: of its `Literal` keys."""
    return tuple(
        value
        for field in model.model_fields.values()
        if get_origin(field.annotation) is Literal
        for value in get_args(field.annotation)
    )


def tagged(key: str, default: str) -> Callable[[Any], str]:
    """Return the function that finds a union's tag under a key that may be left out."""

    def tag(content: Any) -> str:
        if isinstance(content, dict):
            return str(content.get(key, default))
        return str(getattr(content, key, default))

    return tag


def named(default: str) -> Callable[[Any], Any]:
    """Return the function that makes `{name: x}` of the short form `x`, and gives no name one.

    >>> named("adam")("sgd"), named("adam")({"beta_1": 0.5})
    ({'name': 'sgd'}, {'name': 'adam', 'beta_1': 0.5})
    """

    def written_out(content: Any) -> Any:
        if isinstance(content, dict):
            return {"name": default, **content}
        return {"name": content} if isinstance(content, str) else content

    return written_out
