"""What is wrong with firmware is named by layer, cause and values, and mended by one type."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from networks import digits_classifier

from hepnn import adoption, cli, deployment
from hepnn.errors import AgreementBroken, RecipeError, RunError, TargetError
from hepnn.examination import doctor
from hepnn.run import Run
from hepnn.targets.hls4ml import doctor as hls
from hepnn.targets.kit import HLSOptions, Kit

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]


@pytest.fixture(scope="module")
def digits(tensorflow, tmp_path_factory) -> Run:
    """Return a run of a plain softmax classifier."""
    model, x, y = digits_classifier()
    return adoption.adopt(model, (x, y), runs=tmp_path_factory.mktemp("runs"), name="digits")


def test_hls4mls_default_softmax_is_explained_and_mended(digits, monkeypatch, capsys) -> None:
    """Public failure: the default conversion of a softmax classifier is right in one of ten."""
    monkeypatch.chdir(digits.path.parent.parent)
    run = Run(Path(digits.path.parent.name) / "digits")  # as a user names it
    run.manifest = digits.manifest
    with pytest.raises(AgreementBroken, match="hls4ml of stage float: refused"):
        deployment.deploy(run, ["hls4ml"], options={"hls4ml": {"types": "default"}})
    argv = ["hepnn", "doctor", str(run), "--fix", "--json"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as left:
        cli.main()
    document = json.loads(capsys.readouterr().out)
    assert left.value.code == 0 and document["holds"]
    found = document["exports"]["float/hls4ml"]
    assert found["before"]["decision_flips"] > 0.5
    assert found["after"]["decision_flips"] <= 0.002
    worst = max(found["findings"], key=lambda one: one["added"])
    assert worst["layer"] == "digit_softmax"
    assert worst["cause"] == "table of softmax"
    assert "digit.result" in found["mend"]
    assert len(found["mend"]) <= 3
    assert_inputs_are_counted(document["inputs"], digits)


def assert_inputs_are_counted(found: dict[str, Any], run: Run) -> None:
    """Count anew, event by event, from what the run keeps."""
    seen = run.events("calibration").x
    x = np.concatenate([run.events(split).x for split in ("validation", "test")])
    assert (found["seen"], found["events"]) == (len(seen), len(x))
    above = [sum(bool(value > seen[:, n].max()) for value in x[:, n]) for n in range(64)]
    assert [one["above"] for one in found["features"]] == above and sum(above) > 0
    assert [one["below"] for one in found["features"]] == [0] * 64  # nothing is below no ink
    assert found["outside"] == sum(bool(any(event > seen.max(axis=0))) for event in x)


def network(outputs: int = 3) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8, activation="relu", name="first")(inputs)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="last")(x))


EVENTS = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)


LONG = partial(pytest.param, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("precision", "layer", "cause"),
    [
        ({"first.accum": "fixed<12,1>"}, "first", "accumulator"),
        LONG({"first.weight": "fixed<4,2>"}, "first", "weight resolution"),
        LONG({"last.weight": "fixed<16,-1>"}, "last", "weight range"),
        ({"last.result": "fixed<14,1>"}, "last", "overflow by wrap"),
        LONG({"last.result": "fixed<14,1,RND,SAT>"}, "last", "saturation"),
        LONG({"last.result": "fixed<8,5>"}, "last", "resolution"),
        ({"input_layer.result": "fixed<16,1>"}, "input_layer", "input range"),
    ],
)
def test_a_type_that_is_too_small_is_found_alone(precision, layer, cause) -> None:
    """One type is spoilt; it is named, with its cause, and its mend mends it."""
    keras.backend.clear_session()
    model = network()
    kit = Kit(name="t", title="t", targets=["hls4ml"], hls4ml=HLSOptions(precision=precision))
    spoilt = hls.examine(model, kit, EVENTS, EVENTS)
    assert [(one.layer, one.cause) for one in spoilt.findings] == [(layer, cause)]
    (finding,) = spoilt.findings
    changed = HLSOptions(precision={**precision, **finding.mend})
    mended = hls.examine(model, kit.model_copy(update={"hls4ml": changed}), EVENTS, EVENTS)
    assert not mended.findings
    wanted = model.predict(EVENTS, verbose=0)
    assert np.abs(mended.outputs - wanted).max() < np.abs(spoilt.outputs - wanted).max() / 4


def test_types_that_are_calibrated_need_no_doctor() -> None:
    keras.backend.clear_session()
    kit = Kit(name="t", title="t", targets=["hls4ml"])
    assert hls.examine(network(), kit, EVENTS, EVENTS).findings == []


def test_a_wrong_option_is_one_line(digits) -> None:
    wrong = {"hls4ml": {"precision": {"hiden.result": "fixed<16,6>"}}}
    with pytest.raises(TargetError, match="no layer 'hiden'; did you mean 'hidden'"):
        deployment.deploy(digits, ["hls4ml"], options=wrong)
    wrong = {"hls4ml": {"precision": {"hidden.result": "float"}}}
    with pytest.raises(TargetError, match=r"precision of hidden\.result: 'float' is no type"):
        deployment.deploy(digits, ["hls4ml"], options=wrong)
    with pytest.raises(RecipeError, match="unknown key 'widht'; did you mean 'width'"):
        deployment.deploy(digits, ["hls4ml"], options={"hls4ml": {"widht": 3}})
    with pytest.raises(TargetError, match="options of target rtl, which is not shipped to"):
        deployment.deploy(digits, ["hls4ml"], options={"rtl": {"latency_cutoff": 3}})


def test_nothing_shipped_is_nothing_to_examine(digits, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(digits.path, copy, ignore=shutil.ignore_patterns("exports"))
    run = Run(copy)
    run.manifest = digits.manifest
    with pytest.raises(RunError, match="no exports to examine"):
        doctor(run)
