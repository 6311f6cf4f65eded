"""Clients that go on asking an endpoint while something happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import openai

from tests.waiting import wait_until


@dataclass
class Load:
    """`clients` that each ask for one picture after another; half of them again if told so.

    Clients with `retries` are openai's own; the others take the first answer, whatever it is.
    """

    url: str
    model: str
    clients: int = 8
    retries: int = 0
    pause_s: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return self.answers.total()

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Asking inside the block; on the way out each client finishes what it has begun."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def until(self, count: int, timeout_s: float = 300) -> None:
        """Wait until that many are answered."""
        wait_until(
            lambda: self.count >= count,
            timeout_s,
            poll_s=0.05,
            explain=lambda: f"{self.count} of {count}: {self}",
        )

    async def _all(self) -> None:
        one = self._patient if self.retries else self._strict
        await asyncio.gather(*(one() for _ in range(self.clients)))

    async def _strict(self) -> None:
        body = {"model": self.model, "prompt": "two", "n": 1}
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while not self._ended.is_set():
                with self._counted():
                    answer = await client.post("/v1/images/generations", json=body)
                    answer.raise_for_status()
                    assert answer.json()["data"][0]["b64_json"]
                await asyncio.sleep(self.pause_s)

    async def _patient(self) -> None:
        base = f"{self.url}/v1"
        async with openai.AsyncOpenAI(
            base_url=base, api_key="unused", max_retries=self.retries
        ) as client:
            while not self._ended.is_set():
                with self._counted():
                    found = await client.images.generate(model=self.model, prompt="two", n=1)
                    assert found.data
                await asyncio.sleep(self.pause_s)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, openai.OpenAIError, AssertionError, ValueError) as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.answers["failed"] += 1
            self.failures.append(f"{time.strftime('%H:%M:%S')} {said}")
        else:
            self.answers["fine"] += 1
