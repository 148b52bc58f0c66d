"""The `cpp` target: plain C++ gives Keras' bits for every finite input, and refuses the others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import _finished, convolutional, dense, images, quantities, trying

from hepnn import vocabularies
from hepnn.data import scaling
from hepnn.errors import DataError, MissingDependency, RunError, TargetError
from hepnn.targets import cpp
from hepnn.targets import kit as kits
from hepnn.targets.cpp import build, matrices, program, source
from hepnn.targets.cpp.program import Program
from hepnn.targets.fixed_point import ROUNDINGS, Lane

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]


def kit(**options: Any) -> kits.Kit:
    return kits.of("cpp", "integer-cpp", options)


def recurrent(x: np.ndarray) -> Any:
    import keras

    keras.utils.set_random_seed(4)
    nn = vocabularies.get("hgq")
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.GRU(4, gates="hard", name="gru")(h)
    return _finished(keras.Model(inputs, nn.Dense(3, name="logits")(h)), "hgq", x, True)


def sequences() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(200, 4, 2)).astype(np.float32) * 3


#: A network of every kind, with the form that it takes.
NETWORKS = {
    "dense": (lambda x: dense("hgq", x, uneven=True), quantities, "matrices"),
    "line": (lambda x: dense("hgq", x, uneven=True), quantities, "program"),
    "qkeras": (lambda x: dense("qkeras", x, bits=6), quantities, "matrices"),
    "images": (lambda x: convolutional("hgq", x, uneven=True), images, "auto"),
    "sequences": (recurrent, sequences, "auto"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made, events, form = NETWORKS[request.param]
    x, folder = events(), tmp_path_factory.mktemp(request.param)
    model = made(x)
    (artefact,) = cpp.write(model, folder, kit=kit(form=form), calibration=x, exact=True)
    return model, x, folder, artefact


def test_outputs_and_words_are_keras_everywhere(shipped: Any) -> None:
    model, x, folder, artefact = shipped
    tried = np.concatenate([trying(x), x[:20] * 1e9])
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    result = artefact.predict(tried)
    assert artefact.promise == "exact" and result.dtype == np.float32
    np.testing.assert_array_equal(result, wanted)
    fractions = json.loads((folder / "interface.json").read_text())["output"]["grid"]["fraction"]
    words = artefact.words(tried)
    assert words.dtype == np.int64
    np.testing.assert_array_equal(words * np.exp2(-np.array(fractions, float)), wanted)
    assert artefact.predict(tried[:0]).shape == (0, wanted.shape[1])


def test_no_number_is_no_answer(shipped: Any) -> None:
    _, x, _, artefact = shipped
    for bad in (np.nan, np.inf, -np.inf):
        events = x[:3].copy()
        events[1].flat[-1] = bad
        with pytest.raises(DataError, match="event 1 is not finite"):
            artefact.predict(events)
        inside = artefact._functions.predict(events)
        assert np.isnan(inside[1]).all() and np.isfinite(inside[[0, 2]]).all()


def test_forms_are_what_was_asked_for(shipped: Any, request: pytest.FixtureRequest) -> None:
    _, _, folder, artefact = shipped
    form = artefact.cost()["form"]
    name = request.node.callspec.params["shipped"]
    forms = {"dense": "matrices", "qkeras": "matrices", "sequences": "steps"}
    assert form == forms.get(name, "program")
    assert ("arithmetic::dense" in (folder / "network.cpp").read_text()) == (form == "matrices")
    assert (folder / "arithmetic.h").exists() == (form == "matrices")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a network of matrices, its folder and events; tests may damage a copy."""
    x, folder = quantities(), tmp_path_factory.mktemp("small")
    model = dense("hgq", x, uneven=True)
    cpp.write(model, folder, kit=kit(form="matrices"), calibration=x, exact=True)
    return model, folder, x


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_cmake_builds_and_ctest_compares(small: Any, tmp_path: Path) -> None:
    _, folder, _ = small
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    ran = {"cwd": copy, "check": True, "capture_output": True, "text": True}
    subprocess.run(["cmake", "-S", ".", "-B", "build"], **ran)
    built = subprocess.run(["cmake", "--build", "build"], **ran)
    assert "warning" not in built.stderr
    tested = subprocess.run(["ctest", "--test-dir", "build"], **ran)
    assert "100% tests passed" in tested.stdout
    answered = subprocess.run(["build/example"], **ran).stdout.splitlines()
    vectors = (copy / "vectors/expected.txt").read_text().splitlines()
    got = [float(word) for line in answered for word in line.split() if not line.startswith("#")]
    wanted = [float.fromhex(word) for line in vectors for word in line.split()]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)

    expected = copy / "vectors/expected.txt"
    first, rest = expected.read_text().split(" ", 1)
    expected.write_text(f"{float.fromhex(first) + 2.0**-8} {rest}")
    failed = subprocess.run([copy / "build/network_test"], cwd=copy, capture_output=True, text=True)
    assert failed.returncode == 1 and "FAIL" in failed.stdout and "output 0" in failed.stdout


FLAGS = ("-DINTEGER_CPP_PORTABLE", "-msse2", "-march=x86-64-v3", "-march=x86-64-v4")


@pytest.mark.parametrize("flag", FLAGS)
def test_every_width_of_registers_gives_the_same_bits(
    small: Any, tmp_path: Path, flag: str
) -> None:
    _, folder, _ = small
    processor = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    needed = {"-march=x86-64-v3": "avx2", "-march=x86-64-v4": "avx512bw", "-msse2": "sse2"}
    if needed.get(flag, "") not in processor:
        pytest.skip("another processor")
    sources = ["network.cpp", "interface.cpp", "network_test.cpp"]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    command = ["g++", "-std=c++17", "-O1", *warnings, flag, *sources, "-o", tmp_path / "test"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run([tmp_path / "test"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "PASS" in done.stdout


def test_moved_folder_is_compiled_again_and_needs_no_keras(small: Any, tmp_path: Path) -> None:
    model, folder, x = small
    shutil.copytree(folder, tmp_path / "moved")
    (library,) = (tmp_path / "moved" / build.FOLDER).glob("*.so")
    library.unlink()
    np.save(tmp_path / "x.npy", x[:100])
    code = (
        "import sys, numpy as np; from pathlib import Path; from hepnn.targets import cpp;"
        "(a,) = cpp.load(Path('moved')); np.save('y.npy', a.predict(np.load('x.npy')));"
        "assert not {'keras', 'tensorflow', 'alkaid'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cpp.__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x[:100], verbose=0))


@pytest.mark.parametrize("name", ["interface.json", "network.cpp", "network.h"])
def test_damaged_files_are_named(small: Any, tmp_path: Path, name: str) -> None:
    _, folder, x = small
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises((RunError, TargetError)) as refused:
        for artefact in cpp.load(damaged):
            artefact.predict(x[:2])
    said = str(refused.value)
    assert "\n" not in said and ("damaged" in said or "build.log" in said)


def test_without_a_compiler_there_is_one_line(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, x = small
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingDependency, match=r"target cpp needs g\+\+: apt-get install g\+\+"):
        cpp.write(model, tmp_path, kit=kit(), calibration=x, exact=True)


def test_a_network_that_differs_is_refused(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, x = small
    right = matrices.stages

    def wrong(*given: Any) -> Any:
        stages = right(*given)
        assert stages is not None
        stages[-1].bias = stages[-1].bias + 1
        return stages

    monkeypatch.setattr(matrices, "stages", wrong)
    with pytest.raises(TargetError, match=r"target cpp: .*'logits': differs from Keras in \d+ of"):
        cpp.write(model, tmp_path, kit=kit(form="matrices"), calibration=x, exact=True)


def test_what_it_does_not_take_is_named(small: Any, tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="plain")(inputs), name="floating")
    rows = {row.layer: row for row in cpp.check(model, kit())}
    assert rows["plain"].verdict == "refused"
    with pytest.raises(TargetError, match="target cpp: model 'floating', layer 'plain': not fixed"):
        cpp.write(model, tmp_path, kit=kit(), calibration=np.zeros((1, 3)), exact=True)
    x = images()
    with pytest.raises(TargetError, match="no chain of dense layers of 16 bits; form: auto"):
        network = convolutional("hgq", x)
        cpp.write(network, tmp_path, kit=kit(form="matrices"), calibration=x, exact=True)
    model, _, x = small
    assert {row.verdict for row in cpp.check(model, kit())} == {"exact"}
    with pytest.raises(TargetError, match="unknown format 'c'"):
        cpp.write(model, tmp_path, kit=kit(), calibration=x, exact=True, formats=["c"])


def passing_on(folder: Path, lane: Lane, count: int) -> build.Functions:
    """Return a compiled network that gives its inputs' words as they are."""
    network = source.Network(
        title="as it is",
        namespace="as_it_is",
        shape=(count,),
        output_shape=(count,),
        lane=lane,
        fractions=lane.f.astype(int).ravel().tolist(),
        bits=32,
        code="void infer(const word *x, word *y) {\n"
        "    for (std::size_t n = 0; n < INPUTS; n++) y[n] = x[n];\n}\n",
        options="-O1",
    )
    source.write(folder, network)
    return build.Functions(build.library(folder, "-O1", 60), "as_it_is", count, count)


LANES = [(rounding, "WRAP") for rounding in ROUNDINGS] + [("RND_CONV", "SAT"), ("TRN", "SAT_SYM")]


@pytest.mark.parametrize(("rounding", "overflow"), LANES)
def test_entering_quantities_are_on_the_quantizers_lane(
    rounding: str, overflow: str, tmp_path: Path
) -> None:
    k = np.array([[1, 0, 1, 0, 1, 1, 0, 1]], float)
    i = np.array([[3, 4, -1, 0, 12, 9, -2, 2]], float)
    f = np.array([[4, 0, 6, 7, -3, 14, 2, -4]], float)
    lane = Lane(k, i, f, rounding, overflow)
    rng = np.random.default_rng(0)
    step = 2.0**-f
    whole = rng.integers(-100, 100, (400, 8)) * step
    ends = np.where(rng.random((200, 8)) < 0.5, lane.lowest, lane.highest)
    near = ends + rng.choice([-1.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5], ends.shape) * step
    ties = whole + step / 2
    beside = np.nextafter(ties.astype(np.float32), rng.choice([-1e9, 1e9], ties.shape))
    far = rng.normal(size=(400, 8)) * 10.0 ** rng.integers(-40, 30, (400, 8))
    x = np.concatenate([whole, near, ties, beside, far]).astype(np.float32)
    wanted = lane.quantize(x)
    assert np.isfinite(wanted).all()
    functions = passing_on(tmp_path, lane, 8)
    np.testing.assert_array_equal(functions.predict(x), wanted)
    np.testing.assert_array_equal(functions.words(x), wanted * 2.0**f)


def drawn(seed: int, wide: int) -> tuple[Any, Lane]:
    """Return a program of random operations and the lane of its inputs."""
    from alkaid.trace import FVArray, trace

    from hepnn.targets.rtl.repairs import repaired

    rng = np.random.default_rng(seed)
    kif = np.array([[1, 0, 1], [3, 4, 2 + wide], [2, 1, 3]])
    with repaired():
        numbers = FVArray.from_kif(*kif)
        made = list(numbers)
        for _ in range(40):
            one, other = (made[rng.integers(len(made))] for _ in range(2))
            power = float(2.0 ** rng.integers(-2, 3))
            match rng.integers(8):
                case 0:
                    new = one * -power + float(rng.integers(-20, 20) / 4)
                case 1:
                    new = one + other * power
                case 2:
                    new = one.max_of(other * power)
                case 3:
                    new = one.min_of(other) - one
                case 4:
                    new = one.quantize(0, 3, 2) * other.quantize(1, 3, 1)
                case 5:
                    new = [one & other, one | other, one ^ other][rng.integers(3)]
                case 6:
                    new = [~one, one._ne(other)][rng.integers(2)]
                case _:
                    lane = rng.integers(2), rng.integers(1, 6), rng.integers(-1, 4)
                    modes = rng.choice(["WRAP", "SAT"]), rng.choice(["TRN", "RND"])
                    new = one.quantize(*map(int, lane), *map(str, modes))
            made.append(new.quantize(1, 8 + wide, 4))
        return trace(numbers, made, keep_dead_inputs=True), Lane(*kif[:, None], "TRN", "WRAP")


@pytest.mark.parametrize(("seed", "wide", "bits"), [(0, 0, 32), (1, 0, 32), (2, 24, 64)])
def test_programs_compute_what_alkaid_does(
    seed: int, wide: int, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comb, lane = drawn(seed, wide)
    if seed == 1:  # in many functions
        monkeypatch.setattr(program, "_OPERATIONS", 7)
    made = Program(comb, lane)
    assert made.bits == bits
    shape = (comb.shape[1],)
    network = source.Network(
        "drawn", "drawn", (3,), shape, lane, made.fractions, made.bits, made.source(), "-O1"
    )
    source.write(tmp_path, network)
    assert ("part1" in (tmp_path / "network.cpp").read_text()) == (seed == 1)
    functions = build.Functions(build.library(tmp_path, "-O1", 60), "drawn", 3, shape[0])
    rng = np.random.default_rng(9)
    x = rng.uniform(lane.lowest, lane.highest + 2.0**-lane.f, (2000, 3)).astype(np.float32)
    wanted = comb.predict(lane.quantize(x).astype(np.float64))
    assert (np.ptp(wanted, axis=0) > 0).sum() > 20
    steps = np.exp2(-np.array(made.fractions, float))
    np.testing.assert_array_equal(functions.words(x) * steps, wanted)


def test_cost_is_measured(small: Any) -> None:
    _, folder, _ = small
    (artefact,) = cpp.load(folder)
    cost = artefact.cost()
    assert 0 < cost["latency_ns"]["p50"] <= cost["latency_ns"]["p99"]
    assert cost["bytes"] > 1000 and cost["operations"] > 100
    json.dumps(cost)
