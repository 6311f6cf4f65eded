"""Local files to objects: whole or not at all, and known to be stored as they were sent."""

from __future__ import annotations

import base64
import io
import zlib
from pathlib import Path

from aigc.storage import _s3, _s3_client
from aigc.types import OnBytes

_ONE_PART_BYTES = 64 * 2**20
"""Parts are sent by ten threads, which get in the way of one that renders: 50,000 images of 64×64×3
in files of 19 MB took 1.2 times as long."""
_BLOCK_BYTES = 2**20


class _Told(io.FileIO):
    """A file that tells how much of it is read."""

    def __init__(self, path: Path, on_bytes: OnBytes) -> None:
        super().__init__(path)
        self._on_bytes = on_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._on_bytes(len(data))
        return data


def upload(source: Path, uri: str, on_bytes: OnBytes) -> None:
    """In parts when large. The stored length is compared unless the store tells the checksum of
    what it took: not every store checks one."""
    size_bytes = source.stat().st_size
    with _s3.errors(uri):
        if size_bytes <= _ONE_PART_BYTES:
            _upload_whole(source, size_bytes, uri, on_bytes)
        else:
            _s3.patiently(lambda: _upload_parts(source, size_bytes, uri, on_bytes))


def _upload_whole(source: Path, size_bytes: int, uri: str, on_bytes: OnBytes) -> None:
    bucket, key = _s3.split(uri)
    # botocore sends one, too, unless the user's settings say that the store cannot take it
    checksum = base64.b64encode(_crc32(source).to_bytes(4, "big")).decode()

    def send() -> None:
        with _Told(source, on_bytes) as file:
            answer = _s3_client.client().put_object(Bucket=bucket, Key=key, Body=file)
        if answer.get("ChecksumCRC32") != checksum:
            _require_size(uri, size_bytes)

    _s3.patiently(send)


def _crc32(source: Path) -> int:
    found = 0
    with source.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            found = zlib.crc32(block, found)
    return found


def _upload_parts(source: Path, size_bytes: int, uri: str, on_bytes: OnBytes) -> None:
    with source.open("rb") as file:
        try:
            _s3_client.client().upload_fileobj(file, *_s3.split(uri), Callback=on_bytes)
        except KeyError:
            raise _s3.CutShortError from None  # the answer that names the upload had no body
    _require_size(uri, size_bytes)


def _require_size(uri: str, size_bytes: int) -> None:
    bucket, key = _s3.split(uri)
    if _s3_client.client().head_object(Bucket=bucket, Key=key)["ContentLength"] != size_bytes:
        raise _s3.CutShortError
