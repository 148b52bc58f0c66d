"""A process that trains trials: ``python -m hepnn.search.worker``, spoken to over its pipes.

Each line is one JSON object. In come jobs and the answers to epochs; out go `epoch`, and at a
job's end `done`, `stopped` or `failed`. A line that is cut ends the process, whatever it is
doing. Its threads are set before TensorFlow is imported, by its environment.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from hepnn.errors import HepnnError
from hepnn.search import work

#: What the number of threads is read from: TensorFlow, OpenMP and the libraries of numpy.
THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def main() -> None:
    """Do one job after the other until the line is cut."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever cuts the line
    line = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed on the way is no message
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    while True:
        content = heard.get()
        tell(line, **_outcome(content, line, heard))


def tell(line: TextIO, **message: Any) -> None:
    """Send one message."""
    line.write(json.dumps(message) + "\n")
    line.flush()


def _listen(heard: queue.Queue[dict[str, Any]]) -> None:
    for text in sys.stdin:
        heard.put(json.loads(text))
    os._exit(0)


def _outcome(
    content: dict[str, Any], line: TextIO, heard: queue.Queue[dict[str, Any]]
) -> dict[str, Any]:
    job = work.from_json(content["job"])

    def report(epochs: int, logs: dict[str, float]) -> bool:
        values = {name: float(value) for name, value in logs.items()}
        tell(line, what="epoch", epochs=epochs, logs=values)
        return bool(heard.get()["goes_on"]) if job.judged else True

    try:
        work.do(job, Path(content["folder"]), report)
    except work.Stopped:
        return {"what": "stopped"}
    except HepnnError as error:
        return {"what": "failed", "why": " ".join(str(error).split())}
    except Exception as error:  # one trial's fault is not the search's
        traceback.print_exc()
        return {"what": "failed", "why": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    return {"what": "done"}


if __name__ == "__main__":
    main()
