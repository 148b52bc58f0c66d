"""Test benches in Verilog and VHDL: words in with every clock, words out compared.

`tb/` holds the words of both ports, one event a line, as hexadecimal numbers; a bench in each
language, which ends with an error when a word is not the expected one, or when there are fewer
than there should be; and a Makefile for simulators that are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hepnn import files

#: The folder, and the top of both benches.
FOLDER, TOP = "tb", "network_tb"

_VERILOG = """\
`timescale 1ns / 1ps
// Every word that comes out has to be the expected one, {clocks} clocks after it could be.
module {top};
  localparam EVENTS = {events};
  localparam LATENCY = {latency};

  reg clk = 1'b0;
  reg [{inp}:0] model_inp;
  wire [{out}:0] model_out;
  reg [{out}:0] wanted;
  integer inputs, expected, cycle, compared, differing;

  {module} dut (.clk(clk), .model_inp(model_inp), .model_out(model_out));

  always #{half} clk = ~clk;

  initial begin
    compared = 0;
    differing = 0;
    inputs = $fopen("inputs.hex", "r");
    expected = $fopen("expected.hex", "r");
    if (inputs == 0 || expected == 0) begin
      $display("FAIL: inputs.hex and expected.hex are not here");
      $fatal(1);
    end
    // Words change on the falling edge, half a clock before they are taken.
    for (cycle = 0; cycle <= EVENTS + LATENCY; cycle = cycle + 1) begin
      if (cycle < EVENTS && $fscanf(inputs, "%h\\n", model_inp) != 1) begin
        $display("FAIL: inputs.hex has no word %0d", cycle);
        $fatal(1);
      end
      @(negedge clk);
      if (cycle >= LATENCY) begin
        if (compared < EVENTS) begin
          if ($fscanf(expected, "%h\\n", wanted) != 1) begin
            $display("FAIL: expected.hex has no word %0d", compared);
            $fatal(1);
          end
          if (model_out !== wanted) begin
            if (differing == 0)
              $display("event %0d: got %h, expected %h", compared, model_out, wanted);
            differing = differing + 1;
          end
          compared = compared + 1;
        end
      end
    end
    if (differing != 0 || compared != EVENTS) begin
      $display("FAIL: %0d of %0d events compared, %0d differ", compared, EVENTS, differing);
      $fatal(1);
    end
    $display("PASS: %0d of %0d events compared, 0 differ", compared, EVENTS);
    $finish;
  end
endmodule
"""

_VHDL = """\
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;
use std.env.all;

entity {top} is
end entity {top};

architecture test of {top} is
    constant EVENTS: natural := {events};
    constant LATENCY: natural := {latency};
    signal clk: std_logic := '0';
    signal model_inp: std_logic_vector({inp} downto 0) := (others => '0');
    signal model_out: std_logic_vector({out} downto 0);
begin
    dut: entity work.{module} port map(clk => clk, model_inp => model_inp, model_out => model_out);
    clk <= not clk after {half_ps} ps;

    process
        file inputs: text open read_mode is "inputs.hex";
        file expected: text open read_mode is "expected.hex";
        variable row: line;
        -- As many bits as the digits have.
        variable word: std_logic_vector({inp_digits} downto 0);
        variable wanted: std_logic_vector({out_digits} downto 0);
        variable compared, differing: natural := 0;
    begin
        for cycle in 0 to EVENTS + LATENCY loop
            if cycle < EVENTS then
                assert not endfile(inputs) report "FAIL: inputs.hex is short" severity failure;
                readline(inputs, row);
                hread(row, word);
                model_inp <= word({inp} downto 0);
            end if;
            wait until falling_edge(clk);
            if cycle >= LATENCY and compared < EVENTS then
                assert not endfile(expected) report "FAIL: expected.hex is short" severity failure;
                readline(expected, row);
                hread(row, wanted);
                if model_out /= wanted({out} downto 0) then
                    differing := differing + 1;
                end if;
                compared := compared + 1;
            end if;
        end loop;
        assert differing = 0 and compared = EVENTS
            report "FAIL: " & integer'image(compared) & " events compared, "
                & integer'image(differing) & " differ"
            severity failure;
        report "PASS: " & integer'image(compared) & " events compared, 0 differ";
        finish;
    end process;
end architecture test;
"""

_MAKE = """\
# Runs the test bench: make verilator, make iverilog or make ghdl, as you have them.
VERILATOR ?= verilator
IVERILOG ?= iverilog
GHDL ?= ghdl
# For clang -std=c++20 alone.
COROUTINES ?= -std=c++20 -fcoroutines

.PHONY: verilator iverilog ghdl clean

"""

_MAKE_VERILOG = """\
VERILOG = $(wildcard ../verilog/src/static/*.v ../verilog/src/*.v) {top}.v

verilator:
\t$(VERILATOR) --binary --timing -CFLAGS "$(COROUTINES)" -Wno-fatal -Wno-lint \\
\t\t--top-module {top} -Mdir obj_dir $(VERILOG)
\t./obj_dir/V{top}

iverilog:
\t$(IVERILOG) -g2012 -s {top} -o {top}.vvp $(VERILOG)
\tvvp -n {top}.vvp

"""

_MAKE_VHDL = """\
VHDL := $(wildcard ../vhdl/src/static/*.vhd ../vhdl/src/*_tables.vhd)
VHDL += $(filter-out $(VHDL) ../vhdl/src/{module}_wrapper.vhd ../vhdl/src/{module}.vhd, \\
\t$(wildcard ../vhdl/src/*.vhd))
VHDL += ../vhdl/src/{module}.vhd {top}.vhd

ghdl:
\tmkdir -p ghdl_dir
\t$(GHDL) -a --std=08 -Wno-hide --workdir=ghdl_dir $(VHDL)
\t$(GHDL) -e --std=08 --workdir=ghdl_dir {top}
\t$(GHDL) -r --std=08 --workdir=ghdl_dir {top} --ieee-asserts=disable

"""

_MAKE_CLEAN = """\
clean:
\trm -rf obj_dir ghdl_dir {top}.vvp *.o {top}
"""


def write(
    directory: Path,
    languages: Sequence[str],
    *,
    module: str,
    latency: int,
    period_ns: float,
    inputs: tuple[np.ndarray, np.ndarray],
    outputs: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write `tb/`.

    Parameters
    ----------
    directory
        Where the design lies.
    languages
        Of `verilog` and `vhdl`, those that it was written in.
    module
        The top module.
    latency
        Clocks between the register of the input and that of the output.
    period_ns
        Of the clock.
    inputs, outputs
        Numbers on their grid `(events, numbers)`, and signs, integer and fraction bits
        `(3, numbers)` of the port.
    """
    folder = directory / FOLDER
    folder.mkdir()
    widths = {}
    for name, (numbers, kifs) in (("inputs", inputs), ("expected", outputs)):
        width = widths[name] = int(kifs.sum())
        lines = [f"{word:0{-(-width // 4)}x}" for word in words(numbers, kifs)]
        files.write_text(folder / f"{name}.hex", "\n".join(lines) + "\n")
    half = round(period_ns * 500)
    values = {
        "top": TOP,
        "module": module,
        "events": len(inputs[0]),
        "latency": latency,
        "clocks": latency + 1,
        "inp": widths["inputs"] - 1,
        "out": widths["expected"] - 1,
        "inp_digits": -(-widths["inputs"] // 4) * 4 - 1,
        "out_digits": -(-widths["expected"] // 4) * 4 - 1,
        "half": f"{half / 1000:g}",
        "half_ps": half,
    }
    make = [_MAKE]
    if "verilog" in languages:
        files.write_text(folder / f"{TOP}.v", _VERILOG.format(**values))
        make.append(_MAKE_VERILOG)
    if "vhdl" in languages:
        files.write_text(folder / f"{TOP}.vhd", _VHDL.format(**values))
        make.append(_MAKE_VHDL)
    text = make[0] + "".join(part.format(**values) for part in (*make[1:], _MAKE_CLEAN))
    files.write_text(folder / "Makefile", text)


def words(numbers: np.ndarray, kifs: np.ndarray) -> list[int]:
    """Return what lies on a port, the first number in the lowest bits.

    Parameters
    ----------
    numbers
        On the grid of the port `(events, numbers)`.
    kifs
        Sign, integer and fraction bits of every number `(3, numbers)`.

    Examples
    --------
    >>> words(np.array([[-0.5, 3.0]]), np.array([[1, 0], [1, 2], [1, 0]]))
    [31]
    """
    widths = kifs.sum(axis=0).astype(int)
    lows = np.cumsum(widths) - widths
    whole = np.rint(np.asarray(numbers, np.float64) * 2.0 ** kifs[2]).astype(np.int64)
    return [
        sum(
            (int(number) & ((1 << int(width)) - 1)) << int(low)
            for number, width, low in zip(row, widths, lows, strict=True)
            if width
        )
        for row in whole
    ]
