"""Folders of images: classes, sizes, and images that must not be decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hepnn.data.card import Source
from hepnn.data.formats import images
from hepnn.errors import DataError, RecipeError


def opened(folder: Path, **options: Any) -> images.ImageReader:
    reader = images.open_folder(Source(format="images", options=options), folder)
    assert isinstance(reader, images.ImageReader)
    return reader


def pixels(seed: int, shape: tuple[int, ...] = (6, 4)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return two classes with three images, and what is none."""
    for number, name in enumerate(["dog/b.png", "cat/a.png", "dog/A.PNG"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(number)).save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_text("no image")
    return tmp_path


def test_classes_and_images_are_in_the_order_of_their_names(folder: Path) -> None:
    reader = opened(folder)
    assert reader.classes == ["cat", "dog"] and reader.entries == 3
    read = reader.read(["image", "label", "name"], 0, 3)
    assert read["name"].tolist() == ["cat/a.png", "dog/A.PNG", "dog/b.png"]
    assert read["label"].tolist() == [0, 1, 1]
    expected = np.stack([pixels(1), pixels(2), pixels(0)])[..., np.newaxis]
    assert np.array_equal(read["image"], expected) and read["image"].dtype == np.uint8
    assert reader.columns["image"].shape == (6, 4, 1)
    assert np.array_equal(reader.read(["image"], 1, 2)["image"], expected[1:2])


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    for number in range(20):
        Image.fromarray(pixels(number, (5, 3, 3))).save(tmp_path / f"{number:02}.png")
    reader = opened(tmp_path)
    assert set(reader.columns) == {"image", "name"}
    expected = np.stack([pixels(number, (5, 3, 3)) for number in range(20)])
    assert np.array_equal(reader.read(["image"], 0, 20)["image"], expected)


def test_jpeg_and_colour_are_read_as_by_pillow(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    read = opened(tmp_path).read(["image"], 0, 1)["image"][0]
    assert np.array_equal(read, np.asarray(Image.open(tmp_path / "a.jpg")))
    assert np.abs(read.astype(int) - smooth).mean() < 4
    grey = opened(tmp_path, mode="L").read(["image"], 0, 1)["image"][0, ..., 0]
    assert np.array_equal(grey, np.asarray(Image.open(tmp_path / "a.jpg").convert("L")))


def test_a_size_is_made_by_bilinear_resampling(tmp_path: Path) -> None:
    Image.fromarray(pixels(1, (8, 6))).save(tmp_path / "a.png")
    Image.fromarray(np.full((20, 10), 77, np.uint8)).save(tmp_path / "b.png")
    reader = opened(tmp_path, size=[4, 3])
    read = reader.read(["image"], 0, 2)["image"]
    assert reader.columns["image"].shape == read.shape[1:] == (4, 3, 1)
    assert np.array_equal(read[1], np.full((4, 3, 1), 77))
    expected = Image.open(tmp_path / "a.png").resize((3, 4), Image.Resampling.BILINEAR)
    assert np.array_equal(read[0, ..., 0], np.asarray(expected))


def test_images_that_differ_are_named_both(tmp_path: Path) -> None:
    Image.fromarray(pixels(1, (8, 6))).save(tmp_path / "a.png")
    Image.fromarray(pixels(1, (8, 7))).save(tmp_path / "b.png")
    said = f"{tmp_path}/b.png: size 8 x 7, but {tmp_path}/a.png has 8 x 6; source.options.size"
    with pytest.raises(DataError, match=said):
        opened(tmp_path).read(["image"], 0, 2)
    Image.fromarray(pixels(1, (8, 6, 3))).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="b.png: mode RGB, but .*a.png has L; source.options.mode"):
        opened(tmp_path).read(["image"], 0, 2)
    assert opened(tmp_path, mode="RGB").read(["image"], 0, 2)["image"].shape == (2, 8, 6, 3)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="a.png: pixels of mode 'I;16'"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_image_is_named(name: str, tmp_path: Path) -> None:
    Image.fromarray(pixels(1, (60, 40, 3))).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=f"^{tmp_path}/{name}: "):
            opened(tmp_path).read(["image"], 0, 1)


def test_an_image_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    for width, height in [(8193, 8193), (60_000, 60_000)]:
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000)))]
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        with pytest.raises(DataError, match="a.png: .*pixels.* refused"):
            opened(tmp_path)


def test_links_stay_in_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    Image.fromarray(pixels(9)).save(other / "secret.png")
    (folder / "cat" / "same.png").symlink_to(folder / "dog" / "b.png")
    assert opened(folder).entries == 4
    (folder / "cat" / "z.png").symlink_to(other / "secret.png")
    with pytest.raises(DataError, match="cat/z.png: a link that leaves the folder"):
        opened(folder)
    (folder / "cat" / "z.png").unlink()
    (folder / "elk").symlink_to(other)
    with pytest.raises(DataError, match="elk: a link that leaves the folder"):
        opened(folder)


def test_folders_that_are_none_are_told(folder: Path, tmp_path: Path) -> None:
    for path, said in [
        (folder / "none", "no such folder"),
        (folder / "cat" / "a.png", "a file, no folder"),
    ]:
        with pytest.raises(DataError, match=said):
            opened(path)
    (folder / "empty").mkdir()
    assert opened(folder).classes == ["cat", "dog", "empty"]
    with pytest.raises(DataError, match="no image"):
        opened(folder / "empty")
    Image.fromarray(pixels(1)).save(folder / "loose.png")
    with pytest.raises(DataError, match="loose.png: an image beside the classes' folders"):
        opened(folder)


@pytest.mark.parametrize(
    "options", [{"size": 4}, {"size": [4]}, {"size": [0, 4]}, {"size": [4, 1e9]}, {"mode": "CMYK"}]
)
def test_wrong_options_are_refused(options: dict[str, Any], folder: Path) -> None:
    with pytest.raises(RecipeError, match=f"source.options.{next(iter(options))}"):
        opened(folder, **options)
