"""The parent's side of a process that runs one ONNX file.

The process gets the file and the inputs through a socket, and an environment of a few harmless
variables: no `AWS_*`, no `AIGC_*`, no home folder. It is started where and when it is needed first,
so a worker that was forked has its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Collection, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from aigc.errors import JobError, StoreError
from aigc.isolated import frames
from aigc.isolated.frames import Array

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
"""Variables of the environment that the process may see."""
_CHILD = Path(__file__).with_name("child.py")
_OPEN_S, _RUN_S, _END_S = 120.0, 600.0, 5.0


class GraphProcess:
    """One ONNX file in a process of its own. Any thread may call it; calls wait for each other."""

    def __init__(self, model: Array, name: str, loosen: Collection[str] = ()) -> None:
        """`model` uint8 (bytes,); `name` stands in messages; the first axis of the inputs `loosen`
        is made free."""
        self._model, self._name, self._loosen = model, name, list(loosen)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._pid = 0

    def describe(self) -> dict[str, Any]:
        """What `checks.describe` gives of the file.

        Raises:
            StoreError: the file is not run; the message says why.
        """
        with self._lock:
            return self._ready().description

    def run(self, inputs: Mapping[str, Array], output: str, timeout_s: float = _RUN_S) -> Array:
        """The output named `output`, for `inputs` by name.

        Raises:
            StoreError: the file is not run, or fails for these inputs.
            JobError: its process ended, or took longer than `timeout_s`.
        """
        with self._lock:
            running = self._ready()
            message = {"act": "run", "output": output}
            _, arrays = running.ask(message, inputs, timeout_s, self._name)
        return arrays["output"]

    def close(self) -> None:
        with self._lock:
            if self._running is not None and self._pid == os.getpid():
                self._running.end()
            self._running = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_model": self._model, "_name": self._name, "_loosen": self._loosen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_model"], state["_name"], state["_loosen"])  # type: ignore[misc]

    def _ready(self) -> _Running:
        """The process of this very process: one that a parent had before a fork is not ours."""
        if self._running is None or self._pid != os.getpid() or not self._running.alive:
            self._running, self._pid = _Running(), os.getpid()
            weakref.finalize(self, self._running.end)
            message = {"act": "open", "loosen": self._loosen}
            answer, _ = self._running.ask(message, {"model": self._model}, _OPEN_S, self._name)
            self._running.description = answer
        return self._running


class _Running:
    def __init__(self) -> None:
        self.description: dict[str, Any] = {}
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_CHILD), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._pipe, self._owner = Connection(ours.detach()), os.getpid()

    @property
    def alive(self) -> bool:
        return not self._pipe.closed and self._process.poll() is None

    def ask(
        self, message: Mapping[str, Any], arrays: Mapping[str, Array], timeout_s: float, name: str
    ) -> frames.Frame:
        try:
            frames.send(self._pipe, message, arrays)
            if not self._pipe.poll(timeout_s):
                self.end()
                raise JobError(f"{name}: one pass takes longer than {timeout_s:g} s")
            answer, made = frames.receive(self._pipe)
        except (OSError, EOFError, ValueError, KeyError):
            how = self._how()
            self.end()
            raise JobError(f"{name}: its process ended ({how})") from None
        if "ok" in answer:
            return answer["ok"], made
        self.end()
        raise _error(name, answer)

    def end(self) -> None:
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def _how(self) -> str:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "it sent what cannot be read"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _error(name: str, answer: Mapping[str, Any]) -> Exception:
    if "missing" in answer:
        return StoreError(
            f"{name}: running ONNX files needs the package {answer['missing']}: "
            "pip install 'aigc[onnx]'"
        )
    if "refused" in answer:
        return StoreError(f"{name}: {answer['refused']}")
    return JobError(f"{name}: {answer.get('failed', 'its process sent no answer')}")


def as_array(data: bytes) -> Array:
    """A file's bytes as uint8 (N,), as `GraphProcess` takes them."""
    return np.frombuffer(data, np.uint8)
