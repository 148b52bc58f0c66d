"""Recurrent networks in C++, step by step: the same bits as Keras on whole and cut sequences."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import _finished, trying

from hepnn import vocabularies
from hepnn.architectures import recurrent
from hepnn.data import scaling
from hepnn.errors import TargetError
from hepnn.targets import cpp
from hepnn.targets import kit as kits
from hepnn.targets.cpp import steps
from hepnn.targets.fixed_point import first_lane
from hepnn.targets.rtl import trace

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]

STEPS = 4

CELLS = {
    "simple": {"cell": "simple", "units": [3]},
    "lstm-stacked": {"cell": "lstm", "units": [3, 2]},
    "peephole": {"cell": "peephole", "units": [2]},
    "gru-backwards": {"cell": "gru", "units": [3], "go_backwards": True},
    "gru-reset-after": {"cell": "gru", "units": [3], "reset_after": True, "mask": False},
}


def sequences(masked: bool) -> np.ndarray:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, STEPS, 3)).astype(np.float32) * 3
    if masked:
        x[..., -1] = np.arange(STEPS) < rng.integers(1, STEPS + 1, (len(x), 1))
    return x


def network(x: np.ndarray, **hyper: Any) -> Any:
    import keras

    keras.utils.set_random_seed(4)
    nn = vocabularies.get("hgq")
    known = scaling.standard(x)
    if hyper.get("mask", True):  # the mask stays a mask
        known = {name: np.array(values) for name, values in known.items()}
        for name, value in (("offset", 0.0), ("exponent", 0)):
            if name in known:
                known[name][..., -1] = value
    nn.scaling = known
    model = recurrent.build(x.shape[1:], (2,), nn=nn, gates="hard", hidden=[], **hyper)
    return _finished(model, "hgq", x, True)


@pytest.fixture(scope="module", params=CELLS)
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    hyper = CELLS[request.param]
    x, folder = sequences(hyper.get("mask", True)), tmp_path_factory.mktemp(request.param)
    model = network(x, **hyper)
    kit = kits.of("cpp", "integer-cpp")
    (artefact,) = cpp.write(model, folder, kit=kit, calibration=x, exact=True)
    return model, x, folder, artefact


def test_the_loop_over_steps_gives_keras_bits_everywhere(shipped: Any) -> None:
    model, x, _, artefact = shipped
    assert artefact.cost()["form"] == "steps"
    tried = np.concatenate([x, trying(x)])
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 20
    np.testing.assert_array_equal(artefact.predict(tried), wanted)


def test_a_caller_keeps_the_state(shipped: Any, tmp_path: Path) -> None:
    _, _, folder, _ = shipped
    sources = ["network.cpp", "interface.cpp", "recurrent_test.cpp"]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    command = ["g++", "-std=c++17", "-O1", *warnings, *sources, "-o", tmp_path / "test"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run([tmp_path / "test"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and f"sequences of {STEPS} steps, 0 faults" in done.stdout

    expected = (folder / "vectors/expected.txt").read_text()
    shutil.copytree(folder / "vectors", tmp_path / "vectors")
    first, rest = expected.split(" ", 1)
    (tmp_path / "vectors/expected.txt").write_text(f"{float.fromhex(first) + 2.0**-8} {rest}")
    failed = subprocess.run([tmp_path / "test"], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1 and "event 0, output 0 differs" in failed.stdout


PREFIXES = r"""
#include <cstdio>
#include "recurrent.h"
#include "vectors.h"
using namespace network;
int main(int, char **arguments) {
    const std::vector<float> x = numbers(arguments[1]);
    for (std::size_t event = 0; event < x.size() / INPUTS; event++) {
        State state;
        for (std::size_t n = 0; n < STEPS; n++) {
            step(&x[event * INPUTS + n * FEATURES], state);
            float y[OUTPUTS];
            outputs(state, y);
            for (float value : y) std::printf("%a ", static_cast<double>(value));
        }
        std::printf("\n");
    }
}
"""


def test_between_steps_the_answer_is_that_of_the_padded_sequence(tmp_path: Path) -> None:
    x = sequences(masked=True)[:50]
    x[..., -1] = 1
    model = network(x, cell="gru", units=[3])
    cpp.write(model, tmp_path, kit=kits.of("cpp", "integer-cpp"), calibration=x, exact=True)
    (tmp_path / "prefixes.cpp").write_text(PREFIXES)
    (tmp_path / "x.txt").write_text(" ".join(float(value).hex() for value in x.ravel()))
    sources = ["network.cpp", "interface.cpp", "prefixes.cpp"]
    subprocess.run(["g++", "-std=c++17", *sources, "-o", "prefixes"], cwd=tmp_path, check=True)
    said = subprocess.run(["./prefixes", "x.txt"], cwd=tmp_path, capture_output=True, text=True)
    got = np.array([float.fromhex(word) for word in said.stdout.split()]).reshape(len(x), STEPS, 2)
    for steps_seen in range(1, STEPS + 1):
        padded = x.copy()
        padded[:, steps_seen:] = 0  # the mask too
        np.testing.assert_array_equal(got[:, steps_seen - 1], model.predict(padded, verbose=0))


def test_both_directions_and_mixed_steps_have_no_such_form(tmp_path: Path) -> None:
    import keras

    x = sequences(masked=False)
    both = network(x, cell="gru", units=[2], bidirectional=True, mask=False)
    kit = kits.of("cpp", "integer-cpp", {"form": "steps"})
    with pytest.raises(TargetError, match="reads one step after the other, in one direction"):
        cpp.write(both, tmp_path, kit=kit, calibration=x, exact=True)

    nn = vocabularies.get("hgq")
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.Conv1D(3, 2, padding="same", name="conv")(h)
    h = nn.GRU(2, gates="hard", name="gru")(h)
    mixed = _finished(keras.Model(inputs, nn.Dense(2, name="logits")(h)), "hgq", x, False)
    found = first_lane(mixed)
    assert found is not None and trace.trace_network(mixed).comb.ops
    assert steps.of(mixed, found[1]) is None
