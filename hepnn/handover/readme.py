"""`README.md` of an export: what it is, how it is built and tried, and its interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepnn.handover import ports, program
from hepnn.targets.fixed_point import WRAPPING

#: Numbers that are listed; of more there is the table of comma-separated values.
_LISTED = 256

#: The vendor's commands by backend of hls4ml, started in the folder.
_HLS = {
    "Vitis": "vitis-run --mode hls --tcl build_prj.tcl    # or: vitis_hls -f build_prj.tcl",
    "Vivado": 'vivado_hls -f build_prj.tcl "csim=1 synth=1 cosim=1 validation=1"',
    "VivadoAccelerator": 'vivado_hls -f build_prj.tcl "csim=1 synth=1 export=1"\n'
    "vivado -mode batch -source design.tcl",
    "Quartus": "make    # with i++ of Intel's HLS compiler on PATH",
    "oneAPI": "cmake -B build && make -C build report    # with icpx on PATH",
    "Catapult": "catapult -product ultra -shell -f build_prj.tcl"
    " -eval 'set ::argv \"csim=1 synth=1\"'",
}

_BITSTREAM = """
`design.tcl` leaves the bitstream in
`network_vivado_accelerator/project_1.runs/impl_1/design_1_wrapper.bit` and its description in
`network_vivado_accelerator/project_1.srcs/sources_1/bd/design_1/hw_handoff/design_1.hwh`. Copy them
to the board as `network.bit` and `network.hwh`, beside `axi_stream_driver.py`, `tb_data/` and
`network.ipynb`, and run the notebook there.
"""


def text(
    folder: Path,
    content: dict[str, Any],
    target: dict[str, Any],
    quantities: dict[str, Any],
    rows: Sequence[dict[str, str]],
    taken: Sequence[tuple[str, str, str]],
    threshold: dict[str, Any] | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    folder
        What the target wrote.
    content, target, quantities
        `interface.json`, `target.json` and `quantities.json`.
    rows
        Of the interface, as `ports.rows` gives them.
    taken
        What is whose, as `licences.write` gives it.
    threshold
        What a decision is cut at; None where the run has none.
    """
    parts = [_head(target)]
    if target["target"] == "hls4ml":
        parts.append(_hls(content))
    elif target["target"] == "rtl":
        parts.append(_rtl(folder, content))
    elif target["target"] == "cpp":
        parts.append(_cpp(content))
    elif "program" in content:
        parts.append(program.readme(content, threshold))
    parts += [_compiled(form) for form in content.get("forms", ()) if "compiled" in form]
    if "vectors" in content:
        parts.append(_vectors(content["vectors"]))
    parts += [_host(content, quantities), _interface(content, rows), _licences(taken)]
    return "\n".join(part for part in parts if part)


def _head(target: dict[str, Any]) -> str:
    part = f", its part `{target['part']}`" if target["part"] else ""
    return f"""# {target["target"]}: stage `{target["stage"]}` of run `{target["run"]}`{part}

Written for kit `{target["kit"]}`. It belongs to the network whose `model.keras` has the SHA-256

    {target["sha256"]}

`sha256sum -c SHA256SUMS` says whether every file here is what was written.
"""


def _hls(content: dict[str, Any]) -> str:
    made = content["project"]
    backend = made["backend"]
    lines = [
        "## Build",
        "",
        f"hls4ml's backend {backend} for `{made['part']}`, clock {made['clock_period_ns']:g} ns",
        f"(`{made['io_type']}`, strategy {made['strategy']}, reuse factor {made['reuse_factor']}):",
        "",
        *(f"    {line}" for line in _HLS[backend].splitlines()),
        "",
        "Latency and initiation interval are in the report of the C synthesis; nothing before it",
        "knows them.",
    ]
    if backend == "VivadoAccelerator":
        lines += [
            *_BITSTREAM.splitlines(),
            "",
            "The notebook, DMA and AXI stream were not run here.",
        ]
    lines += ["", "## Test", ""]
    if content["emulation"]:
        lines += [
            "Without the vendor's tool, with any C++ compiler:",
            "",
            "    sh run_testbench.sh",
            "",
            "The vendor's C simulation runs the same `network_test.cpp`. It reads `tb_data/`,",
        ]
    else:
        lines += [
            "`src/network_test.cpp` needs the vendor's compiler, and was not run here:",
            "",
            "    cmake -B build && make -C build fpga_emu && build/network.fpga_emu",
            "",
            "It reads `tb_data/`,",
        ]
    return "\n".join(
        [
            *lines,
            "compares every output to the last bit and ends with exit code 1 if one differs.",
            "",
        ]
    )


def _rtl(folder: Path, content: dict[str, Any]) -> str:
    pipeline, made = content["pipeline"], content["project"]
    clocks = pipeline["latency_clocks"]
    scripts = sorted(path.relative_to(folder) for path in folder.glob("*/build_*_prj.tcl"))
    lines = ["## Build", "", f"For `{made['part']}`, top module `{content['module']}`:", ""]
    for script in scripts:
        program = "vivado -mode batch -source" if "vivado" in script.name else "quartus_sh -t"
        lines.append(f"    cd {script.parent} && {program} {script.name}")
    lines += [
        "",
        f"- Clock {pipeline['clock_period_ns']:g} ns (constraints in `src/`), a new event with"
        " every clock.",
        f"- Latency {clocks} clocks, {pipeline['latency_ns']:g} ns: what is on `model_inp` at a"
        f" rising edge of `clk` is answered on `model_out` after the rising edge {clocks} later.",
        "- There is no reset and no valid bit; delay yours by as many clocks.",
        "- Whether the clock is met is known after place and route.",
        "",
        "## Test",
        "",
        "    " + "    # or: ".join(_benches(content["languages"])),
        "",
        "The benches read `tb/inputs.hex` and `tb/expected.hex`, a word a line, compare every word",
        "after the latency and end with an error if one differs.",
        "",
    ]
    return "\n".join(lines)


_FORMS = {
    "matrices": "matrices of 16-bit weights and 32-bit sums, for the processor's vector units",
    "steps": "one step of additions, shifts and wraps, again and again",
    "program": "a straight line of additions, shifts and wraps",
}

_STEPS = """
- `{name}::step(quantities, state)` of `recurrent.h` takes one step of a sequence, and
  `{name}::outputs(state, numbers)` says what the network answers after the steps so far: for
  sequences that are still coming, or that have no end. The `State` is the caller's.
"""


def _cpp(content: dict[str, Any]) -> str:
    made = content["project"]
    name = made["namespace"]
    by_step = _STEPS.format(name=name).rstrip() if made["form"] == "steps" else ""
    return f"""## Build

C++17 without any library; the network is {_FORMS[made["form"]]}.

    cmake -S . -B build && cmake --build build

- Link `{name}` and include `network.h`; or compile `network.cpp` and `interface.cpp` with the rest
  of a program, with `-O3 -march=native -ffp-contract=off`.
- `{name}::predict(quantities, outputs)` takes one event, `{name}::infer` whole numbers that are on
  the grid already. Nothing is allocated or kept between calls.{by_step}
- An event with an infinite quantity, or one that is not a number, is refused: `false`, and outputs
  that are not numbers.
- `-DFOR_THIS_MACHINE=OFF` builds for every processor of this kind; the answers are the same.
- `build/example` is an event loop, `build/latency` measures nanoseconds an event.

## Test

    ctest --test-dir build

It reads `vectors/`, compares every output to the last bit through every way in, and fails if one
differs or if a quantity that is no number is not refused.
"""


def _compiled(form: dict[str, Any]) -> str:
    made, estimate = form["compiled"], form["compiled"]["npu"]
    sides = estimate["operators"]
    lines = [
        f"## For the accelerator: `{made['file']}`",
        "",
        f"`{form['file']}`, which any processor runs, compiled for {made['accelerator']}: "
        f"{sides.get('npu', 0)} operators run there, {sides.get('cpu', 0)} stay on the CPU "
        "(`build.log` says why).",
    ]
    if "cycles" in estimate:
        lines += [
            f"An event takes {estimate['cycles']['all']:,} cycles: an estimate "
            f"({estimate['source']})."
        ]
    return "\n".join(lines) + "\n"


def _benches(languages: Sequence[str]) -> list[str]:
    tools = {"verilog": ["verilator", "iverilog"], "vhdl": ["ghdl"]}
    return [f"make -C tb {tool}" for language in languages for tool in tools[language]]


def _vectors(vectors: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in vectors["kinds"].items())
    said = f"There are {vectors['events']} events: {kinds}."
    if vectors["expected"] == "keras":
        said += " What has to come out is what the Keras model answers"
    else:
        said += f" What has to come out is what the {vectors['expected']} answered here, since the"
        said += " network was trained in floating point; `agreement.json` of the run has how far"
        said += " Keras is from it"
    if vectors["differing"]:
        said += f". **On {vectors['differing']} of them the project differs: do not use it**"
    return said + ".\n"


def _host(content: dict[str, Any], quantities: dict[str, Any]) -> str:
    before, after = [], []
    inputs, outputs = quantities["inputs"], quantities["outputs"]
    if "before" in inputs:
        before.append(inputs["before"])
    special = [one for one in inputs.get("features", ()) if _transformed(one)]
    before += [f"`{one['name']}`: {_transformed(one)}" for one in special]
    grid = content.get("input", {}).get("grid")
    if grid and not content["input"].get("rounds_inside"):
        before.append(
            f"round to multiples of the step ({grid['rounding']}); what is out of range"
            f" {WRAPPING.get(grid['overflow'], 'saturates')}"
            f" ({grid['overflow']}), each quantity at its own ends; then divide by the LSB"
        )
    if content.get("output", {}).get("host") == "softmax":
        after.append(
            "a softmax, where probabilities are wanted; for a decision the largest is enough"
        )
    if outputs.get("after", "none") != "none":
        after.append(outputs["after"])
    lines = ["## What the host does", ""]
    for title, steps in (("Before", before), ("After", after)):
        lines += [f"- {title}: " + ("; ".join(steps) if steps else "nothing") + "."]
    outside = [one["file"] for one in content.get("forms", ()) if "scaling" in one["input"]]
    but = f", but for `{'`, `'.join(outside)}`: its `scaling` in `interface.json` comes first"
    lines += ["", f"Scaling to numbers near one is inside{but if outside else ''}."]
    return "\n".join(lines) + "\n"


def _transformed(feature: dict[str, Any]) -> str:
    steps = []
    missing, clip = feature.get("missing"), feature.get("clip")
    if missing:
        steps.append(f"missing ({missing['value']}) becomes {missing['fill']:g}")
    if clip:
        steps.append(f"clipped to {clip[0]} ... {clip[1]}")
    if feature.get("scaling") in ("log", "asinh"):
        steps.append(f"its {feature['scaling']} is taken")
    return ", ".join(steps)


def _interface(content: dict[str, Any], rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return ""
    lines = ["## Interface", ""]
    lines += [
        f"- {side}: {content[side]['protocol']}."
        for side in ("input", "output")
        if content[side].get("protocol")
    ]
    lines += [
        "- A word is two's complement; its value is the word times the LSB.",
        f"- `{ports.NAME}` has this table for programs.",
        "",
    ]
    if len(rows) > _LISTED:
        return "\n".join([*lines, f"{len(rows)} numbers: see `{ports.NAME}`.", ""])
    lines += ["| " + " | ".join(ports.COLUMNS) + " |", "|" + "---|" * len(ports.COLUMNS)]
    lines += ["| " + " | ".join(row[column] for column in ports.COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _licences(taken: Sequence[tuple[str, str, str]]) -> str:
    if not taken:
        return ""
    lines = ["## Licences", "", "| files | from | licence |", "|---|---|---|"]
    lines += [f"| {files} | {origin} | {licence} |" for files, origin, licence in taken]
    lines += [
        "",
        "Their texts are in `LICENSES/` and in the files' own heads. Weights and test events are",
        "the run's; for them its data card has the licence.",
    ]
    return "\n".join(lines) + "\n"
