"""Open-loop load generator: requests are sent at fixed times, whether or not others are answered.

Arrivals are a Poisson process, drawn before the start. A request's latency counts from the time it
was due, also when no connection was free or this program was late, so a server that stalls is not
spared the requests that would have come meanwhile ("coordinated omission"). One thread without an
event loop, since it shares the machine with what it measures: 50 to 60 µs of CPU a request.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from aigc.errors import JobError

Float64s = npt.NDArray[np.float64]

NO_ANSWER = 0
"""Status of a request whose connection broke or whose response did not arrive."""

_GRACE_S = 30.0
"""How long responses are awaited after the last request."""
_CONNECT_S = 10.0
_TICK_S = 0.0003
_READ_BYTES = 2**18
_REFUSED = (429, 503)
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_UNKNOWN = 2**62
"""Remaining bytes of a chunked response: JSON and base64 contain no line like its last one."""


@dataclass(frozen=True)
class OpenLoopMetrics:
    """Latencies in milliseconds; NaN without any."""

    sent: int
    by_status: dict[int, int]
    goodput_per_s: float
    """Successful responses per second of the sending time."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    """Of successful responses."""
    p99_ms_by_second: tuple[float, ...]
    """By the second in which requests were due."""
    refused_p99_ms: float
    refusals_without_retry_after: int
    late_p99_ms: float
    """Delay of sending by this program itself; a large value invalidates the result."""


@dataclass
class _Asked:
    """A request and its outcome."""

    due: float
    late_s: float
    done: float = 0.0
    status: int = NO_ANSWER
    retry_after: bool = False


def drive(
    url: str,
    body: bytes,
    rate_per_s: float,
    seconds: float,
    connections: int,
    headers: dict[str, str] | None = None,
    seed: int = 0,
) -> OpenLoopMetrics:
    """POST `body` to `url` as JSON `rate_per_s` times a second, on kept connections.

    Raises:
        JobError: nobody listens there, or an answer has neither a length nor chunks.
    """
    times = _arrivals(rate_per_s, seconds, seed)
    with contextlib.closing(_Client(url, body, connections, headers or {})) as client:
        return _figures(client.run(times, seconds), seconds)


def saturate(
    url: str,
    body: bytes,
    seconds: float,
    connections: int,
    headers: dict[str, str] | None = None,
) -> OpenLoopMetrics:
    """As `drive`, in a closed loop: each connection sends again as soon as it is answered."""
    with contextlib.closing(_Client(url, body, connections, headers or {})) as client:
        return _figures(client.run(_at_once(seconds), seconds, closed=True), seconds)


def _arrivals(rate_per_s: float, seconds: float, seed: int) -> Iterator[float]:
    draw = np.random.default_rng(seed)
    at = 0.0
    while True:
        for gap in draw.exponential(1 / rate_per_s, 1024).tolist():
            at += gap
            if at >= seconds:
                return
            yield at


def _at_once(seconds: float) -> Iterator[float]:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        yield 0.0


class _Connection:
    __slots__ = ("asked", "head", "left_bytes", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.asked: _Asked | None = None
        self.head = b""
        self.left_bytes = -1
        """Of the body; -1 while the head is not complete."""


class _Client:
    def __init__(self, url: str, body: bytes, connections: int, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or 80)
        self._request = _request(parts.netloc, parts.path or "/", body, headers)
        self._poll = selectors.DefaultSelector()
        self._idle = [_Connection() for _ in range(connections)]
        self._busy = 0
        for connection in self._idle:
            self._connect(connection)

    def close(self) -> None:
        for key in list(self._poll.get_map().values()):
            key.data.socket.close()
        self._poll.close()

    def run(self, times: Iterable[float], seconds: float, closed: bool = False) -> list[_Asked]:
        """Every request with its outcome; `times` in seconds from now."""
        asked: list[_Asked] = []
        start, coming = time.perf_counter(), iter(times)
        due, free_since = next(coming, None), start
        while due is not None or self._busy:
            now = time.perf_counter()
            if now > start + seconds + _GRACE_S:
                break
            while due is not None and self._idle and start + due <= now:
                ready = now if closed else start + due
                asked.append(_Asked(ready, now - max(ready, free_since)))
                self._send(asked[-1])
                due, now = next(coming, None), time.perf_counter()
            starved = not self._idle
            waits = due is None or starved
            self._receive(1.0 if waits or due is None else max(0.0, start + due - now))
            if starved:
                free_since = time.perf_counter()
        return asked

    def _send(self, asked: _Asked) -> None:
        connection = self._idle.pop()
        connection.asked = asked
        self._busy += 1
        try:
            if connection.socket is None:
                self._connect(connection)
            assert connection.socket is not None
            connection.socket.sendall(self._request)
        except (OSError, JobError):
            self._lose(connection)

    def _connect(self, connection: _Connection) -> None:
        try:
            opened = socket.create_connection(self._place, _CONNECT_S)
        except OSError as error:
            raise JobError(f"{self._place[0]}:{self._place[1]}: {error}") from None
        opened.settimeout(None)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket = opened
        self._poll.register(opened, selectors.EVENT_READ, connection)

    def _receive(self, timeout_s: float) -> None:
        """Waits by `select`, which counts microseconds where epoll counts milliseconds.

        Events within a tick are handled together, which halves this program's CPU time.
        """
        if timeout_s > 0:
            time.sleep(_TICK_S)
            select.select([self._poll], [], [], max(0.0, timeout_s - _TICK_S))
        for key, _ in self._poll.select(0):
            connection: _Connection = key.data
            try:
                data = connection.socket.recv(_READ_BYTES) if connection.socket else b""
            except OSError:
                data = b""
            if data:
                self._take(connection, data)
            else:
                self._lose(connection)

    def _take(self, connection: _Connection, data: bytes) -> None:
        asked = connection.asked
        if asked is None:
            self._lose(connection)
            return
        if connection.left_bytes < 0:
            connection.head += data
            end = connection.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = connection.head[:end].lower()
            asked.status, asked.retry_after = int(head[9:12]), b"\r\nretry-after:" in head
            if _CHUNKED in head:
                connection.left_bytes = _UNKNOWN
            else:
                connection.left_bytes = _length(head) + end + 4 - len(connection.head)
        elif connection.left_bytes == _UNKNOWN:
            connection.head = connection.head[-len(_LAST_CHUNK) :] + data
        else:
            connection.left_bytes -= len(data)
        if connection.left_bytes == _UNKNOWN and connection.head.endswith(_LAST_CHUNK):
            connection.left_bytes = 0
        if connection.left_bytes <= 0:
            asked.done = time.perf_counter()
            self._free(connection)

    def _free(self, connection: _Connection) -> None:
        connection.asked, connection.head, connection.left_bytes = None, b"", -1
        self._busy -= 1
        self._idle.append(connection)

    def _lose(self, connection: _Connection) -> None:
        """Close a broken connection; its next request reconnects."""
        if connection.socket is not None:
            self._poll.unregister(connection.socket)
            connection.socket.close()
            connection.socket = None
        if connection.asked is not None:
            connection.asked.status = NO_ANSWER
            self._free(connection)


def _request(host: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    fields = {
        "host": host,
        "content-type": "application/json",
        "content-length": str(len(body)),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def _length(head: bytes) -> int:
    _, name, rest = head.partition(b"\r\ncontent-length:")
    if not name:
        raise JobError("a response has neither a length nor chunks, which this client cannot read")
    return int(rest.partition(b"\r\n")[0])


def _figures(asked: list[_Asked], seconds: float) -> OpenLoopMetrics:
    good = [each for each in asked if 200 <= each.status < 300]
    refused = [each for each in asked if each.status in _REFUSED]
    latencies_ms, first = _latencies_ms(good), asked[0].due if asked else 0.0
    second = np.array([int(each.due - first) for each in good])
    return OpenLoopMetrics(
        sent=len(asked),
        by_status=dict(sorted(Counter(each.status for each in asked).items())),
        goodput_per_s=len(good) / seconds,
        p50_ms=_percentile(latencies_ms, 50),
        p95_ms=_percentile(latencies_ms, 95),
        p99_ms=_percentile(latencies_ms, 99),
        p99_ms_by_second=tuple(
            _percentile(latencies_ms[second == at], 99) for at in range(int(seconds))
        ),
        refused_p99_ms=_percentile(_latencies_ms(refused), 99),
        refusals_without_retry_after=sum(not each.retry_after for each in refused),
        late_p99_ms=_percentile(np.array([each.late_s * 1e3 for each in asked]), 99),
    )


def _latencies_ms(asked: list[_Asked]) -> Float64s:
    return np.array([(each.done - each.due) * 1e3 for each in asked])


def _percentile(values: Float64s, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("nan")
