"""The process that runs one ONNX file: `python -I child.py FD`. It ends with its parent.

Its parent starts it with an environment that names no credentials (`process`). It may not write
files, nor take more memory than the machine has.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # isolated mode leaves out the package's folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aigc.isolated import frames
from aigc.isolated.frames import Array, Frame

_PULSE_S = 1.0
_LOOK_NO_MORE = 4
"""Of onnxruntime's levels: fatal."""


class Graph:
    """One file, parsed, and the sessions that run it."""

    def __init__(self) -> None:
        self._session: Any = None

    def open(self, message: dict[str, Any], arrays: dict[str, Array]) -> Frame:
        from aigc.isolated import checks  # noqa: PLC0415
        from aigc.isolated.batch_axis import loosened  # noqa: PLC0415

        model = checks.parse(arrays["model"].tobytes())
        free = message.get("loosen", [])
        runs = loosened(model, free) if free else model
        try:  # what was checked is what is run, not the bytes as they came
            self._session = _session(runs.SerializeToString())
        except Exception as error:
            raise checks.RefusedError(f"cannot be run: {checks.one_line(error)}") from None
        return checks.describe(model), {}

    def run(self, message: dict[str, Any], arrays: dict[str, Array]) -> Frame:
        from aigc.isolated import checks  # noqa: PLC0415

        try:
            [found] = self._session.run([message["output"]], arrays)
        except Exception as error:
            raise checks.RefusedError(f"fails: {checks.one_line(error)}") from None
        return {}, {"output": found}


def _session(data: bytes) -> Any:
    """One thread and a fixed order of operators: the same sums in every process."""
    import onnxruntime as ort  # noqa: PLC0415

    ort.set_default_logger_severity(_LOOK_NO_MORE)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _LOOK_NO_MORE
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def main(fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    pipe, graph = Connection(fd), Graph()
    while True:
        try:
            message, arrays = frames.receive(pipe)
        except (EOFError, OSError):
            return
        frames.send(pipe, *_answer(graph, message, arrays))


def _answer(graph: Graph, message: dict[str, Any], arrays: dict[str, Array]) -> Frame:
    """`ok` with what was asked for; else `refused`, `missing` (a package) or `failed`, in words."""
    act = graph.open if message["act"] == "open" else graph.run
    try:
        found, made = act(message, arrays)
    except ImportError as error:
        return {"missing": error.name or str(error)}, {}
    except MemoryError:
        return {"refused": "needs more memory than this machine has"}, {}
    except Exception as error:
        kind = "refused" if type(error).__name__ == "RefusedError" else "failed"
        return {kind: str(error) or type(error).__name__}, {}
    return {"ok": found}, made


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PULSE_S)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
