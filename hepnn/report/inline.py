"""SVG files put into a page: without prolog, script or outside reference, with ids of their own."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from hepnn.errors import RunError

_ACTIVE = {"script", "foreignObject", "style", "metadata", "image", "a", "animate", "set"}


def svg(path: Path, prefix: str) -> Markup:
    """Return a picture as markup of a page.

    Parameters
    ----------
    path
        The SVG file.
    prefix
        Put before every id, so that two pictures on one page cannot take each other's glyphs.

    Raises
    ------
    RunError
        If the file is missing or no SVG.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{path.name} is missing") from error
    except (OSError, ElementTree.ParseError) as error:
        raise RunError(f"{path.name} is damaged: {error}") from error
    if _local(root.tag) != "svg":
        raise RunError(f"{path.name} is damaged: it holds no picture")
    _clean(root, re.sub(r"\W", "-", prefix))
    # The page scales the picture; its shape stays in the view box.
    width = float(re.sub(r"[^\d.]", "", root.attrib.pop("width", "")) or 460)
    root.attrib.pop("height", None)
    root.set("style", f"{root.get('style', '')};max-width:{width:.0f}pt".lstrip(";"))
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704


def width(markup: Markup) -> float:
    """Return the width in points that a picture was drawn with."""
    found = re.search(r'viewBox="\S+ \S+ (\S+) ', markup)
    return float(found[1]) if found else 0.0


def _clean(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _local(element.tag)
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        local = _local(name)
        if local.lower().startswith("on") or (local == "href" and not value.startswith("#")):
            continue
        if local == "id":
            value = f"{prefix}-{value}"
        elif local == "href":
            value = f"#{prefix}-{value[1:]}"
        elif "url(" in value:
            value = re.sub(r"url\(\s*#", f"url(#{prefix}-", value)
            if re.search(r"url\((?!#)", value):
                continue
        element.set(local, value)
    for child in list(element):
        if not isinstance(child.tag, str) or _local(child.tag) in _ACTIVE:
            element.remove(child)
        else:
            _clean(child, prefix)
    if element.text is not None and not element.text.strip():
        element.text = None
    if element.tail is not None:
        element.tail = None


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]
