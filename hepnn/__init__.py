"""hepnn: one network, the same bits in Keras, TFLite, HLS and Verilog.

The public names are those of the command line: `train`, `adopt`, `deploy`, `agree`,
`evaluate`, `open_run`, and the module `trigger`. They are loaded when used; importing hepnn
imports no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "train": "hepnn.pipeline",
    "resume": "hepnn.pipeline",
    "adopt": "hepnn.adoption",
    "check": "hepnn.pipeline",
    "doctor": "hepnn.examination",
    "sweep": "hepnn.search.sweep",
    "tune": "hepnn.search.tune",
    "deploy": "hepnn.deployment",
    "evaluate": "hepnn.evaluation",
    "agree": "hepnn.agreement",
    "open_run": "hepnn.run",
    "HepnnError": "hepnn.errors",
}

_MODULES = ("trigger",)

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"hepnn.{name}")
    raise AttributeError(f"module 'hepnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
