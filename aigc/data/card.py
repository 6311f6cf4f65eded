"""What a data set says of itself: the marker's content, the reports, the card, the preview."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from aigc import __version__, storage
from aigc.data import archives, attribution, layout
from aigc.data.kinds import source_of
from aigc.data.selection import Selection
from aigc.data.sources import RawSource
from aigc.errors import StorageError
from aigc.modalities import Source
from aigc.modalities.base import RejectError
from aigc.specs import PrepareSpec
from aigc.types import Json

_PER_CLASS = 10
_PREVIEW_CLASSES = 50
_MOST_LICENCE_BYTES = 2**20


def describe(
    spec: PrepareSpec, identity: Json, source: RawSource, selection: Selection, files: list[Json]
) -> Json:
    """The content of `dataset.json`."""
    credits = attribution.totals(attribution.count(selection), source.columns)
    kinds = [one.kind for one in selection.dropped]
    kind = source_of(spec)
    item = kind.item(spec)
    rate = {"rate_hz": item.rate_hz} if item.rate_hz else {}
    return {
        "format": 1,
        "version": __version__,
        "labels": list(source.labels),
        "modality": spec.modality,
        "item": {"shape": list(item.shape), "dtype": item.dtype} | rate,
        **kind.describe(spec),
        "counts": selection.counts,
        "per_class": {s: selection.per_class(s, source.labels) for s in layout.SPLITS},
        "untrained": selection.untrained(source.labels),
        **selection.statistics(),
        "reading": source.reading,
        "inputs": source.total,
        "ignored": source.ignored,
        "rejects": len(selection.rejects),
        "duplicates": {kind: kinds.count(kind) for kind in ("exact", "near")},
        "digest": selection.digest(source.labels),
        "source": source.about.get("name") or spec.source,
        "source_fingerprint": source.fingerprint,
        "source_files": source.files,
        "source_url": source.about.get("url"),
        "licence": source.about.get("licence"),
        "columns": [*layout.columns(kind.column), *source.columns],
        **credits,
        "spec": identity,
        "files": {
            split: [
                {key: value for key, value in file.items() if key != "split"}
                for file in files
                if file["split"] == split
            ]
            for split in layout.SPLITS
        },
    }


def write(spec: PrepareSpec, source: RawSource, selection: Selection, made: Json) -> None:
    """`rejects.parquet`, `duplicates.parquet`, `preview.png`, `README.md` and, where files name
    licences or creators, `attribution.csv`; the source's LICENSE is copied."""
    write_table(storage.join(spec.out, "rejects.parquet"), selection.rejects)
    write_table(storage.join(spec.out, "duplicates.parquet"), _duplicates(source, selection))
    sheet = preview(source.labels, selection)
    storage.write_bytes(storage.join(spec.out, "preview.png"), sheet)
    if terms := _licence_text(source.terms):
        storage.write_bytes(storage.join(spec.out, "LICENSE"), terms)
    credits = attribution.count(selection) if {"licence", "creator"} & set(source.columns) else []
    if credits:
        named = selection.index.filter(selection.side >= 0)
        rows = attribution.with_sources(named) if "source" in source.columns else credits
        credited = attribution.table(rows, source_of(spec))
        storage.write_bytes(storage.join(spec.out, attribution.FILE), credited)
    storage.write_bytes(storage.join(spec.out, "README.md"), text(spec, made, credits).encode())


def _licence_text(uri: str) -> bytes | None:
    """The file LICENSE of a source; None where there is none."""
    with contextlib.suppress(StorageError, RejectError):
        text = archives.read_bytes(uri) if uri else b""
        if text and len(text) <= _MOST_LICENCE_BYTES:
            return text
    return None


def preview(labels: tuple[str, ...], selection: Selection) -> bytes:
    """A PNG sheet, ten training items a class; of many classes the first fifty."""
    kind = source_of(selection.spec)
    train = selection.numbers("train")
    order = train[np.argsort(selection.column("lot")[train], kind="stable")]
    if not labels:
        return kind.sheet(selection.items(order[: _PER_CLASS**2]), _PER_CLASS, None)
    shown = labels[:_PREVIEW_CLASSES]
    of_class = selection.column("label")[order]
    item = kind.item(selection.spec)
    sheet = np.empty((len(shown), _PER_CLASS, *item.shape), item.dtype)
    sheet[...] = kind.blank
    for number in range(len(shown)):
        chosen = order[of_class == number][:_PER_CLASS]
        sheet[number, : len(chosen)] = selection.items(chosen)
    return kind.sheet(sheet.reshape(-1, *item.shape), _PER_CLASS, list(shown))


def text(spec: PrepareSpec, made: Json, credits: attribution.Rows) -> str:
    """The data card, with the front matter that lets `datasets` and the Hub find the splits."""
    front: Json = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"{split}/*.parquet"}
                    for split in layout.SPLITS
                    if made["counts"][split]
                ],
            }
        ],
    }
    licences = [name for name in made["licences"] if name != attribution.NOT_STATED]
    if licences:
        front["license"] = [name.lower() for name in licences]
    elif made["licence"]:
        front["license"] = made["licence"].lower()
    counts, near = made["counts"], made["duplicates"]
    kind = source_of(spec)
    train, test = (made["per_class"][split] for split in layout.SPLITS)
    rows = [
        f"| {attribution.cell(name)} | {train[name]:,} | {test[name]:,} |"
        for name in made["labels"]
    ]
    table = ["", "| class | train | test |", "|---|---:|---:|", *rows] if rows else []
    source_columns = made["columns"][len(layout.columns(kind.column)) :]
    link = f" ({made['source_url']})" if made["source_url"] else ""
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False).strip(),
        "---",
        f"# {made['source'].rstrip('/').rsplit('/', 1)[-1]}",
        "",
        f"{counts['train']:,} training and {counts['test']:,} test {kind.noun}s, "
        f"{kind.in_words(kind.item(spec))}, {len(made['labels'])} classes.",
        "",
        f"![ten {kind.noun}s a class](preview.png)",
        *table,
        *_untrained(made, kind),
        "",
        "## Where it comes from",
        f"Source: {made['source']}{link}. Licence: {made['licence'] or 'not stated'}.",
        "",
        "## What was done",
        f"- read as {made['reading']}",
        f"- {made['inputs']:,} inputs read, {made['rejects']:,} rejected (`rejects.parquet`: why)",
        f"- {near['exact']:,} exact and {near['near']:,} near duplicates dropped "
        "(`duplicates.parquet`: of what)",
        f"- {kind.steps(spec)}",
        f"- {kind.values}: mean {made['mean']}, standard deviation {made['std']}",
        f"- content digest `{made['digest']}`",
        "",
        f"Columns: `{kind.column}` ({kind.suffix[1:].upper()} bytes and path), `label` (index into "
        f"the classes above), `id`{''.join(f', `{name}`' for name in source_columns)}.",
        *(attribution.card(credits, kind) if credits else []),
        *_forgotten(made, kind),
        "",
    ]
    return "\n".join(lines)


def _forgotten(made: Json, kind: Source) -> list[str]:
    found = made.get("forgotten")
    if found is None:
        return []
    items, copies, near = (found[name] for name in ("items", "copies", "near"))
    return [
        "",
        "## Removed",
        f"On {found['at'][:10]} from the data set with the digest `{found['from']}` "
        f"(`forgotten.json`). {kind.noun.capitalize()}s: {items:,}, {copies:,} of them as copies "
        f"and {near:,} as near duplicates of those named.",
    ]


def _untrained(made: Json, kind: Source) -> list[str]:
    rows = [f"- {attribution.cell(name)}: {reason}" for name, reason in made["untrained"].items()]
    return ["", f"Classes without training {kind.noun}s:", "", *rows] if rows else []


def _duplicates(source: RawSource, selection: Selection) -> pa.Table:
    ids, phash = selection.index.column("id"), selection.column("phash").astype(np.uint64)
    label = selection.column("label")
    names = source.labels or ("",)
    rows = [
        {
            "dropped": ids[one.dropped].as_py(),
            "kept": ids[one.kept].as_py(),
            "kind": one.kind,
            "rmse": one.rmse,
            "hash_distance": int(np.bitwise_count(phash[one.dropped] ^ phash[one.kept])),
            "dropped_label": names[label[one.dropped]],
            "kept_label": names[label[one.kept]],
        }
        for one in sorted(selection.dropped, key=lambda one: one.dropped)
    ]
    text_columns = ("dropped", "kept", "kind", "dropped_label", "kept_label")
    types = {"rmse": pa.float64(), "hash_distance": pa.int64()}
    order = ("dropped", "kept", "kind", "rmse", "hash_distance", "dropped_label", "kept_label")
    fields = [(n, pa.string() if n in text_columns else types[n]) for n in order]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def write_table(uri: str, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.write_bytes(uri, buffer.getvalue())
