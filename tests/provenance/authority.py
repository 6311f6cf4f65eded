"""A time-stamp authority (RFC 3161) on this machine: HTTP in front of `openssl ts`."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aigc.provenance.chains import TIME_STAMPING, Issued, issue

_SETTINGS = """
[tsa]
dir = {folder}
serial = {folder}/serial
signer_cert = {folder}/signer.pem
certs = {folder}/root.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
ess_cert_id_chain = no
ordering = yes
clock_precision_digits = 0
"""


@dataclass
class Authority:
    """`url` answers while `is_up`; `requests` counts what it was asked."""

    url: str
    folder: Path
    is_up: bool = True
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def time_stamp_authority(root: Issued, *, clock: str | None = None) -> Iterator[Authority]:
    """`clock` as faketime takes it ('+2d'), for an authority whose clock is wrong."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signer = issue(root, "Test authority", 30, TIME_STAMPING)
        (folder / "signer.pem").write_bytes(signer.certificate_pem)
        (folder / "key.pem").write_bytes(signer.key_pem)
        (folder / "root.pem").write_bytes(root.certificate_pem)
        (folder / "serial").write_text("01\n")
        (folder / "ts.cnf").write_text(_SETTINGS.format(folder=folder))
        authority = Authority("", folder)
        command = [*(("faketime", "-f", clock) if clock else ()), program]
        handler = _handler(authority, command)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        authority.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(authority: Authority, command: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with authority.lock:  # openssl's serial file is not locked
                authority.requests += 1
                reply = _reply(authority, command, query) if authority.is_up else b""
            self.send_response(200 if reply else 503)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Stays silent."""

    return Handler


def _reply(authority: Authority, command: list[str], query: bytes) -> bytes:
    path = authority.folder / "query.tsq"
    path.write_bytes(query)
    settings = str(authority.folder / "ts.cnf")
    arguments = ["ts", "-reply", "-config", settings, "-section", "tsa", "-queryfile", str(path)]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    return done.stdout
