"""The VHDL that the `rtl` target wrote, simulated by GHDL with a test bench of its own.

GHDL is not installed from PyPI; where it is not on the path the VHDL is not simulated.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from alkaid.types import CombLogic

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets.fixed_point import Lane
from hepnn.targets.interface import NAME
from hepnn.targets.rtl import artefact, project

_BENCH = """\
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;

entity bench is end entity;

architecture simulated of bench is
    signal clk: std_logic := '0';
    signal given: std_logic_vector({inputs} - 1 downto 0) := (others => '0');
    signal found: std_logic_vector({outputs} - 1 downto 0);
begin
    network: entity work.{module} port map({clock}model_inp => given, model_out => found);
    process
        file events: text open read_mode is "events.txt";
        file answers: text open write_mode is "answers.txt";
        variable event, answer: line;
        variable bits: std_logic_vector({inputs} - 1 downto 0);
    begin
        while not endfile(events) loop
            readline(events, event);
            read(event, bits);
            given <= bits;
            wait for 1 ns;
            clk <= '1';
            wait for 1 ns;
            write(answer, found);
            writeline(answers, answer);
            clk <= '0';
            wait for 1 ns;
        end loop;
        wait;
    end process;
end architecture;
"""


def available() -> bool:
    """Say whether GHDL is on the path."""
    return shutil.which("ghdl") is not None


def predict(directory: Path, x: np.ndarray) -> np.ndarray:
    """Return what the VHDL in a folder of the target answers to physical quantities.

    Parameters
    ----------
    directory
        Where the target wrote.
    x
        Physical quantities `(events, *shape)`.

    Returns
    -------
    ndarray
        `(events, outputs)` float32.

    Raises
    ------
    TargetError
        If GHDL does not take the sources or the simulation stops.
    """
    content = files.read_json(directory / NAME)
    program = CombLogic.load(directory / artefact.PROGRAM)
    lane = Lane.from_grid(content["input"]["grid"], tuple(content["input"]["shape"]))
    given = _bits(lane.quantize(x).reshape(len(x), -1), program.inp_kifs)
    clocks = content["pipeline"]["latency_clocks"]
    answers = _simulated(directory / "vhdl" / "src", given, program.out_kifs, clocks)
    return _numbers(answers, program.out_kifs)


def _simulated(sources: Path, given: list[str], out: np.ndarray, clocks: int) -> list[str]:
    module = project.MODULE
    top = sources / f"{module}.vhd"
    clocked = "clk: in" in top.read_text()
    text = _BENCH.format(
        inputs=len(given[0]),
        outputs=int(out.sum()),
        module=module,
        clock="clk => clk, " if clocked else "",
    )
    # Tables are packages, and come before what looks them up.
    tables = sorted(sources.glob("*_tables.vhd"))
    rest = {*sources.glob("*.vhd")} - {*tables, top, sources / f"{module}_wrapper.vhd"}
    ordered = [*sorted(sources.glob("static/*.vhd")), *tables, *sorted(rest), top]
    later = clocks  # after the edge at which an event went in
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "bench.vhd").write_text(text)
        (here / "events.txt").write_text("\n".join([*given, *given[:1] * later]) + "\n")
        _ghdl(here, "-a", "--std=08", *map(str, (path.resolve() for path in ordered)), "bench.vhd")
        _ghdl(here, "-e", "--std=08", "bench")
        _ghdl(here, "-r", "--std=08", "bench", "--ieee-asserts=disable", "--max-stack-alloc=0")
        return (here / "answers.txt").read_text().split()[later:]


def _ghdl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["ghdl", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise TargetError(f"ghdl {arguments[0]} failed: {said[0]}")


def _bits(x: np.ndarray, kifs: np.ndarray) -> list[str]:
    """Return numbers `(events, numbers)` as bit strings, the last number first."""
    signed, integer, fraction = kifs.astype(np.int64)
    widths = signed + integer + fraction
    whole = np.floor(np.ldexp(x.astype(np.float64), fraction)).astype(np.int64)
    whole &= (1 << np.maximum(widths, 0)) - 1
    used = [(column, width) for column, width in enumerate(widths) if width > 0][::-1]
    return ["".join(f"{row[n]:0{width}b}" for n, width in used) for row in whole.tolist()]


def _numbers(answers: list[str], kifs: np.ndarray) -> np.ndarray:
    """Return bit strings as numbers `(events, numbers)` float32."""
    signed, integer, fraction = kifs.astype(np.int64)
    widths = signed + integer + fraction
    ends = np.cumsum(widths)
    numbers = np.zeros((len(answers), len(widths)))
    for event, answer in enumerate(answers):
        for n, (width, end) in enumerate(zip(widths, ends, strict=True)):
            if width > 0:
                bits = answer[len(answer) - end : len(answer) - end + width]
                whole = int(bits, 2) - (signed[n] << width if bits[0] == "1" else 0)
                numbers[event, n] = np.ldexp(float(whole), -fraction[n])
    return numbers.astype(np.float32)
