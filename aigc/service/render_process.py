"""Rendering in a process of its own, beside the one that answers.

In one interpreter a render thread waits for its lock at every operation while the event loop has
it, and the other way round. Only candidates go there and files come back, so that costs little.
The next batch may be sent while it makes one: then it never waits for who is busy answering.
`python -m aigc.service.render_process FD` is the process; it ends when the other end of FD is
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
from aigc.generation.engine import Engine, InferenceConfig
from aigc.job.keys import SampleKeys
from aigc.models.config import ModelConfig
from aigc.service.renderer import Rendered, Renderer, Run

_ANSWER_S = 300.0
"""A process that takes longer for one batch, or for its start, is given up."""
_END_S = 10.0


class RenderProcess:
    """Does one thing at a time, in the order in which it is asked."""

    def __init__(self, threads: int) -> None:
        """Returns at once; the process is ready some seconds later."""
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
                start_new_session=True,  # a terminal's Ctrl-C is heard by who waits for answers
            )
        self._pipe = Connection(ours.detach())
        self._sending, self._counting = threading.Lock(), threading.Lock()
        self._last = threading.Event()
        """Set when what was asked last is answered: who asks next reads then."""
        self._last.set()
        self._under_way = 0
        self._dropped: deque[int] = deque()
        self._keys = itertools.count(1)

    @property
    def alive(self) -> bool:
        return not self._pipe.closed and self._process.poll() is None

    def hold(self, renderer: Renderer, tensors: dict[str, torch.Tensor]) -> RemoteModel:
        """Let it have a model. Raises JobError when it is gone, RuntimeError when it cannot."""
        known = (renderer.config, renderer.engine.passes, renderer.widths)
        held = RemoteModel(self, next(self._keys))
        self._ask("hold", held.key, *known, safetensors.torch.save(tensors))
        weakref.finalize(held, self._dropped.append, held.key)
        return held

    def make(
        self, key: int, draws: SampleKeys, runs: Sequence[Run], behind: float = 0
    ) -> Rendered | None:
        """As `Renderer.make`; None when more than `behind` batches are under way. Raises JobError
        when it is gone."""
        with self._counting:
            if self._under_way > behind:
                return None
            self._under_way += 1
        try:
            with contextlib.suppress(IndexError):  # there are no more
                while True:
                    self._ask("drop", self._dropped.popleft())
            made: Rendered = self._ask("make", key, draws, list(runs))
            return made
        finally:
            with self._counting:
                self._under_way -= 1

    def close(self) -> None:
        self._pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_S)

    def _ask(self, *message: Any) -> Any:
        try:
            with self._sending:
                self._pipe.send(message)
                before, self._last = self._last, threading.Event()
                answered = self._last
            try:
                before.wait()
                if not self._pipe.poll(_ANSWER_S):
                    raise EOFError
                failed, answer = self._pipe.recv()
            finally:
                answered.set()
        except (OSError, EOFError):
            self._process.kill()
            raise JobError(
                "the render process has died or does not answer; it was stopped"
            ) from None
        if failed:
            raise RuntimeError(answer)
        return answer


class RemoteModel:
    """A model in a `RenderProcess`, for as long as this object lives."""

    def __init__(self, process: RenderProcess, key: int) -> None:
        self._process, self.key = process, key

    def make(self, draws: SampleKeys, runs: Sequence[Run], behind: float = 0) -> Rendered | None:
        """None when it has to be done here: the process is gone, or has more than `behind` batches
        to make."""
        if not self._process.alive:
            return None
        try:
            return self._process.make(self.key, draws, runs, behind)
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
            answer = (False, _done(models, kind, key, rest))
        except Exception as error:
            answer = (True, f"{type(error).__name__}: {error}")  # type: ignore[assignment]
        pipe.send(answer)


def _done(models: dict[int, Renderer], kind: str, key: int, rest: list[Any]) -> Rendered | None:
    if kind == "make":
        return models[key].make(*rest)
    if kind == "hold":
        models[key] = _renderer(*rest)
    else:
        models.pop(key, None)
    return None


def _renderer(
    config: ModelConfig, passes: InferenceConfig, widths: list[int], weights: bytes
) -> Renderer:
    engine = Engine(config, safetensors.torch.load(weights), passes)
    return Renderer(engine, config, widths)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
