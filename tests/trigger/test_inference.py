"""One network in the event loop: the run's bits, by array or by name, in any thread."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

import hepnn
from hepnn.errors import DataError, RecipeError, RunError
from hepnn.run import Run
from hepnn.targets import tflite
from hepnn.trigger import command, thresholds


def test_scores_are_the_softmax_of_what_was_shipped(shipped: Run) -> None:
    x = shipped.events("test").x
    logits = tflite.load(shipped.exports("quantized") / "tflite")[0].predict(x)
    trigger = hepnn.trigger.load(shipped, signal="middle")
    assert trigger.export.stage == "quantized" and trigger.export.promise == "exact"
    np.testing.assert_array_equal(trigger.outputs(x), logits)
    expected = softmax(logits.astype(np.float64), axis=1)[:, 1]
    np.testing.assert_allclose(trigger.score(x), expected, rtol=1e-13)
    np.testing.assert_allclose([trigger.score(event) for event in x], expected, rtol=1e-13)


def test_several_classes_may_be_signal(shipped: Run) -> None:
    x = shipped.events("test").x[:50]
    trigger = hepnn.trigger.load(shipped, signal=["low", "high"])
    expected = softmax(trigger.outputs(x).astype(np.float64), axis=1)[:, [0, 2]].sum(axis=1)
    np.testing.assert_allclose(trigger.score(x), expected, rtol=1e-13)
    np.testing.assert_allclose([trigger.score(event) for event in x], expected, rtol=1e-13)


def test_events_come_by_name_in_any_order(shipped: Run) -> None:
    trigger = hepnn.trigger.load(shipped)
    x = shipped.events("test").x[:7]
    named = {name: x[:, place] for place, name in reversed([*enumerate(trigger.features)])}
    np.testing.assert_array_equal(trigger.score(named), trigger.score(x))
    one = {name: float(values[0]) for name, values in named.items()}
    assert trigger.score(one) == trigger.score(x[0]) == trigger.score(x[0].tolist())


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (np.zeros(3, np.float32), "shape"),
        (np.zeros((2, 3), np.float32), "shape"),
        (np.array([1, np.nan, 1, 1], np.float32), "feature width is nan"),
        (np.array([[1, 1, 1, np.inf]], np.float32), "feature shape is inf"),
        ({"mass": 1.0, "width": 1.0, "count": 1.0}, "feature shape is missing"),
        ({"mass": 1.0, "widht": 1.0}, "did you mean 'width'"),
        (["a", "b", "c", "d"], "no array of numbers"),
    ],
)
def test_a_malformed_event_is_refused(shipped: Run, event: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        hepnn.trigger.load(shipped).score(event)


def test_large_but_finite_numbers_are_taken(shipped: Run) -> None:
    event = np.full(4, 1e30, np.float32)
    assert 0 <= hepnn.trigger.load(shipped).score(event) <= 1


def test_an_export_may_lie_anywhere(shipped: Run) -> None:
    alone = Path(tempfile.mkdtemp(dir="/tmp"))
    shutil.copytree(shipped.exports("quantized") / "tflite", alone, dirs_exist_ok=True)
    try:
        assert len(alone.resolve().parents) < 3 and hepnn.trigger.load(alone).export.run is None
    finally:
        shutil.rmtree(alone)


def test_each_thread_has_an_interpreter(shipped: Run) -> None:
    trigger = hepnn.trigger.load(shipped)
    x = shipped.events("test").x[:400]
    expected = [trigger.score(event) for event in x]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [trigger.score(event) for event in x], range(8)):
            assert found == expected


def test_blocks_give_the_bits_of_single_events(shipped: Run) -> None:
    x = np.tile(shipped.events("test").x, (3, 1))
    trigger = hepnn.trigger.load(shipped)
    single = np.array([trigger.run_one(event).copy() for event in x])
    np.testing.assert_array_equal(trigger.run(x), single)


def test_it_is_pickled_as_its_path(own: Run) -> None:
    trigger = hepnn.trigger.load(own, signal="low", threshold=0.5)
    content = pickle.dumps(trigger)
    assert len(content) < 2000
    x = own.events("test").x
    np.testing.assert_array_equal(pickle.loads(content).decide(x), trigger.decide(x))
    trigger.export.path.write_bytes(trigger.export.content[:-1] + b"x")
    with pytest.raises(RunError, match="checksum"):
        pickle.loads(content)


def test_the_steady_loop_allocates_nothing_that_stays(shipped: Run) -> None:
    trigger = hepnn.trigger.load(shipped, threshold=0.5)
    event = shipped.events("test").x[0]
    for _ in range(100):
        trigger.decide(event)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(5000):
        trigger.decide(event)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1000  # less than a byte an event


def test_no_tensorflow_is_imported(shipped: Run) -> None:
    script = (
        f"import sys, hepnn; t = hepnn.trigger.load({str(shipped.path)!r})\n"
        "t.score([1, 1, 1, 1])\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_thresholds_are_stored_for_the_file_that_they_are_for(own: Run) -> None:
    trigger = hepnn.trigger.load(own)
    with pytest.raises(RunError, match="no threshold"):
        trigger.decide(np.zeros(4, np.float32))
    chosen = thresholds.choose(trigger, "background=0.1")
    thresholds.store(trigger, chosen)
    again = hepnn.trigger.load(own)
    thresholds.insist_on_vectors(again)
    events = own.events("validation")
    kept = again.decide(events.x)
    background = events.y != 2
    share = kept[background].mean()
    assert (
        share
        <= 0.1
        < share
        + 2 / background.sum()
        + np.mean(again.score(events.x) == again.score(events.x)[background].max())
    )
    assert chosen["background"]["value"] == pytest.approx(share)
    low, high = chosen["background"]["interval"]
    assert low < share < high
    assert chosen["signal_efficiency"]["value"] == pytest.approx(kept[~background].mean())
    assert hepnn.trigger.load(own, signal="low").threshold is None
    sums = trigger.export.path.parent / "SHA256SUMS"
    sums.unlink()
    changed = bytearray(trigger.export.content)
    changed[-1] ^= 1
    trigger.export.path.write_bytes(bytes(changed))
    with pytest.raises(RunError, match="chosen for another file"):
        hepnn.trigger.load(own)


def test_asking_for_another_signal_does_not_replace_the_stored_threshold(own: Run) -> None:
    chosen = command.threshold(str(own), "background=0.1", signal=["high"])
    with pytest.raises(RunError, match="is for \\['high'\\], not \\['low'\\]"):
        command.threshold(str(own), signal=["low"])
    for signal in (None, ["high"]):
        assert command.threshold(str(own), signal=signal)["threshold"] == chosen["threshold"]
    other = command.threshold(str(own), "background=0.1", signal=["low"])
    assert command.threshold(str(own))["threshold"] == other["threshold"] != chosen["threshold"]


def test_a_rate_is_a_background_efficiency(shipped: Run) -> None:
    trigger = hepnn.trigger.load(shipped)
    by_rate = thresholds.choose(trigger, "rate=500Hz", input_rate=5000)
    assert by_rate["threshold"] == thresholds.choose(trigger, "background=0.1")["threshold"]
    low, high = by_rate["threshold_interval"]
    assert low < by_rate["threshold"] < high
    for wrong in (None, 0.0, -5000.0, float("nan")):
        with pytest.raises(RecipeError, match="--rate"):
            thresholds.choose(trigger, "rate=500", input_rate=wrong)
    with pytest.raises(DataError, match="cannot resolve"):
        thresholds.choose(trigger, "background=1e-6")


@pytest.mark.parametrize("text", ["0.9", "background=1.5", "rate=-1", "eff=0.3", "score=nan"])
def test_a_threshold_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="threshold"):
        thresholds.parse(text)
