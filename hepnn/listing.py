"""What there is: the tables of `hepnn list`."""

from __future__ import annotations

from typing import Any


def _models() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "dataset": content.get("dataset"),
            "architecture": content.get("architecture", {}).get("name"),
            "title": content.get("title"),
        }
        for name, content in _declared("models")
    ]


def _datasets() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "format": content.get("source", {}).get("format"),
            "classes": len(content.get("labels", {}).get("classes", [])),
            "title": content.get("title"),
        }
        for name, content in _declared("datasets")
    ]


def _generators() -> list[dict[str, Any]]:
    from hepnn.data import generate
    from hepnn.data.generate import settings

    rows = []
    for name in generate.GENERATORS:
        kind = generate.get(name)
        title = kind.cards(kind.Settings())[""]["title"]
        rows.append({"name": name, "setting": None, "default": None, "description": title})
        rows += [{"name": name, **row} for row in settings.rows(kind)]
    return rows


def _kits() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "targets": ", ".join(content.get("targets", [])),
            "part": content.get("part"),
            "title": content.get("title"),
        }
        for name, content in _declared("deploy")
    ]


def _targets() -> list[dict[str, Any]]:
    from hepnn import targets

    return [{"name": name, "module": module} for name, module in targets.table().items()]


def _architectures() -> list[dict[str, Any]]:
    from hepnn.architectures import ARCHITECTURES, support

    known = support.verdicts()
    return [
        {
            "name": name,
            "variant": label,
            "function": ARCHITECTURES[name],
            **known[label]["verdicts"],
        }
        for label in sorted(known)
        for name in [known[label]["architecture"]]
    ]


def _functions() -> list[dict[str, Any]]:
    from hepnn.data.functions import FUNCTIONS

    return [
        {"name": name, "arguments": function.arguments, "gives": function.description}
        for name, function in FUNCTIONS.items()
    ]


def _rewrites() -> list[dict[str, Any]]:
    from hepnn import rewrites

    kept = {"outputs": "its outputs", "ranking": "the ranking", "nothing": "nothing: train on"}
    known = ((name, rewrites.get(name)) for name in rewrites.REWRITES)
    return [{"name": name, "does": one.TITLE, "keeps": kept[one.PROMISE]} for name, one in known]


def _declared(kind: str) -> list[tuple[str, dict[str, Any]]]:
    from hepnn import declarations

    return [
        (name, declarations.read_yaml(declarations.find(kind, name)))
        for name in declarations.names(kind)
    ]


#: By what is asked for, the function that gives its rows.
TABLES = {
    "models": _models,
    "datasets": _datasets,
    "generators": _generators,
    "targets": _targets,
    "kits": _kits,
    "architectures": _architectures,
    "functions": _functions,
    "rewrites": _rewrites,
}
