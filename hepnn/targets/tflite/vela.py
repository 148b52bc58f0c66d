"""Arm's Vela: the int8 form compiled for an Ethos-U network processor, and its estimate of cycles.

Vela says what it estimates in a table beside the file that it writes (one row, named columns),
and how many operators it left to the CPU in its summary.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import missing_extra
from hepnn.targets import tools
from hepnn.targets.kit import TFLiteOptions

_PACKAGE, _MODULE = "ethos-u-vela", "ethosu"

#: Vela's own file of systems and memories.
_CONFIGURATION = "Arm/vela.ini"

_MEMORIES = ("sram", "dram", "on_chip_flash", "off_chip_flash")


def require() -> None:
    """Refuse to start without Vela.

    Raises
    ------
    MissingDependency
        With the pip command.
    """
    if importlib.util.find_spec(_MODULE) is None:
        raise missing_extra(_PACKAGE, "mobile", "compiling for Ethos-U")


def compile_for_npu(model: Path, options: TFLiteOptions, log: Path) -> dict[str, Any]:
    """Compile an int8 file; write it beside with `_vela` in its name.

    Parameters
    ----------
    model
        The int8 `.tflite`.
    options
        Of the kit: accelerator, system, memory, time limit.
    log
        What Vela says is added here.

    Returns
    -------
    dict
        The compiled `file` with its `bytes` and `accelerator`, and under `npu` what Vela
        estimates of one event: operators on each side, cycles, time in ns, multiplications,
        memory in bytes.

    Raises
    ------
    MissingDependency
        If Vela is not installed.
    ToolFailed
        If it fails, does not come to an end, or does not know the accelerator.
    """
    require()
    start = log.stat().st_size if log.exists() else 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [
            *(sys.executable, "-c", "from ethosu.vela.vela import main; main()"),
            *(str(model.resolve()), "--output-dir", str(folder)),
            *("--accelerator-config", options.accelerator),
            *("--config", _CONFIGURATION),
            *("--system-config", options.system_config, "--memory-mode", options.memory_mode),
        ]
        tools.run(command, "tflite: Vela", cwd=folder, log=log, timeout_s=options.timeout_s)
        compiled = model.with_name(f"{model.stem}_vela.tflite")
        tables = list(folder.glob("*_summary_*.csv"))
        if len(tables) != 1 or not (folder / compiled.name).is_file():
            raise tools.ToolFailed("tflite: Vela wrote no network or no estimate", log)
        with files.replacing(compiled) as beside:
            shutil.copyfile(folder / compiled.name, beside)
        with tables[0].open(newline="") as stream:
            row = next(csv.DictReader(stream))
    with log.open("rb") as stream:
        stream.seek(start)
        said = stream.read().decode(errors="replace")
    clock = f"{float(row['core_clock']) / 1e6:g} MHz"
    return {
        "file": compiled.name,
        "bytes": compiled.stat().st_size,
        "accelerator": options.accelerator,
        "npu": {
            "operators": _operators(said),
            **_estimate(row),
            "estimate": True,
            "source": f"Vela {importlib.metadata.version(_PACKAGE)} for {options.accelerator} at "
            f"{clock}, {options.system_config}, {options.memory_mode}",
        },
    }


def _operators(said: str) -> dict[str, int]:
    """Return how many operators each side runs, from Vela's summary."""
    found = re.findall(r"^(CPU|NPU) operators = (\d+)", said, re.MULTILINE)
    return {side.lower(): int(number) for side, number in found}


def _estimate(row: dict[str, str]) -> dict[str, Any]:
    """Return the estimate in a row of Vela's table; nothing where all is left to the CPU."""
    cycles = float(row.get("cycles_total") or 0)
    if not cycles:
        return {}
    memories = {name: float(row[f"{name}_memory_used"]) for name in _MEMORIES}
    return {
        "cycles": {
            "all": int(cycles),
            "computing": int(float(row["cycles_npu"])),
            "reading_flash": int(float(row["cycles_off_chip_flash_access"])),
        },
        "latency_ns": float(row["inference_time"]) * 1e9,
        "multiplications": int(float(row["nn_macs"])),
        "memory": {f"{name}_bytes": math.ceil(1024 * kib) for name, kib in memories.items() if kib},
    }
