"""RTL: benches that pass, that fail on one changed word, and scripts for the kit's part."""

import shutil
import subprocess

import numpy as np
import pytest
from networks import dense, quantities

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets import rtl
from hepnn.targets.kit import Kit, RTLOptions
from hepnn.targets.rtl import testbench, verilator, yosys
from hepnn.targets.tools import ToolFailed

KIT = Kit(
    name="test",
    title="test",
    targets=["rtl"],
    part="xc7z020clg400-1",
    clock_period_ns=8,
    rtl=RTLOptions(latency_cutoff=4, synthesize=False),
)

INTEL = KIT.model_copy(update={"part": "10AX115S3F45E2SG", "family": "Arria 10"})


@pytest.fixture(scope="module")
def design(tensorflow, tmp_path_factory):
    """Return a network with lanes of uneven widths, some none, and its VHDL."""
    x = quantities(features=4)
    model = dense("hgq", x, uneven=True)
    folder = tmp_path_factory.mktemp("rtl")
    rtl.write(model, folder, kit=KIT, calibration=x, exact=True, formats=["vhdl"])
    return model, x, folder


@pytest.fixture(scope="module")
def simulated(design, tmp_path_factory):
    """Return the same in Verilog, and what its bench said."""
    model, x, _ = design
    folder = tmp_path_factory.mktemp("verilog")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(verilator, "build", lambda *_: None)  # the bench is built instead
        rtl.write(model, folder, kit=KIT, calibration=x, exact=True, formats=["verilog"])
    tools = tmp_path_factory.mktemp("tools")
    environment = verilator.environment(tools)
    environment["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
    command = ["make", "-C", folder / "tb", "verilator"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return folder / "tb", done


def run(bench):
    return subprocess.run(["obj_dir/Vnetwork_tb"], cwd=bench, capture_output=True, text=True)


def test_the_verilog_bench_passes(simulated):
    bench, done = simulated
    assert done.returncode == 0, done.stderr
    events = len((bench / "expected.hex").read_text().splitlines())
    assert f"PASS: {events} of {events} events compared, 0 differ" in done.stdout
    assert events > 100


def test_the_verilog_bench_fails_on_one_changed_bit_and_on_missing_words(simulated, tmp_path):
    bench = tmp_path / "tb"
    shutil.copytree(simulated[0], bench)
    kept = {name: (bench / name).read_text() for name in ("inputs.hex", "expected.hex")}
    for name in kept:
        lines = kept[name].splitlines()
        flipped = f"{int(lines[9], 16) ^ 4:0{len(lines[9])}x}"
        (bench / name).write_text("\n".join([*lines[:9], flipped, *lines[10:]]) + "\n")
        if name == "expected.hex":
            done = run(bench)
            assert done.returncode != 0 and "event 9: got" in done.stdout
            assert "1 differ" in done.stdout
        for damaged in ("\n".join(lines[:-1]) + "\n", "\n".join([*lines[:9], "qq", *lines[10:]])):
            (bench / name).write_text(damaged)
            done = run(bench)
            assert done.returncode != 0 and f"{name} has no word" in done.stdout
        (bench / name).unlink()
        done = run(bench)
        assert done.returncode != 0 and "are not here" in done.stdout
        (bench / name).write_text(kept[name])
    assert run(bench).returncode == 0


@pytest.mark.skipif(shutil.which("ghdl") is None, reason="needs ghdl")
def test_the_vhdl_bench_passes_and_fails_on_one_changed_bit(design, tmp_path):
    folder = tmp_path / "design"
    shutil.copytree(design[2], folder)
    command = ["make", "-C", folder / "tb", "ghdl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "events compared, 0 differ" in done.stdout + done.stderr
    words = (folder / "tb/expected.hex").read_text().splitlines()
    words[5] = f"{int(words[5], 16) ^ 1:0{len(words[5])}x}"
    (folder / "tb/expected.hex").write_text("\n".join(words) + "\n")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "1 differ" in done.stdout + done.stderr


def test_words_are_what_the_interface_says(design):
    """Numbers cut out of the words by the stated bits are the quantities on their grid."""
    model, x, folder = design
    stated = files.read_json(folder / "interface.json")
    for side, name in (("input", "inputs.hex"), ("output", "expected.hex")):
        words = [int(line, 16) for line in (folder / "tb" / name).read_text().split()]
        columns = []
        port = stated[side]
        for number, bits in enumerate(port["bits"]):
            high, low = bits or (-1, 0)
            mask = (1 << (high - low + 1)) - 1
            values = np.array([(word >> low) & mask for word in words], np.int64)
            if bits and port["grid"]["signed"][number]:
                values -= (values >> (high - low)) << (high - low + 1)
            columns.append(values * 2.0 ** -port["grid"]["fraction"][number])
        if side == "input":
            given = np.stack(columns, axis=1).astype(np.float32)
        else:
            answered = np.stack(columns, axis=1)
    wanted = model.predict(given, verbose=0)
    np.testing.assert_array_equal(answered, wanted)


def test_scripts_and_constraints_are_the_kits(design, tmp_path):
    model, x, folder = design
    script = (folder / "vhdl/build_vivado_prj.tcl").read_text()
    assert 'set device "xc7z020clg400-1"' in script
    assert "place_design -directive Explore\n" in script
    assert "set clock_period 8.0" in (folder / "vhdl/src/network.xdc").read_text()
    assert not (folder / "vhdl/build_quartus_prj.tcl").exists()
    assert not list(folder.rglob("*.sdc"))

    rtl.write(model, tmp_path, kit=INTEL, calibration=x, exact=True, formats=["vhdl"])
    script = (tmp_path / "vhdl/build_quartus_prj.tcl").read_text()
    assert 'set device "10AX115S3F45E2SG"' in script
    assert 'set_global_assignment -name FAMILY "Arria 10"' in script
    assert "set clock_period 8.0" in (tmp_path / "vhdl/src/network.sdc").read_text()
    assert not (tmp_path / "vhdl/build_vivado_prj.tcl").exists()


def test_an_intel_part_needs_its_family(design, tmp_path):
    model, x, _ = design
    kit = INTEL.model_copy(update={"family": None})
    with pytest.raises(TargetError, match="10AX115S3F45E2SG: the kit has no family"):
        rtl.write(model, tmp_path, kit=kit, calibration=x, exact=True, formats=["vhdl"])


def test_packing_by_hand():
    kifs = np.array([[1, 0, 0], [1, 2, 0], [1, 0, 0]])
    numbers = np.array([[-0.5, 3.0, 0.0], [1.5, 0.0, 0.0]])
    assert testbench.words(numbers, kifs) == [0b11_111, 0b00_011]


def test_a_simulation_that_cannot_be_built_says_why(simulated, tmp_path):
    project = tmp_path / "verilog"
    shutil.copytree(simulated[0].parent / "verilog", project)
    (project / "src/network.v").write_text("module network (input clk; endmodule\n")
    log = tmp_path / "log"
    with pytest.raises(ToolFailed, match=r"building the simulation failed: .*%Error.*its log is"):
        verilator.build(project, "network", log)
    with pytest.raises(ToolFailed, match="did not finish in 0.01 s"):
        verilator.build(project, "network", log, 0.01)
    with pytest.raises(ToolFailed, match=r"yosys failed: .*ERROR"):
        yosys.cells(project, "network", "xc7", tmp_path / "cells", timeout_s=100, log=log)
