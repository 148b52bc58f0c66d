"""Open FPGA tools from their wheels (YoWASP): WebAssembly that sees one folder only."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import missing_extra
from hepnn.targets import tools

_PROGRAM = "import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))"


def require(package: str, extra: str, purpose: str) -> None:
    """Refuse to start without a tool.

    Raises
    ------
    MissingDependency
        With the pip command.
    """
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        raise missing_extra(package, extra, purpose)


def version(package: str) -> str:
    """Return the wheel's version, as figures are cited with it."""
    return f"{package} {importlib.metadata.version(package)}"


def run(
    package: str,
    function: str,
    arguments: list[str],
    folder: Path,
    *,
    timeout_s: float,
    log: Path,
) -> bool:
    """Run a tool in `folder`, outside of which it sees nothing.

    Parameters
    ----------
    package, function
        The wheel, and the function in it that takes the arguments.
    arguments
        Of the command line; paths are relative to `folder`.
    timeout_s
        Seconds after which it is stopped.
    log
        What it says is appended here.

    Returns
    -------
    bool
        Whether it finished in time.

    Raises
    ------
    ToolFailed
        If it fails; the line that says why is named.
    """
    program = _PROGRAM.format(module=package.replace("-", "_"), function=function)
    command = [sys.executable, "-c", program, *arguments]
    try:
        tools.run(command, f"target rtl: {package}", cwd=folder, log=log, timeout_s=timeout_s)
    except tools.ToolTimeout:
        return False
    return True


def remembered(
    store: Path, key: str, timeout_s: float, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return what is kept in `store` under `key`, or measure and keep it.

    A result with `timeout_s` in it was given up; it is tried again when given more time.
    """
    kept = files.read_json(store) if store.exists() else {}
    entry = kept.get(key)
    if entry is not None and entry.get("timeout_s", timeout_s) >= timeout_s:
        return entry
    entry = measure()
    files.write_json(store, {**kept, key: entry})
    return entry
