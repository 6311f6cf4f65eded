"""Importing a model that was made elsewhere: check it, run it, publish it."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from aigc import storage
from aigc.conditions.names import class_name
from aigc.errors import SpecError, StoreError, listed
from aigc.families.config import ModelConfig
from aigc.families.imported import ImportNotes
from aigc.families.installed import GENERATORS
from aigc.families.onnx_import import OnnxOptions, import_onnx
from aigc.families.package_import import import_package
from aigc.families.protocol import Tensors
from aigc.installed import NAME
from aigc.isolated.frames import Array
from aigc.isolated.kinds import MAX_BYTES
from aigc.modalities.image import contact_sheet
from aigc.store import ModelStore, ModelVersion
from aigc.store.card import table

_COLUMNS, _SHOWN = 8, 32
_MAX_EMBEDDINGS_BYTES = 2**30


@dataclass(frozen=True)
class ImportRequest:
    source: str
    """An ONNX file's path or s3:// URI; `package.module:Class`, or the name of an entry point."""
    name: str
    """Of the model in the store."""
    labels: str | None = None
    """`cat,dog`, or a file with one a line."""
    embeddings: str | None = None
    """A .npy file with a text embedding for each label."""
    onnx: OnnxOptions = field(default_factory=OnnxOptions)
    """What is said of an ONNX file; `labels` and `embeddings` are filled in."""


def import_model(request: ImportRequest, store: ModelStore) -> tuple[ModelVersion, ImportNotes]:
    """A new version of `request.name`. Nothing is written before every check has passed.

    Raises:
        SpecError: an option is missing or wrong.
        StoreError: what is imported is refused; the message says why.
        StorageError: a file cannot be read, or the store not written.
    """
    store.require_name(request.name)
    labels = read_labels(request.labels)
    if names_a_class(request.source):
        config, tensors, notes = _package(request, labels)
    else:
        config, tensors, notes = _file(request, labels)
    version = store.publish(
        request.name,
        config,
        tensors,
        samples_png=_sheet(config, notes),
        card=_about(notes),
    )
    return version, notes


def _sheet(config: ModelConfig, notes: ImportNotes) -> bytes:
    pictures = config.representation.pictures(torch.from_numpy(notes.sample[:_SHOWN]))
    return contact_sheet(config.learning.shown(pictures), _COLUMNS)


def names_a_class(source: str) -> bool:
    """Whether it is `package.module:Class` or an entry point's name, and not a file's."""
    if "://" in source or "/" in source:
        return False
    return bool(re.match(NAME, source)) or (
        source in GENERATORS.allowed() and not storage.exists(source)
    )


def read_labels(text: str | None) -> tuple[str, ...]:
    """The class names that `--labels` gives: separated by commas, or a file's lines.

    Raises:
        SpecError: there is none, or one twice.
        StorageError: the file cannot be read.
    """
    if text is None:
        return ()
    names = text.split(",")
    if storage.is_s3(text) or Path(text).is_file():
        names = _text(text).splitlines()
    found = tuple(name for name in map(class_name, names) if name)
    if not found:
        raise SpecError(f"--labels {text}: names no label")
    if twice := [name for name, count in Counter(found).items() if count > 1]:
        raise SpecError(f"--labels {text}: names {listed(twice)} more than once")
    return found


def _text(uri: str) -> str:
    try:
        return storage.read_bytes(uri).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"--labels {uri}: expected a text file in UTF-8, a name a line") from None


def _file(
    request: ImportRequest, labels: tuple[str, ...]
) -> tuple[ModelConfig, Tensors, ImportNotes]:
    with storage.open_input(request.source) as stream:
        size = stream.size()
        if size > MAX_BYTES:
            raise StoreError(
                f"{request.source}: has {size:,} bytes, at most {MAX_BYTES:,} are read"
            )
        data = stream.read()
    name = request.source.rstrip("/").rpartition("/")[2]
    embeddings = None if request.embeddings is None else _embeddings(request.embeddings)
    options = replace(request.onnx, labels=labels, embeddings=embeddings)
    return import_onnx(data, name, options)


def _package(
    request: ImportRequest, labels: tuple[str, ...]
) -> tuple[ModelConfig, Tensors, ImportNotes]:
    options = request.onnx
    plain = OnnxOptions(licence=options.licence, source=options.source)
    if options != plain or request.embeddings is not None:
        raise SpecError(
            f"{request.source}: takes --labels, --licence and --source only; the other options "
            "describe an ONNX file"
        )
    config, notes = import_package(request.source, labels, options.licence, options.source)
    return config, {}, notes


def _embeddings(uri: str) -> Array:
    """Never unpickled."""
    data = storage.read_bytes(uri)
    if len(data) > _MAX_EMBEDDINGS_BYTES:
        raise SpecError(f"--embeddings {uri}: has {len(data):,} bytes, at most 1 GiB is read")
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        found = None
    if not isinstance(found, np.ndarray):
        raise SpecError(f"--embeddings {uri}: expected one array of numbers, a .npy file")
    return found


def _about(notes: ImportNotes) -> str:
    """Markdown for the card."""
    remarks = "".join(f"\n- {remark}" for remark in notes.remarks)
    return f"## How it is run\n\n{table(list(notes.facts.items()))}{remarks}"
