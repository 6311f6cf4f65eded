"""A finished set as plain values, one line each, without times, hosts, attempts and places."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.golden import make
from tests.golden.cases import Case

Record = dict[str, Any]
_ATTEMPT = re.compile(r"(part-\d+)-[0-9a-f]{8}\.")
_PICTURES = ("image", "pixels", "size_bytes", "sha256")
_CHANGING = ("started_at", "wall_s", "host", "attempt", "earlier", "created")


def digest(parts: Iterable[bytes]) -> str:
    """Of all parts with their lengths, 32 hexadecimal digits."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()[:32]


def summary(golden: make.Golden, case: Case, out: Path) -> Record:
    """What stands for every byte of the set, and what `verify` and `regenerate` say of it."""
    manifest = json.loads((out / "manifest.json").read_bytes())
    pixels, files = make.pixels_of(out), make.files_of(out)
    checked = make.verified(out)
    again = make.regenerated(out, range(len(files)))
    found = {
        "content_digest": manifest["content_digest"],
        "pixels": digest(part for each in pixels for part in (_shape(each), each.tobytes())),
        "mean_level": round(float(np.mean([each.mean() for each in pixels])), 2),
        "rows": digest(json.dumps(row).encode() for row in _rows(out)),
        "labels": manifest["labels"],
        "refused": manifest["refused"],
        "verified": {name: checked[name] for name in ("items", "shards", "decoded")},
        "regenerated": f"{sum(again[at] == file for at, file in enumerate(files))} equal",
        "data": {
            _ATTEMPT.sub(r"\1.", str(path.relative_to(out))): digest([path.read_bytes()])
            for path in _files(out / "data")
        },
    }
    if (out / "images").exists():
        found["images"] = digest(
            part
            for path in _files(out / "images")
            for part in (str(path.relative_to(out)).encode(), path.read_bytes())
        )
    return found


def details(golden: make.Golden, case: Case, out: Path) -> Record:
    """What people and programs read beside the digests."""
    job = json.loads(golden.shorten((out / "_job.json").read_text()))
    manifest = json.loads((out / "manifest.json").read_bytes())
    card = golden.shorten((out / "README.md").read_text()).splitlines()
    card = [line for line in card if "Content digest" not in line]
    found: Record = {
        "ids": [_identity(row) for row in _rows(out)],
        "job": job,
        "manifest": _keys(manifest),
        "record": _keys(json.loads((_files(out / "_records")[0]).read_bytes())),
        "report": sorted(json.loads((out / "report.json").read_bytes())),
        "card": card,
        "tree": sorted({_place(path.relative_to(out)) for path in _files(out)}),
        "preview": _picture(out / "preview.png"),
    }
    if case.writer != "webdataset":
        found["schema"] = schema(_files(out / "data")[0])
    for name in ("batch_output.jsonl", "batch_errors.jsonl"):
        if (out / name).exists():
            lines = golden.shorten((out / name).read_text()).splitlines()
            found[name] = [without_pictures(json.loads(line)) for line in lines]
    return found


def schema(path: Path) -> Record:
    """Of a Parquet file: columns, metadata, how columns are compressed."""
    read = pq.read_schema(path)
    metadata = {key.decode(): value.decode() for key, value in (read.metadata or {}).items()}
    group = pq.read_metadata(path).row_group(0)
    compression = {group.column(at).compression for at in range(group.num_columns)}
    return {
        "columns": [f"{field.name}: {field.type}{_notes(field)}" for field in read],
        "huggingface": json.loads(metadata.pop("huggingface", "{}")),
        "other metadata": sorted({*metadata} - {"ARROW:schema"}),
        "compression": sorted(compression),
    }


def without_pictures(value: Any) -> Any:
    """JSON of an answer: pictures as digests, file names without attempts, no times, and no error
    messages, which are words for people."""
    if isinstance(value, dict):
        return {
            name: _inline(item) if name == "b64_json" and item else without_pictures(item)
            for name, item in value.items()
            if not name.startswith("created") and name != "message"
        }
    if isinstance(value, list):
        return [without_pictures(item) for item in value]
    return _ATTEMPT.sub(r"\1.", value) if isinstance(value, str) else value


def _inline(text: str) -> str:
    return f"{len(text)} characters, {digest([text.encode()])}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _place(path: Path) -> str:
    """Of a file; pictures of one folder are one line."""
    name = _ATTEMPT.sub(r"\1.", str(path))
    return re.sub(r"\d{12}\.", "<index>.", name)


def _rows(out: Path) -> Iterator[Record]:
    """Every column but the pictures, as JSON has it, in order of index."""
    for path in _files(out / "data"):
        if path.suffix == ".tar":
            yield from _documents(path)
            continue
        table = pq.ParquetFile(path).read()
        kept = [name for name in table.column_names if name not in _PICTURES]
        for row in table.select(kept).to_pylist():
            yield {name: _plain(value) for name, value in row.items()}


def _documents(path: Path) -> Iterator[Record]:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".json"):
                file = tar.extractfile(member)
                assert file is not None
                yield json.loads(file.read())


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | list | None) else str(value)


def _identity(row: Record) -> str:
    return f"{row['index']:>3} {row['id']} {row['candidate']} {row['label_name']}"


def _keys(value: Record) -> list[str]:
    return [name for name in value if name not in _CHANGING] + sorted({*value} & {*_CHANGING})


def _notes(field: pa.Field) -> str:
    notes = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    notes.pop("PARQUET:field_id", None)
    return f" {json.dumps(notes)}" if notes else ""


def _shape(pixels: make.Pixels) -> bytes:
    return str(pixels.shape).encode()


def _picture(path: Path) -> Record:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return {"size": list(image.size), "mode": image.mode}
