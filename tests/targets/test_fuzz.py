"""Random networks repeat Keras's bits on every target, or are refused with a reason.

`benchmarks/exactness_fuzz.py` does the same with hundreds. Here are a dozen, of fixed numbers; one
of them goes through the compilers and simulators as well.
"""

import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzz import compare, draw, vhdl

from hepnn.errors import TargetError
from hepnn.targets.tools import ToolFailed

SEED = 1

#: Without a compiler: the integer interpreter is what Verilog and VHDL are written from.
QUICK = ("tflite", "rtl-interpreter")

#: Of those that are quick: pooling, padding, repeated places, a recurrent layer, tables, slopes,
#: sums, products, a layer called twice.
NUMBERS = (5, 12, 13, 14, 22, 26, 29, 31, 33, 35, 42, 44)

BUILT = 5


@pytest.mark.parametrize("number", NUMBERS)
def test_random_networks_repeat_the_bits(tensorflow, tmp_path, number):
    drawn = draw.network(SEED, number)
    assert drawn.answers >= draw.ANSWERS
    found = compare.network(drawn, tmp_path, QUICK)
    assert set(found) == set(QUICK)
    assert {form["verdict"] for form in found.values()} == {"exact"}, found


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_random_network_repeats_the_bits_when_built(tensorflow, tmp_path):
    found = compare.network(draw.network(SEED, BUILT), tmp_path)
    assert set(found) == {form for forms in compare.FORMS.values() for form in forms}
    if not vhdl.available():
        assert found.pop("rtl-vhdl")["verdict"] == "not simulated"
    assert {form["verdict"] for form in found.values()} == {"exact"}, found


def test_a_number_draws_one_network(tensorflow):
    first, again, other = (draw.network(SEED, number) for number in (5, 5, 6))
    np.testing.assert_array_equal(first.outputs, again.outputs)
    assert first.words == again.words
    assert first.outputs.shape != other.outputs.shape or (first.outputs != other.outputs).any()


def test_every_word_is_drawn_by_some_number():
    assert len(draw.FIRST) == len(set(draw.FIRST)) > 40


@pytest.fixture
def small(tensorflow):
    return draw.network(SEED, 5)


def test_one_different_bit_is_silently_wrong(small, tmp_path):
    outputs = small.outputs.copy()
    outputs[300, 0] = np.nextafter(outputs[300, 0], np.float32(np.inf))
    other = dataclasses.replace(small, outputs=outputs)
    found = compare.network(other, tmp_path, ("tflite",))
    assert found["tflite"]["verdict"] == "wrong"
    assert found["tflite"]["reason"] == "1 of 780 events differ, 0 of them in range"
    assert compare.figures([{"forms": found}])["silently_wrong"] == 1


def test_what_stops_without_a_reason_is_no_refusal(small, tmp_path, monkeypatch):
    from hepnn.targets import tflite

    def stops(error):
        def write(*_, **__):
            raise error

        monkeypatch.setattr(tflite, "write", write)
        return compare.network(small, tmp_path, ("tflite",))["tflite"]["verdict"]

    assert stops(TargetError("no such layer")) == "refused"
    assert stops(AssertionError()) == "crashed"
    assert stops(ToolFailed("target hls4ml: g++ failed", tmp_path / "build.log")) == "crashed"


@pytest.fixture
def script():
    path = Path(__file__).parents[2] / "benchmarks" / "exactness_fuzz.py"
    spec = importlib.util.spec_from_file_location("exactness_fuzz", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_journal_goes_on_where_it_was_cut(script, tmp_path):
    def line(number, seed=SEED, **verdicts):
        forms = {form: {"verdict": v, "reason": "r"} for form, v in verdicts.items()}
        return json.dumps({"seed": seed, "number": number, "words": [], "forms": forms})

    path = tmp_path / "journal.jsonl"
    lines = [
        line(0, tflite="exact", hls4ml="wrong"),
        line(0, seed=2, rtl="wrong"),
        line(1, tflite="refused"),
        line(0, hls4ml="exact", rtl="not simulated"),
        line(2, tflite="exact")[:30],
    ]
    path.write_text("\n".join(lines))
    known = script.journal(path, SEED)
    assert sorted(known) == [0, 1]
    assert sorted(known[0]["forms"]) == ["hls4ml", "rtl", "tflite"]
    told = script.summary(list(known.values()))
    counted = {"bit_exact": 2, "refused": 1, "silently_wrong": 0, "crashed": 0, "not_simulated": 1}
    assert told["figures"] == counted
    assert told["refusals"] == [{"form": "tflite", "reason": "r", "networks": 1}]
    assert told["faults"] == []
