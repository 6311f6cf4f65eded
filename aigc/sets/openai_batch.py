"""Answers to an OpenAI batch file, as its clients read them back.

OUT/batch_output.jsonl   a line a request: its pictures as base64, or where they lie
OUT/batch_errors.jsonl   a line a request that was refused, and why; only when there are any

A line is {id, custom_id, response: {status_code, request_id, body}, error: null}; what is wrong
with a request stands in `body`, as it does in the service's own files.
https://platform.openai.com/docs/guides/batch, https://github.com/openai/openai-openapi/issues/302
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from aigc import storage
from aigc.errors import JobError
from aigc.job.briefs import Briefs, Reject
from aigc.job.briefs.openai import IGNORED
from aigc.job.plan import Job
from aigc.sets import read
from aigc.types import Json, ShardRecord

Item = tuple[int, bytes | None]
"""An item's index, and its file where that was read."""

_PARAM = re.compile(r"([\w.]+)(?: =|[:,])")
"""The field that a reason begins with."""


def output_uri(out: str) -> str:
    return storage.join(out, "batch_output.jsonl")


def errors_uri(out: str) -> str:
    return storage.join(out, "batch_errors.jsonl")


def write(
    out: str,
    job: Job,
    briefs: Briefs,
    records: Mapping[int, ShardRecord],
    rejects: Sequence[Reject] = (),
) -> None:
    """Both files of a job whose shards are all committed; memory stays at one row group.

    Raises:
        JobError: an item is missing. StorageError.
    """
    ordered = sorted(records.values(), key=lambda record: record.start)
    with _whole(output_uri(out)) as file:
        answers = _Answers(file, out, job, briefs)
        for record in ordered:
            answers.add(record)
        answers.require_complete()
    if not rejects:
        storage.delete(errors_uri(out))
        return
    with _whole(errors_uri(out)) as file:
        for reject in rejects:
            file.write(json.dumps(_refusal(job, reject)).encode() + b"\n")


class _Answers:
    """Writes lines piece by piece: a brief's pictures follow each other, over shards too."""

    def __init__(self, file: IO[bytes], out: str, job: Job, briefs: Briefs) -> None:
        self._file, self._out, self._job, self._briefs = file, out, job, briefs
        formats = briefs.table["response_format"].to_pylist()
        self._inline = np.array([found != "url" for found in formats])
        self._next = 0
        """Index of the item that comes next."""

    def add(self, record: ShardRecord) -> None:
        indices = np.arange(record.start, record.stop, dtype=np.int64)
        rows = self._briefs.rows(indices)
        place = _uri(storage.join(self._out, record.file))
        created = int(record.started_at + record.wall_s)
        items = _items(self._out, self._job, record, self._inline[rows])
        for row, (index, file) in zip(rows.tolist(), items, strict=True):
            if index != self._next:
                raise self._missing()
            url = {"url": f"{place}#item={index}"}
            self._write(row, index, created, url if file is None else _inline(file))
            self._next += 1

    def require_complete(self) -> None:
        if self._next != self._briefs.count:
            raise self._missing()

    def _missing(self) -> JobError:
        return JobError(f"{self._out}: item {self._next} is missing; finish the job first")

    def _write(self, row: int, index: int, created: int, picture: Json) -> None:
        first, last = int(self._briefs.starts[row]), int(self._briefs.starts[row + 1]) - 1
        head, tail = self._line(row, created) if index in (first, last) else (b"", b"")
        self._file.write(head if index == first else b", ")
        self._file.write(json.dumps(picture).encode())
        if index == last:
            self._file.write(tail + b"\n")

    def _line(self, row: int, created: int) -> tuple[bytes, bytes]:
        """What stands before the pictures of a brief, and after them."""
        brief = self._briefs.table.slice(row, 1).to_pylist()[0]
        body = {
            "created": created,
            "output_format": brief["codec"],
            "size": f"{brief['width']}x{brief['height']}",
            "background": "opaque",
            "data": [],
        }
        if ignored := brief.get(IGNORED):
            body = {"ignored": ignored.split(", ")} | body
        line = _answer(self._job, brief["brief_id"], row, 200, body)
        head, _, tail = json.dumps(line).rpartition("[]")
        return f"{head}[".encode(), f"]{tail}".encode()


def _items(
    out: str, job: Job, record: ShardRecord, inline: npt.NDArray[np.bool_]
) -> Iterator[Item]:
    """(index, file) of a shard in order; only the files that are wanted `inline` (N,) are read."""
    indices = range(record.start, record.stop)
    wanted = {index for index, needed in zip(indices, inline.tolist(), strict=True) if needed}
    stored: Iterable[Item] = ()
    if wanted:
        parts = read.rows(out, job, record, None if len(wanted) == len(indices) else wanted)
        stored = (
            item for part in parts for item in zip(part.indices.tolist(), part.files, strict=True)
        )
    files = iter(stored)
    for index in indices:
        yield next(files, (-1, None)) if index in wanted else (index, None)


def _inline(file: bytes) -> Json:
    return {"b64_json": base64.b64encode(file).decode()}


def _refusal(job: Job, reject: Reject) -> Json:
    named = _PARAM.match(reject.reason)
    error = {
        "message": reject.reason,
        "type": "invalid_request_error",
        "param": named[1] if named else None,
        "code": reject.code,
    }
    return _answer(job, reject.brief_id, f"line {reject.row}", 400, {"error": error})


def _answer(job: Job, custom_id: str | None, row: object, status: int, body: Any) -> Json:
    """Ids follow from the job and the request: written again, a file is the same."""
    key = f"{job.model_digest}:{job.seed}:{job.briefs_digest}:{custom_id}:{row}"
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    response = {"status_code": status, "request_id": name, "body": body}
    return {
        "id": f"batch_req_{name}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    }


def _uri(uri: str) -> str:
    return uri if storage.is_s3(uri) else Path(storage.absolute(uri)).as_uri()


@contextlib.contextmanager
def _whole(uri: str) -> Iterator[IO[bytes]]:
    """A file that appears at `uri` when the block ends without an error."""
    path = storage.scratch(uri)
    try:
        with path.open("wb") as file:
            yield file
        storage.upload(path, uri)
    finally:
        path.unlink(missing_ok=True)
