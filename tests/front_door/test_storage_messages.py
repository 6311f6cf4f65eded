"""Refusals of S3 servers, each told by the server's own code and sentence and what would help."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from aigc import storage
from aigc.errors import StorageError
from aigc.storage import _s3_client
from aigc.store import ModelStore

REFUSALS = [  # status, code, sentence, what to do
    (403, "AccessDenied", "Access Denied.", "check the bucket's policy"),
    (403, "AccessDenied", "User: x is not authorized to perform: s3:GetObject", "bucket's policy"),
    (403, "InvalidAccessKeyId", "The key does not exist in our records", "check AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "The signature does not match", "check AWS_SECRET_ACCESS_KEY"),
    (400, "ExpiredToken", "The provided token has expired.", "AWS_SESSION_TOKEN"),
    (403, "ExpiredToken", "The provided token has expired.", "AWS_SESSION_TOKEN"),
    (403, "InvalidToken", "The token is malformed", "AWS_SESSION_TOKEN"),
    (400, "TokenRefreshRequired", "The token must be refreshed.", "AWS_SESSION_TOKEN"),
    (403, "InvalidObjectState", "The operation is not valid for the storage class", "restore"),
    (403, "QuotaExceeded", "Bucket quota of 10 GB exceeded", "have the quota raised"),
    (403, "XMinioAdminBucketQuotaExceeded", "Bucket quota exceeded", "have the quota raised"),
    (400, "ServiceQuotaExceededException", "Too much", "have the quota raised"),
    (507, "XMinioStorageFull", "Storage backend has reached its minimum free disk", "add disks"),
    (403, "UserSuspended", "User is suspended", "contact the account's owner"),
    (403, "AllAccessDisabled", "All access to this object has been disabled", "account's owner"),
    (403, "AccountProblem", "There is a problem with your account", "contact the account's owner"),
    (403, "KMS.DisabledException", "arn:aws:kms:key/1 is disabled", "enable the bucket's KMS key"),
    (403, "SomethingOfTheirOwn", "Not on a Sunday", "Not on a Sunday"),
    (405, "MethodNotAllowed", "The method is not allowed", "The method is not allowed"),
    (409, "OperationAborted", "A conflicting operation is in progress", "conflicting operation"),
    (403, "RequestTimeTooSkewed", "The difference is too large", "set this machine's clock"),
    (403, "RequestExpired", "Request has expired", "set this machine's clock"),
]
ACTIONS: dict[str, Callable[[str], object]] = {
    "read": storage.read_bytes,
    "exists": storage.exists,
    "list": lambda uri: list(storage.listing(uri)),
    "write": lambda uri: storage.write_bytes(uri, b"x"),
    "create": lambda uri: storage.create(uri, b"x"),
    "writable": storage.require_writable,
    "open": storage.open_input,
}


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the server's `refusal`; HEAD without a body, as S3 does."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body, behind_s = self.server.refusal  # type: ignore[attr-defined]
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() - behind_s, usegmt=True))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def refuse(server: Any) -> Iterator[Callable[..., None]]:
    """Makes S3 refuse all that is asked of it."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AIGC_S3_PATIENCE_S", "0.1")
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    _s3_client.client.cache_clear()

    def refuse(status: int, code: str, sentence: str, more: str = "", behind_s: float = 0) -> None:
        body = f"<Error><Code>{code}</Code><Message>{escape(sentence)}</Message>{more}</Error>"
        server.refusal = (status, body.encode(), behind_s)

    yield refuse
    monkeypatch.undo()
    _s3_client.client.cache_clear()


@pytest.fixture
def fresh() -> Iterator[None]:
    """For a test with an environment of its own: a client made of that, and of no other after."""
    _s3_client.client.cache_clear()
    yield
    _s3_client.client.cache_clear()


def line_of(action: Callable[[str], object]) -> str:
    with pytest.raises(StorageError) as refused:
        action("s3://bucket/folder/key")
    line = str(refused.value)
    assert line.startswith("s3://bucket/folder")
    assert line.isprintable()
    assert "secret" not in line.replace("AWS_SECRET", "")
    return line


@pytest.mark.parametrize(("status", "code", "sentence", "advice"), REFUSALS)
def test_the_servers_own_words_are_given(
    refuse: Callable[..., None], status: int, code: str, sentence: str, advice: str
) -> None:
    refuse(status, code, sentence)
    line = line_of(storage.read_bytes)
    assert f"S3 answered {code}: {sentence.rstrip('.')}" in line
    assert advice in line


@pytest.mark.parametrize("action", ACTIONS)
def test_whatever_was_asked(refuse: Callable[..., None], action: str) -> None:
    """Also where HEAD was, whose answers have no body."""
    refuse(403, "RequestTimeTooSkewed", "The difference is too large", behind_s=3600)
    assert "S3 answered RequestTimeTooSkewed: The difference is too large" in line_of(
        ACTIONS[action]
    )


@pytest.mark.parametrize(("behind_s", "said"), [(3600, "ahead"), (-3600, "behind")])
def test_a_wrong_clock_is_measured(refuse: Callable[..., None], behind_s: int, said: str) -> None:
    refuse(403, "RequestTimeTooSkewed", "Too large", behind_s=behind_s)
    line = line_of(storage.read_bytes)
    assert f" s {said}; set this machine's clock" in line
    assert "3,600" in line or "3,601" in line or "3,599" in line


def test_the_region_is_the_one_the_server_names(refuse: Callable[..., None]) -> None:
    more = "<Region>eu-central-1</Region>"
    refuse(400, "AuthorizationHeaderMalformed", "The region is wrong", more)
    assert line_of(storage.read_bytes).endswith("; set AWS_REGION=eu-central-1")


@pytest.mark.parametrize("sentence", ["", "two\nlines\tand\r a tab", "x" * 5000, "[red]no[/red]"])
def test_any_sentence_is_one_line(refuse: Callable[..., None], sentence: str) -> None:
    refuse(403, "AccessDenied", sentence)
    line = line_of(storage.read_bytes)
    assert " ".join(sentence.split())[:300] in line
    assert len(line) < 500


@pytest.mark.parametrize("body", [b"", b"<html>go away</html>", b"{}", b"\xff\xfe"])
def test_an_answer_without_a_reason(server: Any, refuse: Callable[..., None], body: bytes) -> None:
    server.refusal = (403, body, 0)
    assert "S3 answered 403" in line_of(storage.read_bytes)
    assert "check AWS_ACCESS_KEY_ID" in line_of(storage.exists)


@pytest.mark.usefixtures("fresh")
def test_a_proxy_that_refuses_is_named(
    server: Any, refuse: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refusal = (403, b"<html>blocked</html>", 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://me:very-secret@127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example:9000")
    line = line_of(storage.read_bytes)
    assert f"through the proxy http://127.0.0.1:{server.server_port} (HTTP_PROXY)" in line
    assert line.endswith("set NO_PROXY=s3.example")


BLANKS = [
    ("AWS_ACCESS_KEY_ID", "someone\r"),
    ("AWS_ACCESS_KEY_ID", " someone"),
    ("AWS_SECRET_ACCESS_KEY", "very-secret\n"),
    ("AWS_SESSION_TOKEN", "very-secret\t"),
    ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9\r"),
    ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9 "),
    ("AWS_REGION", "us-east-1\r"),
    ("AWS_PROFILE", "shop\r\n"),
]


@pytest.mark.parametrize(("name", "value"), BLANKS)
@pytest.mark.usefixtures("fresh")
def test_blanks_around_a_setting_are_named(
    refuse: Callable[..., None], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StorageError) as refused:
        storage.read_bytes("s3://bucket/key")
    line = f"{name}: there are blanks or line ends around its value; remove them"
    assert str(refused.value) == line


@pytest.mark.parametrize("value", ["us east 1", "eu-west-1/", "eu_west_1"])
@pytest.mark.usefixtures("fresh", "refuse")
def test_a_region_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", value)
    with pytest.raises(StorageError, match=f"'{value}' doesn't match a supported format; check"):
        storage.read_bytes("s3://bucket/key")


@pytest.mark.usefixtures("fresh")
def test_the_region_that_messages_speak_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert storage.s3_account()[0] == "https://s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("value", ["{}\r", " {}", "{}\n", "{}  "])
def test_blanks_around_the_store_are_not_of_its_name(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_STORE", value.format(tmp_path))
    assert ModelStore().uri == str(tmp_path)


@pytest.mark.usefixtures("fresh")
def test_a_proxy_that_is_not_there_is_named(
    refuse: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    line = line_of(storage.read_bytes)
    assert "does not answer through the proxy http://127.0.0.1:9 (HTTP_PROXY)" in line
    assert "NO_PROXY=127.0.0.1" in line


@pytest.mark.usefixtures("fresh", "refuse")
def test_no_keys_behind_a_proxy_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert storage.s3_account()[1] is None
    with pytest.raises(StorageError, match="no S3 credentials; set AWS_ACCESS_KEY_ID"):
        storage.read_bytes("s3://bucket/key")


@pytest.mark.usefixtures("fresh", "refuse")
def test_a_server_that_says_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_S3_TIMEOUT_S", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert "does not answer (ReadTimeoutError)" in line_of(storage.require_writable)
    assert time.monotonic() - began < 60, "AIGC_S3_PATIENCE_S is 90: it was asked again"
