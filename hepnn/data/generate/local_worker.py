"""What Dask loads into each worker of a cluster that is started on this machine."""

from __future__ import annotations

import os
import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Prepare a worker that shares this terminal.

    What the generators' C++ prints goes to standard error, since standard output is for
    results. Ctrl-C is for the process that started the cluster, which then ends it.
    """
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
