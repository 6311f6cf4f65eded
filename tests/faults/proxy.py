"""An HTTP proxy before an S3 server that spoils some of the traffic, the same way for a seed.

The client talks to it as if it were the server: requests pass unchanged, so signatures hold. Of
each hundred requests `rate` are spoilt in one of KINDS. `conditional` makes it a store without
conditional PUT: `ignored` takes the header away, `refused` answers it with 501.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers import ACCESS_KEY, SECRET_KEY

Kind = Literal[
    "slow_down",
    "reset",
    "lost_answer",
    "stall",
    "cut_answer",
    "empty_answer",
    "reset_answer",
    "cut_request",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SENT = {"cut_answer": 0.5, "empty_answer": 0.0, "reset_answer": 0.5}
"""Shares of an answer's body that are sent before the connection ends."""
_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>injected</Message></Error>'
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Message:
    """A request or an answer: first line, headers as (name, value), body."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((v for key, v in self.headers if key.lower() == name), None)

    def without(self, *names: str) -> Message:
        kept = [(key, value) for key, value in self.headers if key.lower() not in names]
        return Message(self.first, kept, self.body)

    def head(self) -> bytes:
        lines = [self.first, *(f"{key}: {value}" for key, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


@dataclass
class FaultProxy:
    upstream: str
    rate: float = 0.0
    seed: int = 0
    kinds: tuple[Kind, ...] = KINDS
    conditional: Literal["kept", "ignored", "refused"] = "kept"
    stall_s: float = 20.0
    endpoint: str = ""
    requests: int = 0
    injected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            while request := await read_message(reader, writer):
                self.requests += 1
                if not await self._answer(request, writer):
                    break
        writer.close()

    def _fate(self) -> Kind | None:
        spoilt = self._random.random() < self.rate
        return self._random.choice(self.kinds) if spoilt else None

    async def _answer(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        if self.conditional != "kept" and request.header("if-none-match"):
            if self.conditional == "refused":
                return await send_error(writer, 501, "NotImplemented")
            request = signed_anew(request.without("if-none-match"), self.upstream)
        kind = self._fate()
        if kind:
            self.injected[kind] += 1
        if kind == "slow_down":
            return await send_error(writer, 503, "SlowDown")
        if kind == "stall":
            await asyncio.sleep(self.stall_s)
        if kind == "cut_request":
            await self._forward(request, sent_bytes=len(request.body) // 2)
        if kind == "lost_answer":
            await self._forward(request)
        answer = await self._forward(request) if kind is None or kind in _SENT else None
        if answer is None:
            return reset(writer)
        sent = int(len(answer.body) * _SENT.get(kind or "", 1))
        writer.write(answer.head() + answer.body[:sent])
        await writer.drain()
        return reset(writer) if kind == "reset_answer" else kind is None

    async def _forward(self, request: Message, sent_bytes: int | None = None) -> Message | None:
        """What the server answers; None when it hangs up, or was sent a part only."""
        where = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            body = request.body if sent_bytes is None else request.body[:sent_bytes]
            writer.write(request.without("expect").head() + body)
            await writer.drain()
            if sent_bytes is not None and len(body) < len(request.body):
                return None
            has_body = not request.first.startswith("HEAD ")
            return await read_message(reader, None, has_body=has_body)
        finally:
            writer.close()


async def read_message(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, has_body: bool = True
) -> Message | None:
    """The next message with its body whole; None at the end. `writer` tells a client to go on."""
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    message = Message(first, [(name.strip(), value.strip()) for name, _, value in pairs])
    if " 100 " in first[:13]:
        return await read_message(reader, writer, has_body=has_body)
    if writer is not None and message.header("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if has_body and not any(f" {code} " in first[:13] for code in (204, 304)):
        message.body = await read_body(reader, message)
    return message


async def read_body(reader: asyncio.StreamReader, message: Message) -> bytes:
    """As on the wire, chunk headers included."""
    if message.header("transfer-encoding") != "chunked":
        return await reader.readexactly(int(message.header("content-length") or 0))
    parts = []
    while True:
        line = await reader.readline()
        parts.append(line + await reader.readexactly(int(line.split(b";")[0], 16) + 2))
        if int(line.split(b";")[0], 16) == 0:
            return b"".join(parts)


def signed_anew(request: Message, upstream: str) -> Message:
    method, path, version = request.first.split(" ")
    bare = request.without("authorization", "x-amz-date", "x-amz-content-sha256", "expect")
    url = upstream.replace(urlsplit(upstream).netloc, bare.header("host") or "") + path
    again = AWSRequest(method, url, dict(bare.headers), request.body)
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(again)
    return Message(f"{method} {path} {version}", list(again.headers.items()), request.body)


async def send_error(writer: asyncio.StreamWriter, status: int, code: str) -> bool:
    body = _ERROR.format(code).encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    return True


def reset(writer: asyncio.StreamWriter) -> bool:
    """The peer sees a connection reset, not an orderly end."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
    return False


@contextlib.contextmanager
def fault_proxy(upstream: str, **options: object) -> Iterator[FaultProxy]:
    """A proxy on a free port of this machine, in a thread of its own."""
    proxy = FaultProxy(upstream, **options)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2**20)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
