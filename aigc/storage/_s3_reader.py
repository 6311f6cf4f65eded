"""Reading large objects by ranges."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from aigc.storage import _s3, _s3_client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Reader(io.RawIOBase):
    """One object as a seekable file; each read is a request for a range, sent until it is whole."""

    def __init__(self, uri: str) -> None:
        self._uri, self._at = uri, 0
        self._bucket, self._key = _s3.split(uri)
        with _s3.errors(uri):
            head = _s3.patiently(
                lambda: _s3_client.client().head_object(Bucket=self._bucket, Key=self._key),
                small=True,
            )
        self._size, self._etag = head["ContentLength"], head["ETag"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._at))
        if count:
            with _s3.errors(self._uri):
                view[:count] = _s3.patiently(lambda: self._range(self._at, count))
            self._at += count
        return count

    def _range(self, start: int, count: int) -> bytes:
        asked = f"bytes={start}-{start + count - 1}"
        place = {"Bucket": self._bucket, "Key": self._key}
        answer = _s3_client.client().get_object(Range=asked, IfMatch=self._etag, **place)  # type: ignore[arg-type]
        data = answer["Body"].read()
        if len(data) != count:
            raise _s3.CutShortError
        return data
