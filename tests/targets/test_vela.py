"""The int8 form compiled for an accelerator: what is written, estimated and refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

from hepnn.errors import MissingDependency, TargetError
from hepnn.targets import kit as kits
from hepnn.targets import tflite
from hepnn.targets.tools import ToolFailed

EVENTS = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def dense() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16,))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(hidden))


def write(model: keras.Model, folder: Path, exact: bool = False, **options: object) -> list:
    kit = kits.of("tflite", "ethos-u", options)
    return tflite.write(model, folder, kit=kit, calibration=EVENTS, exact=exact)


def test_the_estimate_counts_the_networks_own_operations(
    dense: keras.Model, tmp_path: Path
) -> None:
    pytest.importorskip("ethosu.vela", reason="needs the extra mobile")
    artefacts = {one.name: one for one in write(dense, tmp_path)}
    cost = artefacts["tflite-int8"].cost()["npu"]
    assert cost["operators"] == {"npu": 2, "cpu": 0}
    assert cost["multiplications"] == 16 * 8 + 8 * 3
    # 128 multipliers can do no more than 128 a cycle.
    assert cost["cycles"]["all"] >= cost["cycles"]["computing"] >= cost["multiplications"] / 128
    assert cost["latency_ns"] == pytest.approx(cost["cycles"]["all"] / 0.5)  # 500 MHz
    compiled = tmp_path / "model-int8_vela.tflite"
    assert b"ethos-u" in compiled.read_bytes() and "npu" not in artefacts["tflite"].cost()


def test_a_folder_may_be_relative(
    dense: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ethosu.vela", reason="needs the extra mobile")
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    write(dense, Path("run"))
    assert Path("run/model-int8_vela.tflite").is_file()


def test_an_unknown_accelerator_is_named(dense: keras.Model, tmp_path: Path) -> None:
    pytest.importorskip("ethosu.vela", reason="needs the extra mobile")
    with pytest.raises(ToolFailed, match="invalid choice: 'ethos-u56'"):
        write(dense, tmp_path, accelerator="ethos-u56")


def test_fixed_point_has_no_int8(dense: keras.Model, tmp_path: Path) -> None:
    pytest.importorskip("ethosu.vela", reason="needs the extra mobile")
    with pytest.raises(TargetError, match="kit ethos-u takes int8.*--stage float"):
        write(dense, tmp_path, exact=True)


def test_without_vela_the_command_that_installs_it_is_said(
    dense: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ethosu" else found(name)
    )
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[mobile\]'"):
        write(dense, tmp_path)
