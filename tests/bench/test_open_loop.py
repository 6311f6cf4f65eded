"""The load generator against real servers whose answers are known."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aigc.bench.open_loop import drive, saturate
from aigc.errors import JobError

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
REFUSED = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"
SILENT = b"HTTP/1.1 429 Busy\r\nContent-Length: 2\r\n\r\nno"


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


def test_answers_may_come_in_chunks() -> None:
    with answering(lambda number: CHUNKED) as url:
        found = drive(url, b"{}", 100, 0.2, connections=2)
    assert found.by_status == {200: found.sent}
    assert found.p99_ms < 200


def test_an_answer_may_come_in_pieces() -> None:
    at = len(CHUNKED) - 2  # within the mark of the end

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536):
                connection.sendall(CHUNKED[:at])
                time.sleep(0.01)
                connection.sendall(CHUNKED[at:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/path"
        found = drive(url, b"{}", 50, 0.2, connections=1)
    assert found.by_status == {200: found.sent}


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


def test_arrivals_are_those_of_the_rate_and_the_seed() -> None:
    with answering(lambda _: GOOD) as url:
        counts = [drive(url, b"{}", 1000, 0.5, 8, seed=seed).sent for seed in (1, 1, 2)]
    assert counts[0] == counts[1] != counts[2]
    assert all(400 < count < 600 for count in counts)


def test_what_was_due_while_the_server_slept_has_waited() -> None:
    def answer(number: int) -> bytes:
        time.sleep(0.5 if number == 20 else 0)
        return GOOD

    with answering(answer) as url:
        found = drive(url, b"{}", 200, 1.0, connections=1)
    assert found.p99_ms > 400
    assert found.p50_ms > 20
    assert found.late_p99_ms < 100


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
