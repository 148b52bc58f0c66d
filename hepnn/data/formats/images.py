"""A folder of PNG and JPEG images, with one sub-folder a class, or of images alone.

Columns are `image` (height, width, channels) in 0 to 255, `name` (the path below the folder)
and, with sub-folders, `label`: the number of the sub-folder in the order of their names. Entries
go through the classes in that order, and through the names of files in each. Hidden files, and
files of other suffixes, are passed over.

All images have one size and mode, or the options say which they get: `size: [height, width]`
(bilinear) and `mode: L` (grey) or `RGB`. Without them, the first image's are everyone's.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hepnn.data.card import Source
from hepnn.data.formats.reader import Column, ColumnReader, Reader, one_line, options
from hepnn.errors import DataError, RecipeError

SUFFIXES = (".png", ".jpg", ".jpeg")

#: Pixels that an image may have before it is decoded and made smaller.
LARGEST = 64 * 2**20

#: What Pillow's modes are read as; others (16 bits, CMYK) would lose something silently.
MODES = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGB"}

THREADS = 4


def open_folder(source: Source, path: Path | None) -> Reader:
    """Open a folder of images.

    Raises
    ------
    RecipeError
        If `size` is not two whole numbers, or `mode` neither `L` nor `RGB`.
    DataError
        If the folder is missing or holds no image, images beside sub-folders, or a link that
        leaves it; if the first image is damaged.
    """
    chosen = options(source, {"size": None, "mode": None})
    size, mode = chosen["size"], chosen["mode"]
    if size is not None:
        two = isinstance(size, list | tuple) and len(size) == 2
        if not two or not all(type(n) is int and 1 <= n <= 8192 for n in size):
            raise RecipeError(f"source.options.size: {size!r} is not [height, width] up to 8192")
        size = (size[0], size[1])
    if mode not in (None, "L", "RGB"):
        raise RecipeError(f"source.options.mode: {mode!r} is neither 'L' nor 'RGB'")
    if path is None:
        raise RecipeError("source: format 'images' needs a folder in files")
    return ImageReader(path, size, mode)


class ImageReader(ColumnReader):
    """A folder of images; see `Reader`.

    Attributes
    ----------
    classes : list of str
        The sub-folders, in the order of `label`.
    """

    what = "folder of images"

    def __init__(self, path: Path, size: tuple[int, int] | None, mode: str | None) -> None:
        super().__init__(str(path))
        try:
            self.classes, self._files, labels = _listed(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        if not self._files:
            raise DataError(f"{path}: no image ({', '.join(SUFFIXES)}) in the folder")
        self._folder = path
        self._labels = np.array(labels, np.int64)
        self._resized = size is not None
        self._converted = mode is not None
        first_size, first_mode = _header(self._files[0])
        self._size = size or first_size
        self._mode = mode or first_mode
        shape = (*self._size, len(self._mode))
        self.columns = {"image": Column("fixed", "uint8", shape), "name": Column("text", "str")}
        if self.classes:
            self.columns["label"] = Column("flat", "int64", description=", ".join(self.classes))
        self.entries = len(self._files)

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Decode the images between two entries, some at a time."""
        taken: dict[str, Any] = {}
        files = self._files[start:stop]
        if "label" in names:
            taken["label"] = self._labels[start:stop]
        if "name" in names:
            below = [file.relative_to(self._folder).as_posix() for file in files]
            taken["name"] = np.array(below, dtype=object)
        if "image" in names:
            decoded = np.empty((len(files), *self.columns["image"].shape), np.uint8)

            def decode(index: int) -> None:
                decoded[index] = self._decoded(files[index])

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(decode, range(len(files))))
            taken["image"] = decoded
        return taken

    def _decoded(self, file: Path) -> np.ndarray:
        size, mode = _header(file)
        for differ, found, expected in (
            (size != self._size and not self._resized, size, self._size),
            (mode != self._mode and not self._converted, mode, self._mode),
        ):
            if differ:
                option = "size" if found is size else "mode"
                raise DataError(
                    f"{file}: {option} {_shown(found)}, but {self._files[0]} has "
                    f"{_shown(expected)}; source.options.{option} makes them one"
                )
        try:
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                plain = image.convert(self._mode)
        except Exception as error:  # a damaged image fails in many ways
            raise DataError(f"{file}: a damaged or truncated image: {one_line(error)}") from error
        if size != self._size:
            plain = plain.resize(self._size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(plain).reshape(*self._size, len(self._mode))


def _header(file: Path) -> tuple[tuple[int, int], str]:
    """Return height and width, and the mode it is read as, without decoding an image."""
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            width, height = image.size
            mode = image.mode
    except Image.DecompressionBombError as error:
        raise DataError(f"{file}: more than {LARGEST} pixels, and is refused") from error
    except Exception as error:
        raise DataError(f"{file}: no PNG or JPEG, or truncated: {one_line(error)}") from error
    if width * height > LARGEST:
        raise DataError(f"{file}: {height} x {width} pixels are more than {LARGEST}, and refused")
    if mode not in MODES:
        raise DataError(f"{file}: pixels of mode {mode!r}, not 8 bits of grey or colour")
    return (height, width), MODES[mode]


def _listed(folder: Path) -> tuple[list[str], list[Path], list[int]]:
    """Return classes, files in order, and their labels."""
    if not folder.exists():
        raise DataError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder}: a file, no folder of images")
    inside = Path(os.path.realpath(folder))
    classes = [one.name for one in _visible(folder, inside) if one.is_dir()]
    loose = _images(folder, inside)
    if not classes:
        return [], loose, [0] * len(loose)
    if loose:
        raise DataError(f"{loose[0]}: an image beside the classes' folders, so of no class")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _images(folder / name, inside)
        files += found
        labels += [label] * len(found)
    return classes, files, labels


def _images(folder: Path, inside: Path) -> list[Path]:
    found = (file for file in _visible(folder, inside) if file.suffix.lower() in SUFFIXES)
    return [file for file in found if file.is_file()]


def _visible(folder: Path, inside: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    for path in found:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
            raise DataError(f"{path}: a link that leaves the folder, and is not followed")
    return found


def _shown(value: tuple[int, int] | str) -> str:
    return value if isinstance(value, str) else f"{value[0]} x {value[1]}"
