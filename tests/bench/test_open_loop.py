"""The load generator against real servers whose answers are known."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aigc.bench import open_loop
from aigc.bench.open_loop import drive, saturate
from aigc.errors import JobError
from tests.waiting import LIMIT_S

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
REFUSED = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"
SILENT = b"HTTP/1.1 429 Busy\r\nContent-Length: 2\r\n\r\nno"


class Clock:
    """Stands for the modules `time` and `select` of the generator: while a request is at a real
    server no time passes, unless the server lets it; while none is, the generator does not wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def select(self, polls: list[Any], _: object, __: object, timeout_s: float) -> None:
        asked = [key.data.asked for key in polls[0].get_map().values()]
        if any(asked):
            select.select(polls, [], [], LIMIT_S)
        else:
            self.now += timeout_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(open_loop, "time", clock)
    monkeypatch.setattr(open_loop, "select", clock)
    return clock


@contextmanager
def answering(answer: Callable[[int], bytes]) -> Iterator[str]:
    """A server of one thread a connection; the requests it gets are numbered over all of them."""
    listener = socket.create_server(("127.0.0.1", 0))
    numbers = iter(range(10**9))

    def talk(connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                data = answer(next(numbers))
                connection.sendall(data)
                if not data:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/path"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.usefixtures("clock")
def test_answers_may_come_in_chunks() -> None:
    with answering(lambda number: CHUNKED) as url:
        found = drive(url, b"{}", 100, 0.2, connections=2)
    assert found.by_status == {200: found.sent}
    assert found.p99_ms == pytest.approx(open_loop._TICK_S * 1e3, abs=1)


@pytest.mark.usefixtures("clock")
def test_an_answer_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    at, received = len(CHUNKED) - 2, threading.Event()  # within the mark of the end
    take = open_loop._Client._take

    def taken(client: open_loop._Client, connection: open_loop._Connection, data: bytes) -> None:
        take(client, connection, data)
        received.set()

    monkeypatch.setattr(open_loop._Client, "_take", taken)

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(65536):
                received.clear()
                connection.sendall(CHUNKED[:at])
                received.wait(LIMIT_S)
                connection.sendall(CHUNKED[at:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/path"
        found = drive(url, b"{}", 50, 0.2, connections=1)
    assert found.by_status == {200: found.sent}


@pytest.mark.usefixtures("clock")
def test_outcomes_are_counted() -> None:
    answers = [GOOD, GOOD, REFUSED, SILENT, b""]
    with answering(lambda number: answers[number % 5]) as url:
        found = drive(url, b"{}", 500, 0.5, connections=4)
    assert sum(found.by_status.values()) == found.sent
    fifth = found.sent / 5
    assert set(found.by_status) == {0, 200, 429, 503}
    assert all(abs(found.by_status[code] - fifth) <= 5 for code in (0, 429, 503))
    assert found.refusals_without_retry_after == found.by_status[429]
    assert found.goodput_per_s == found.by_status[200] / 0.5


@pytest.mark.usefixtures("clock")
def test_arrivals_are_those_of_the_rate_and_the_seed() -> None:
    with answering(lambda _: GOOD) as url:
        counts = [drive(url, b"{}", 1000, 0.5, 8, seed=seed).sent for seed in (1, 1, 2)]
    assert counts[0] == counts[1] != counts[2]
    assert all(400 < count < 600 for count in counts)


def test_what_was_due_while_the_server_slept_has_waited(clock: Clock) -> None:
    def answer(number: int) -> bytes:
        clock.now += 0.5 if number == 20 else 0
        return GOOD

    with answering(answer) as url:
        found = drive(url, b"{}", 200, 1.0, connections=1)
    assert found.p99_ms > 400
    assert found.p50_ms > 20
    assert found.late_p99_ms < 1, "the server's delay is not the generator's"


def test_a_long_answer_comes_in_parts() -> None:
    body = b"x" * 3_000_000
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    with answering(lambda _: head + body) as url:
        found = saturate(url, b"{}", 0.3, connections=2)
    assert found.by_status == {200: found.sent}
    assert found.sent > 2


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/"
        with pytest.raises(JobError, match=r"127\.0\.0\.1"):
            drive(address, b"{}", 10, 0.1, connections=1)
