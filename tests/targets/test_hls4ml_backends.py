"""hls4ml's backends: equal bits where they run, a bench that compares, and no layer left out."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from networks import convolutional, dense, images, quantities, trying

from hepnn import files
from hepnn.errors import MissingDependency, RecipeError, TargetError
from hepnn.targets import hls4ml
from hepnn.targets import kit as kits
from hepnn.targets.hls4ml import elementwise, project
from hepnn.targets.hls4ml.testbench import INPUTS, OUTPUTS, QUANTITIES, SCRIPT
from hepnn.targets.kit import HLSOptions, Kit
from hepnn.targets.tools import ToolFailed

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

#: Without optimization it takes a third of the time.
QUICK = 'exec g++ "$@" -O0'

RUNNING = ["Vitis", "VivadoAccelerator", "Quartus", "Catapult"]


def kit_for(backend, **options):
    return Kit(
        name="test",
        title="test",
        targets=["hls4ml"],
        clock_period_ns=10,
        hls4ml=HLSOptions(backend=backend, **options),
    )


@pytest.fixture(scope="module")
def projects(network, tmp_path_factory):
    """Return a function that gives a backend's artefact and project, written once."""
    model, x = network
    made = {}

    def project_of(backend):
        if backend not in made:
            folder = tmp_path_factory.mktemp(backend)
            with pytest.MonkeyPatch.context() as monkeypatch:
                compiler(folder, monkeypatch, QUICK)
                opened = written(model, folder / "project", x, kit_for(backend))
            made[backend] = opened, folder / "project"
        return made[backend]

    return project_of


def compiler(folder, monkeypatch, body):
    """Put a script in the place of the compiler."""
    script = folder / "compiler"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))


@pytest.fixture
def quick(tmp_path, monkeypatch):
    compiler(tmp_path, monkeypatch, QUICK)


def written(model, folder, x, kit, exact=True):
    folder.mkdir()
    return hls4ml.write(model, folder, kit=kit, calibration=x, exact=exact)


def bench(folder):
    return subprocess.run(["sh", folder / SCRIPT], capture_output=True, text=True)


@pytest.fixture(scope="module")
def network(tensorflow):
    """Return a network whose lanes have widths of their own, some one bit and some none."""
    x = quantities(features=3)
    model = dense("hgq", x, uneven=True, units=(5, 5))
    for name in ("second", "logits"):
        quantizer = model.get_layer(name).iq.quantizer
        k, i, f = (np.array(part) for part in quantizer.kif)
        f[..., :2] = (1 - k - i)[..., :2]
        quantizer._f.assign(f)
        assert (sum(np.array(part) for part in quantizer.kif) == 1).any()
    return model, x


@pytest.mark.parametrize("backend", RUNNING)
def test_a_backend_repeats_the_bits_and_its_own_bench_agrees(network, projects, quick, backend):
    model, x = network
    (artefact,), folder = projects(backend)
    tried = trying(x)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))

    stated = files.read_json(folder / "interface.json")
    done = bench(folder)
    assert done.returncode == 0, done.stderr
    assert f"PASS: {stated['vectors']['events']} of" in done.stdout
    assert stated["vectors"]["expected"] == "keras" and stated["vectors"]["differing"] == 0
    # What has to come out is Keras's answer to the quantities, not what the project gave.
    told = np.loadtxt(folder / QUANTITIES, dtype=np.float32)
    wanted = np.loadtxt(folder / OUTPUTS, dtype=np.float32)
    np.testing.assert_array_equal(wanted, model.predict(told, verbose=0))
    grid = 2.0 ** np.array(stated["input"]["grid"]["fraction"])
    given = np.loadtxt(folder / INPUTS) * grid
    np.testing.assert_array_equal(given, np.round(given))


def test_the_bench_fails_on_one_changed_number_and_on_a_short_file(projects, tmp_path, quick):
    folder = tmp_path / "project"
    shutil.copytree(projects("Quartus")[1], folder)
    rows = (folder / OUTPUTS).read_text().splitlines()
    numbers = rows[7].split()
    changed = [*numbers[:2], f"{float(numbers[2]) + 2.0**-12:.9g}", *numbers[3:]]
    (folder / OUTPUTS).write_text("\n".join([*rows[:7], " ".join(changed), *rows[8:]]) + "\n")
    done = bench(folder)
    assert done.returncode == 1
    assert "first difference in event 7" in done.stdout and "1 differ" in done.stdout
    (folder / OUTPUTS).write_text("\n".join(rows[:-1]) + "\n")
    assert bench(folder).returncode == 1
    (folder / OUTPUTS).unlink()
    assert bench(folder).returncode == 1


@pytest.mark.parametrize("backend", ["Quartus", "Catapult"])
def test_a_convolution_repeats_the_bits(tensorflow, tmp_path, quick, backend):
    x = images()
    model = convolutional("hgq", x, uneven=True)
    (artefact,) = written(model, tmp_path / "project", x, kit_for(backend))
    tried = trying(x)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))


def test_a_float_stage_is_tried_with_what_ran_here(tensorflow, tmp_path, quick):
    x = quantities(features=3)
    model = dense("float", x, units=(5, 5))
    folder = tmp_path / "project"
    (artefact,) = written(model, folder, x, kit_for("Quartus"), exact=False)
    wanted = model.predict(x, verbose=0)
    assert np.abs(artefact.predict(x) - wanted).max() <= 2e-3 * np.abs(wanted).max()
    assert files.read_json(folder / "interface.json")["vectors"]["expected"] == "emulation"
    assert bench(folder).returncode == 0


def test_a_layer_that_hls4ml_leaves_out_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setattr(elementwise, "mended", contextlib.nullcontext)
    model, x = network
    with pytest.raises(TargetError, match=r"writes nothing for layer 'input_scaling'.*Quartus"):
        project.exact(model, tmp_path / "project", kit_for("Quartus"))


def test_layers_that_a_backend_was_not_proven_for_are_refused(tensorflow):
    import keras

    inputs = keras.Input((4, 3))
    h = keras.layers.LSTM(2, name="memory")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(h))
    rows = {row.layer: row for row in hls4ml.check(model, kit_for("Catapult"))}
    assert rows["memory"].verdict == "refused" and "Catapult" in rows["memory"].reason
    assert rows["last"].verdict == "approximate"


def test_one_api_is_written_and_not_run(network, tmp_path):
    _, x = network
    model = dense("hgq", x)
    folder = tmp_path / "project"
    kit = kit_for("oneAPI").model_copy(update={"part": "Agilex7"})
    assert written(model, folder, x, kit) == []
    assert hls4ml.load(folder) == []
    make = (folder / "CMakeLists.txt").read_text()
    assert 'set(FPGA_DEVICE "Agilex7")' in make and "-Xsclock=10" in make
    text = (folder / "src/network_test.cpp").read_text()
    assert "compare(outputs, pr);" in text and "return verdict();" in text
    assert "predictions.back()" not in text
    wanted = np.loadtxt(folder / OUTPUTS, dtype=np.float32)
    told = np.loadtxt(folder / QUANTITIES, dtype=np.float32)
    np.testing.assert_array_equal(wanted, model.predict(told, verbose=0))


def test_one_api_is_refused_where_nobody_could_tell_what_it_does(network, tmp_path):
    model, x = network
    with pytest.raises(TargetError, match="lane of one bit"):
        written(model, tmp_path / "bit", x, kit_for("oneAPI"))
    with pytest.raises(TargetError, match="float stage"):
        written(dense("float", x), tmp_path / "float", x, kit_for("oneAPI"), exact=False)
    assert {row.verdict for row in hls4ml.check(dense("float", x), kit_for("oneAPI"))} > {"refused"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"part": "10AX115S3F45E2SG"}, "is for AMD's parts"),
        ({"part": "xc7z045ffg900-2"}, "board pynq-z2 has part xc7z020clg400-1"),
        ({"clock_period_ns": 5}, "clocked at 10 ns, not 5"),
        ({"hls4ml": HLSOptions(backend="VivadoAccelerator", board="pynk-z2")}, "'pynq-z2'"),
    ],
)
def test_a_board_is_not_written_for_what_it_is_not(network, changes, said):
    model, _ = network
    kit = kit_for("VivadoAccelerator").model_copy(update=changes)
    (reason,) = {row.reason for row in hls4ml.check(model, kit) if row.verdict == "refused"}
    assert said in reason and "\n" not in reason


def test_parts_and_clocks_that_do_not_exist_are_one_line(tmp_path):
    good = "name: k\ntitle: k\ntargets: [hls4ml]\n"
    for line, said in (
        ("part: xcvu31q-fsvh1924-2-e", "no part 'xcvu31q-fsvh1924-2-e' is known; did you mean xc"),
        ("clock_period_ns: 0.2", "clock_period_ns: Input should be greater than or equal to 1"),
        ("clock_period_ns: .nan", "clock_period_ns: Input should be a finite number"),
    ):
        (tmp_path / "target.yaml").write_text(good + line + "\n")
        with pytest.raises(RecipeError, match=re.escape(said)) as refused:
            kits.load(str(tmp_path))
        assert "\n" not in str(refused.value)


def test_the_notebook_runs_the_vectors_through_the_driver(projects, tmp_path, monkeypatch):
    """The cells, with the compiled C++ of network and adapter in the place of the board."""
    (artefact,), written_to = projects("VivadoAccelerator")
    folder = tmp_path / "project"
    shutil.copytree(written_to, folder)

    class Overlay:
        def __init__(self, bitfile, x_shape, y_shape):
            assert (bitfile, x_shape[0]) == ("network.bit", y_shape[0])

        def predict(self, numbers, profile):
            return artefact._emulation(numbers).astype(np.float32), 1.0, 1.0

    driver = types.SimpleNamespace(NeuralNetworkOverlay=Overlay)
    monkeypatch.setitem(sys.modules, "axi_stream_driver", driver)
    monkeypatch.chdir(folder)
    cells = json.loads((folder / "network.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    exec(code, {})
    assert "class NeuralNetworkOverlay" in (folder / "axi_stream_driver.py").read_text()
    numbers = np.loadtxt(OUTPUTS)
    numbers[3, 0] += 1
    np.savetxt(OUTPUTS, numbers)
    with pytest.raises(AssertionError, match="first difference in event 3"):
        exec(code, {})


def test_a_compiler_that_fails_shows_its_last_error(network, tmp_path, monkeypatch):
    model, x = network
    body = "echo 'a.h:1:2: error: first'\necho 'a.h:7:2: error: last'\necho '1 warning'\nexit 3"
    compiler(tmp_path, monkeypatch, body)
    with pytest.raises(
        ToolFailed, match=r"compiler failed: a.h:7:2: error: last; its log"
    ) as failed:
        written(model, tmp_path / "project", x, kit_for("Quartus"))
    assert "error: first" in failed.value.log.read_text()


def test_a_compiler_that_hangs_is_stopped_with_what_it_started(network, tmp_path, monkeypatch):
    model, x = network
    pid = tmp_path / "pid"
    compiler(tmp_path, monkeypatch, f"tail -f /dev/null &\necho $! > {pid}\nwait")
    with pytest.raises(ToolFailed, match=r"compiler did not finish in 0.5 s; its log is"):
        written(model, tmp_path / "project", x, kit_for("Quartus", timeout_s=0.5))
    state = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split()[2] in "ZX"


def test_no_compiler_is_told_before_anything_is_converted(network, tmp_path, monkeypatch):
    model, x = network
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingDependency, match=r"needs g\+\+"):
        written(model, tmp_path / "project", x, kit_for("Catapult"))
    assert not any((tmp_path / "project").iterdir())
