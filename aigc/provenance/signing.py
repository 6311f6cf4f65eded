"""Content Credentials: each finished file signed, and time-stamped if an authority is named.

Signing comes last: watermark, encode with metadata, sign. One time stamp covers one signature, so
an authority is asked once an item; there are no batches in RFC 3161, and nothing is cached. Without
an authority no network is used. The signature and the time stamp differ each time a file is signed;
the content digest of a set is therefore that of the files before signing.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from typing import Any

import c2pa

from aigc.errors import CredentialsError
from aigc.provenance import authority, callbacks, certificates
from aigc.provenance.certificates import SigningMaterial
from aigc.provenance.claims import Claims, SoftBinding, TimeStamp
from aigc.provenance.secrets import SIGNER
from aigc.provenance.spec import Credentials
from aigc.provenance.statement import ItemFacts, Statement
from aigc.provenance.unsigned import RESTORED, SIGNED, unsigned
from aigc.types import Notice, no_notice

RETRY_AFTER_S = 60.0
"""After the authority failed, items are signed without it for so long (`on_outage: unstamped`)."""
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a494441"
    "5478da6360000000020001e527defc0000000049454e44ae426082"
)
"""A PNG file of one pixel, on which the key is tried before the first item."""
_ATTEMPTS, _PAUSE_S = 3, 0.5
_AT_SPEED = {
    "verify": {"verify_after_sign": False, "verify_after_reading": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_OF_THE_NETWORK = ("http", "timestamp", "time stamp")
_ALGORITHMS = {name: getattr(c2pa.C2paSigningAlg, name) for name in ("ES256", "ES384", "ES512")}
_ALGORITHMS |= {"PS256": c2pa.C2paSigningAlg.PS256, "ED25519": c2pa.C2paSigningAlg.ED25519}


class FileSigner:
    """Signs the files of one job. It is safe to use from several threads."""

    def __init__(
        self,
        asked: Credentials,
        statement: Statement,
        environment: Mapping[str, str],
        notice: Notice = no_notice,
    ) -> None:
        """Raises CredentialsError, in one line, when nothing could be signed: see `certificates`,
        `callbacks` and `authority`."""
        self._material = certificates.load(asked, environment)
        if self._material.sign_bytes is not None:
            callbacks.check(self._material)
        self._asked, self._notice = asked, notice
        if asked.authority is not None:
            self._look_at_authority(asked.authority)
        self._claims = Claims(statement)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._silent_until = 0.0
        self._sign(_PIXEL, "image/png", "{}", with_time=False)

    def sign(
        self,
        file: bytes,
        codec: str,
        item: ItemFacts,
        watermark: SoftBinding | None = None,
        on_unstamped: Notice = no_notice,
    ) -> bytes:
        """`file` with its credential; `unsigned` restores it. `on_unstamped` receives the id of an
        item that has no time stamp because the authority did not answer.

        Raises CredentialsError if the key fails, or the authority does and `on_outage` is `fail`.
        """
        signed = self._signed(file, SIGNED[codec], item, watermark, on_unstamped)
        if codec in RESTORED and unsigned(signed) != file:
            raise CredentialsError(
                f"credentials: c2pa-python changed more of a {codec} file than its manifest; use "
                "the version of constraints.txt"
            )
        return signed

    def _signed(
        self,
        file: bytes,
        mime: str,
        item: ItemFacts,
        watermark: SoftBinding | None,
        on_unstamped: Notice,
    ) -> bytes:
        reason: TimeStamp = "none"
        if self._asked.authority is not None:
            asked = self._claims.manifest(item, "asked", watermark)
            if (stamped := self._stamped(file, mime, asked)) is not None:
                return stamped
            reason = "authority did not answer"
            on_unstamped(item.id)
        manifest = self._claims.manifest(item, reason, watermark)
        return self._sign(file, mime, manifest, with_time=False)

    def _stamped(self, file: bytes, mime: str, manifest: str) -> bytes | None:
        """None where the authority does not answer, or did not within `RETRY_AFTER_S`."""
        if time.monotonic() < self._silent_until:
            return None
        for attempt in range(_ATTEMPTS):
            try:
                return self._sign(file, mime, manifest, with_time=True)
            except _OutageError as error:
                if attempt == _ATTEMPTS - 1:
                    self._note_outage(error)
                else:
                    time.sleep(_PAUSE_S * 2**attempt)
        return None

    def _sign(self, file: bytes, mime: str, manifest: str, *, with_time: bool) -> bytes:
        context, callback = self._context(with_time=with_time)
        signed = io.BytesIO()
        try:
            with c2pa.Builder(manifest, context) as builder:
                builder.sign(mime, io.BytesIO(file), signed)
        except c2pa.C2paError as error:
            raise _explained(error, callback, with_time=with_time) from None
        return signed.getvalue()

    def _context(self, *, with_time: bool) -> tuple[Any, callbacks.CheckedCallback | None]:
        """This thread's own: the library lets one thread at a time use a context."""
        name = "timed" if with_time else "plain"
        if not hasattr(self._local, name):
            url = self._asked.authority if with_time else None
            setattr(self._local, name, _new_context(self._material, url))
        found: tuple[Any, callbacks.CheckedCallback | None] = getattr(self._local, name)
        return found

    def _look_at_authority(self, url: str) -> None:
        try:
            authority.check(url)
        except authority.ClockSkewError:
            raise
        except CredentialsError as error:
            if self._asked.on_outage == "fail":
                raise
            self._notice(f"{error}; going on without time stamps, as on_outage says")

    def _note_outage(self, error: Exception) -> None:
        """Raises CredentialsError where outages are not allowed."""
        url = self._asked.authority
        if self._asked.on_outage == "fail":
            raise CredentialsError(
                f"credentials.authority {url} did not answer {_ATTEMPTS} times: {error}; run the "
                "command again when it does, or set on_outage: unstamped"
            ) from None
        with self._lock:
            is_news = time.monotonic() >= self._silent_until
            self._silent_until = time.monotonic() + RETRY_AFTER_S
        if is_news:
            self._notice(
                f"{url} does not answer: signing without time stamps for {RETRY_AFTER_S:g} s"
            )


class _OutageError(Exception):
    """The authority gave no time stamp."""


def _explained(
    error: Exception, callback: callbacks.CheckedCallback | None, *, with_time: bool
) -> Exception:
    if callback is not None and callback.failure is not None:
        failure, callback.failure = callback.failure, None
        return CredentialsError(f"{SIGNER}: {type(failure).__name__}: {failure}")
    text = str(error)
    if with_time and any(word in text.lower() for word in _OF_THE_NETWORK):
        return _OutageError(text.removeprefix("Signature: "))
    return CredentialsError(f"credentials: {text}")


def _new_context(
    material: SigningMaterial, url: str | None
) -> tuple[Any, callbacks.CheckedCallback | None]:
    """The context takes the signer over; the callback must live as long as it."""
    kind, callback = _ALGORITHMS[material.algorithm], None
    try:
        if material.key_pem is None:
            callback = callbacks.CheckedCallback(material)
            signer = c2pa.Signer.from_callback(callback, kind, material.chain_pem, url)
        else:
            chain, key = material.chain_pem.encode(), material.key_pem.encode()
            info = c2pa.C2paSignerInfo(kind, chain, key, url.encode() if url else None)
            signer = c2pa.Signer.from_info(info)
        return c2pa.Context(c2pa.Settings.from_dict(_AT_SPEED), signer), callback
    except c2pa.C2paError as error:
        raise CredentialsError(f"credentials: {error}") from None
