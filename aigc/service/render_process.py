"""A second process of a replica that renders, separate from the one that answers requests.

In a single process, render threads and the event loop compete for the interpreter lock. Only sample
keys are sent to the render process and files come back, so communication is cheap. The next batch
may be sent while one is rendered, so that the process never waits for a busy event loop.
`python -m aigc.service.render_process FD THREADS` runs it; it exits when the other end of FD is
closed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import safetensors.torch
import torch

from aigc.errors import JobError
from aigc.families.config import ModelConfig
from aigc.families.protocol import InferenceConfig
from aigc.generation.engine import Engine
from aigc.job.keys import SampleKeys
from aigc.service.renderer import Rendered, Renderer, Run, SafetyRules
from aigc.service.stamps import Stamps

_ANSWER_TIMEOUT_S = 300.0
"""A process that takes longer for a batch, or to start, is killed."""
_END_S = 10.0


class RenderProcess:
    """Handles one message at a time, in order."""

    def __init__(self, threads: int) -> None:
        """Start the process without waiting; it is ready some seconds later."""
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-m",
            "aigc.service.render_process",
            str(theirs.fileno()),
            str(threads),
        ]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C in a terminal must not end it before the replica
            )
        self._pipe = Connection(ours.detach())
        self._send_lock, self._pending_lock = threading.Lock(), threading.Lock()
        self._last = threading.Event()
        """Set when the last message is answered; the sender of the next one then reads."""
        self._last.set()
        self._pending = 0
        self._dropped: deque[int] = deque()
        self._keys = itertools.count(1)

    @property
    def alive(self) -> bool:
        return not self._pipe.closed and self._process.poll() is None

    def hold(self, renderer: Renderer, tensors: dict[str, torch.Tensor]) -> RemoteModel:
        """Load a model in the process. Raises JobError if it died, RuntimeError if that failed."""
        engine, shared = renderer.engine, (renderer.widths, renderer.safety, renderer.stamps)
        known = (renderer.config, engine.inference, *shared)
        remote = RemoteModel(self, next(self._keys))
        self._call("hold", remote.key, *known, safetensors.torch.save(tensors))
        weakref.finalize(remote, self._dropped.append, remote.key)
        return remote

    def make(
        self, key: int, keys: SampleKeys, runs: Sequence[Run], behind: float = 0
    ) -> Rendered | None:
        """As `Renderer.make`; None if more than `behind` batches are pending. Raises JobError if
        the process died."""
        with self._pending_lock:
            if self._pending > behind:
                return None
            self._pending += 1
        try:
            with contextlib.suppress(IndexError):  # none left
                while True:
                    self._call("drop", self._dropped.popleft())
            rendered: Rendered = self._call("make", key, keys, list(runs))
            return rendered
        finally:
            with self._pending_lock:
                self._pending -= 1

    def close(self) -> None:
        self._pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_S)

    def _call(self, *message: Any) -> Any:
        try:
            with self._send_lock:
                self._pipe.send(message)
                before, self._last = self._last, threading.Event()
                done = self._last
            try:
                before.wait()
                if not self._pipe.poll(_ANSWER_TIMEOUT_S):
                    raise EOFError
                failed, answer = self._pipe.recv()
            finally:
                done.set()
        except (OSError, EOFError):
            self._process.kill()
            raise JobError(
                "the render process died or did not answer in time, and was killed"
            ) from None
        if failed:
            raise RuntimeError(answer)
        return answer


class RemoteModel:
    """A model in a `RenderProcess`, for as long as this object lives."""

    def __init__(self, process: RenderProcess, key: int) -> None:
        self._process, self.key = process, key

    def make(self, keys: SampleKeys, runs: Sequence[Run], behind: float = 0) -> Rendered | None:
        """As `Renderer.make`; None if the caller has to render: the process died, or more than
        `behind` batches are pending."""
        if not self._process.alive:
            return None
        try:
            return self._process.make(self.key, keys, runs, behind)
        except JobError:
            return None


def main(fd: int, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    pipe, models = Connection(fd), dict[int, Renderer]()
    while True:
        try:
            kind, key, *rest = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (False, _handle(models, kind, key, rest))
        except Exception as error:
            answer = (True, f"{type(error).__name__}: {error}")  # type: ignore[assignment]
        pipe.send(answer)


def _handle(models: dict[int, Renderer], kind: str, key: int, rest: list[Any]) -> Rendered | None:
    if kind == "make":
        return models[key].make(*rest)
    if kind == "hold":
        models[key] = _renderer(*rest)
    else:
        models.pop(key, None)
    return None


def _renderer(
    config: ModelConfig,
    inference: InferenceConfig,
    widths: list[int],
    safety: SafetyRules | None,
    stamps: Stamps | None,
    weights: bytes,
) -> Renderer:
    engine = Engine(config, safetensors.torch.load(weights), inference)
    return Renderer(engine, config, widths, safety, stamps)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
