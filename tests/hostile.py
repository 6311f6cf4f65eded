"""Clients that mean no good, or cannot help it. All of them on this machine."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

_ASK = "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CUT = b'Content-Length: 4\r\n\r\n{"a"'
_FORM = (
    "POST /v1/images/variations HTTP/1.1\r\nHost: x\r\n"
    "Content-Type: multipart/form-data; boundary=b; charset=undefined\r\n"
)
_FIELD = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nvae\r\n--b--\r\n'


def connected(url: str) -> socket.socket:
    where = urlsplit(url)
    assert where.hostname and where.port
    return socket.create_connection((where.hostname, where.port), timeout=30)


@contextlib.contextmanager
def idle(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Connections on which nothing is ever said."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(url)) for _ in range(count)]


@contextlib.contextmanager
def slow(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Half of them never end their headers, the others never their bodies."""
    with idle(url, count) as sockets:
        for number, sock in enumerate(sockets):
            if number % 2:
                sock.sendall(_ASK.encode() + b"X-Slow: 1")
            else:
                sock.sendall(f"{_ASK}Content-Length: 60\r\n\r\n".encode() + b'{"model": ')
        yield sockets


def answer(sock: socket.socket, timeout_s: float = 30) -> int | None:
    """The status that comes, None if the connection is just closed."""
    sock.settimeout(timeout_s)
    try:
        first = sock.recv(4096)
    except ConnectionError:
        return None
    return int(first.split()[1]) if first else None


def oddities(url: str) -> dict[str, int | None]:
    """What is said to requests that are none, by their name."""
    found: dict[str, int | None] = {}
    large = b'{"model": "' + b"x" * (2 * 2**20) + b'"}'
    for name, sent in {
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "large headers": _ASK.encode() + b"X-Large: " + b"y" * 70_000 + b"\r\n\r\n",
        "negative length": f"{_ASK}Content-Length: -1\r\n\r\n".encode(),
        "two lengths": f"{_ASK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}".encode(),
        "bad chunk": f"{_ASK}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n".encode(),
        "large body": f"{_ASK}Content-Length: {len(large)}\r\n\r\n".encode() + large,
        "odd id": _ASK.encode() + b"X-Request-Id: \xff\r\n" + _CUT,
        "odd session": _ASK.encode() + b"X-Session-Id: \xff\r\n" + _CUT,
        "odd model id": _ASK.encode() + b"serve_multiplexed_model_id: \xff\r\n" + _CUT,
        "odd charset": f"{_FORM}Content-Length: {len(_FIELD)}\r\n\r\n{_FIELD}".encode(),
        "no JSON": _ASK.encode() + _CUT,
    }.items():
        with connected(url) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(sent)
            found[name] = answer(sock)
    return found


def leave_early(url: str, count: int) -> None:
    """Bodies cut off halfway, and answers nobody waits for."""
    for number in range(count):
        with connected(url) as sock:
            body = b'{"model": "tiny-served", "prompt": "two", "n": 8}'
            sent = body[: len(body) // 2] if number % 2 else body
            sock.sendall(f"{_ASK}Content-Length: {len(body)}\r\n\r\n".encode() + sent)
            if number % 4 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def bomb(side: int = 30_000) -> bytes:
    """A PNG of `side` × `side` grey pixels in a few hundred kilobytes."""
    packer, packed = zlib.compressobj(9), io.BytesIO()
    line = bytes(side + 1)
    for _ in range(side):
        packed.write(packer.compress(line))
    packed.write(packer.flush())
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", packed.getvalue()), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def answered_meanwhile(url: str, model: str, count: int = 20, tries: int = 20) -> bool:
    """Whether a request is answered while `count` slow clients hold their connections.

    It is answered after them if they keep it waiting: they are closed first, in every try. That a
    busy machine is slow changes nothing but the number of tries.
    """
    body = {"model": model, "prompt": "two", "n": 1}
    for _ in range(tries):
        with slow(url, count) as sockets:
            answer = httpx.post(f"{url}/v1/images/generations", json=body, timeout=120)
            if answer.is_success and all(is_open(sock) for sock in sockets):
                return True
    return False


def is_open(sock: socket.socket) -> bool:
    """Whether the other side has neither answered nor closed it."""
    sock.setblocking(False)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


def closed(sockets: list[socket.socket], within_s: float) -> int:
    """How many the other side has closed by then."""
    deadline, gone = time.monotonic() + within_s, 0
    for sock in sockets:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            while sock.recv(4096):
                pass
            gone += 1
    return gone
