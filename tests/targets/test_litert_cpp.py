"""The C++ of kit litert-cpp: compiled, exact, without allocations, and refusing what is wrong."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks import dense, quantities, trying

from hepnn import handover
from hepnn.errors import TargetError
from hepnn.targets import kit as kits
from hepnn.targets import tflite
from hepnn.targets.tflite.program import text

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

TARGET = {"target": "tflite", "stage": "quantized", "run": "x", "part": None, "kit": "litert-cpp"}
NAMES = ["gluon", "quark", "w", "z", "top"]


def library():
    (place,) = importlib.util.find_spec("ai_edge_litert").submodule_search_locations
    return Path(place) / "libLiteRt.so"


def compiled(folder, program, linked):
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"{program}.cpp"]
    command += [str(linked), f"-Wl,-rpath,{linked.parent}", "-ldl", "-o", program]
    subprocess.run(command, cwd=folder, check=True)


def started(folder, program, *words):
    command = [f"./{program}", *map(str, words)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def shipped(tensorflow, tmp_path_factory):
    """Return an exact network, its folder with both programs compiled, and its threshold."""
    folder, x = tmp_path_factory.mktemp("cpp"), quantities()
    model = dense("hgq", x)
    kit = kits.load("litert-cpp")
    (artefact,) = tflite.write(model, folder, kit=kit, calibration=x, exact=True)
    names = NAMES[: model.outputs[0].shape[-1]]
    features = [{"name": f"q{n}", "unit": "GeV"} for n in range(x.shape[-1])]
    quantities_of = {
        "inputs": {"features": features},
        "outputs": {"task": "classify", "names": names},
    }
    threshold = {
        "threshold": 0.4,
        "signal": names[-2:],
        "score": f"p({'+'.join(names[-2:])})",
        "outputs": "logits",
    }
    target = {**TARGET, "sha256": "0" * 64}
    handover.write(folder, target=target, quantities=quantities_of, threshold=threshold)
    for program in ("network_test", "trigger"):
        compiled(folder, program, library())
    return model, folder, artefact


def test_its_vectors_are_those_of_keras_to_the_last_bit_without_allocation(shipped):
    _, folder, _ = shipped
    found = started(folder, "network_test")
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 differ (to the last bit)" in found.stdout
    assert "0 allocations in 10000 events" in found.stdout


def test_any_event_gets_the_bits_of_keras(shipped):
    model, folder, _ = shipped
    x = trying(quantities())
    (folder / "in.txt").write_text(text(x))
    (folder / "out.txt").write_text(text(model.predict(x, verbose=0)))
    found = started(folder, "network_test", "in.txt", "out.txt")
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(x)} events compared, 0 differ" in found.stdout


def test_a_bit_that_differs_fails(shipped):
    _, folder, _ = shipped
    lines = (folder / "vectors/expected.txt").read_text().splitlines()
    numbers = np.array([float.fromhex(word) for word in lines[3].split()], np.float32)
    lines[3] = text(np.nextafter(numbers, np.float32(np.inf))[None]).strip()
    (folder / "wrong.txt").write_text("\n".join(lines) + "\n")
    found = started(folder, "network_test", "vectors/inputs.txt", "wrong.txt")
    assert found.returncode == 1 and "1 differ" in found.stdout and "event 3," in found.stdout


def test_the_threshold_decides_as_the_probabilities_do(shipped):
    _, folder, artefact = shipped
    x = quantities()[:500]
    (folder / "events.txt").write_text(text(x))
    logits = artefact.predict(x).astype(np.float64)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    accepted = int((probability[:, -2:].sum(axis=1) >= 0.4).sum())
    found = started(folder, "trigger", "events.txt")
    assert 0 < accepted < len(x)
    assert found.stdout.startswith(f"{accepted} of {len(x)} events accepted: p(")


@pytest.mark.parametrize(
    ("events", "model", "said"),
    [
        ("missing.txt", "model.tflite", "missing.txt: cannot be read"),
        ("short.txt", "model.tflite", "short.txt, line 1: expected"),
        ("vectors/inputs.txt", "missing.tflite", "missing.tflite: cannot be read"),
        ("vectors/inputs.txt", "README.md", "README.md: LiteRT refuses it"),
    ],
)
def test_what_is_wrong_is_one_line(shipped, events, model, said):
    _, folder, _ = shipped
    (folder / "short.txt").write_text("1 2\n")
    found = started(folder, "trigger", events, model)
    assert found.returncode == 2 and not found.stdout
    assert said in found.stderr.splitlines()[-1] or said in found.stderr


def test_another_version_of_the_library_is_refused(shipped, tmp_path):
    _, folder, _ = shipped
    (tmp_path / "ai_edge_litert").mkdir()
    other = tmp_path / "ai_edge_litert/libLiteRt.so"
    shutil.copyfile(library(), other)
    copy = tmp_path / "project"
    shutil.copytree(folder, copy)
    compiled(copy, "trigger", other)
    unknown = started(copy, "trigger", "vectors/inputs.txt")
    assert unknown.returncode == 2 and "says its version" in unknown.stderr
    (tmp_path / "ai_edge_litert-2.30.0.dist-info").mkdir()
    newer = started(copy, "trigger", "vectors/inputs.txt")
    assert newer.returncode == 2
    assert newer.stderr == "libLiteRt.so is of ai-edge-litert 2.30.0; this was built for 2.3\n"


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake")
def test_ctest_passes(shipped, tmp_path):
    _, folder, _ = shipped
    options = [f"-DLITERT_LIBRARY={library()}", "-DCMAKE_BUILD_TYPE=Debug"]
    subprocess.run(["cmake", "-S", folder, "-B", tmp_path, *options], check=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True)
    subprocess.run(["ctest", "--test-dir", tmp_path, "--output-on-failure"], check=True)


def test_the_float32_form_has_to_be_there(shipped, tmp_path):
    model, _, _ = shipped
    kit = kits.load("litert-cpp")
    with pytest.raises(TargetError, match="runs float32"):
        tflite.write(
            model, tmp_path, kit=kit, calibration=quantities(), exact=False, formats=["int8"]
        )
