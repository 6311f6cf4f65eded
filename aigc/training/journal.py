"""What a run leaves to look at: OUT/metrics.jsonl, OUT/tensorboard/, OUT/samples/*.png."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aigc import storage
from aigc.types import Json

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_FLUSH_S = 10.0
_TAIL = 8


class Journal:
    """Figures and sample sheets of one run; resumed, it goes on where the checkpoint was."""

    def __init__(self, out: str, first_step: int) -> None:
        self._out = out
        self._lines = [line for line in _read_lines(out) if line["step"] <= first_step]
        self._writer: SummaryWriter | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._first_step = first_step
        self._flushed_at = time.monotonic()

    def open(self) -> None:
        """Load TensorBoard now, which takes a second: a run's time has not begun."""
        self._board()

    def log(self, figures: Json) -> None:
        """One line of `metrics.jsonl` and a point on each TensorBoard curve; needs `step`."""
        self._append(figures)
        for name, value in figures.items():
            if name != "step":
                self._board().add_scalar(name, value, figures["step"])
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self.flush()

    def event(self, event: Json) -> None:
        """Something that happened to the run at `step`: its `kind` and `message` stand out."""
        self._append(event)
        self._board().add_text("events", event["message"], event["step"])
        happened = sum(line.get("kind") == event["kind"] for line in self._lines)
        self._board().add_scalar(f"events/{event['kind']}", happened, event["step"])
        self.flush()

    def sheet(self, step: int, png: bytes) -> None:
        """`png` in OUT/samples and on TensorBoard."""
        storage.write_bytes(sheet_uri(self._out, step), png)
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        self._board().add_image("samples", pixels, step, dataformats="HWC")

    def has_sheet(self, step: int) -> bool:
        return storage.exists(sheet_uri(self._out, step))

    def flush(self) -> None:
        """Write everything logged so far; `metrics.jsonl` is replaced whole, never half."""
        self._flushed_at = time.monotonic()
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in self._lines)
        storage.write_bytes(storage.join(self._out, "metrics.jsonl"), text.encode())
        if self._writer is not None:
            self._writer.flush()
        if self._folder is not None:
            for path in sorted(Path(self._folder.name).iterdir()):
                uri = storage.join(self._out, "tensorboard", path.name)
                storage.write_bytes(uri, path.read_bytes())

    def close(self) -> None:
        self.flush()
        if self._writer is not None:
            self._writer.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _append(self, line: Json) -> None:
        """In place of a line of the same step and kind: what a resumed run has seen before."""
        for at, known in enumerate(self._lines[-_TAIL:], max(0, len(self._lines) - _TAIL)):
            if known["step"] == line["step"] and known.keys() == line.keys():
                self._lines[at] = line
                return
        self._lines.append(line)

    def _board(self) -> SummaryWriter:
        """TensorBoard appends to a file, which S3 cannot: there a local folder is sent along."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            folder = storage.join(storage.absolute(self._out), "tensorboard")
            if storage.is_s3(self._out):
                self._folder = tempfile.TemporaryDirectory(prefix="aigc-tensorboard-")
                folder = self._folder.name
            self._writer = SummaryWriter(folder, purge_step=self._first_step + 1)
        return self._writer


def sheet_uri(out: str, step: int) -> str:
    return storage.join(out, "samples", f"step-{step:09d}.png")


def newest_sheet(out: str) -> str | None:
    """Where the sheet of the latest step lies; None before the first."""
    folder = storage.join(out, "samples")
    names = sorted(entry.key.rsplit("/", 1)[-1] for entry in storage.listing(folder))
    return storage.join(folder, names[-1]) if names else None


def _read_lines(out: str) -> list[Json]:
    data = storage.read_if_there(storage.join(out, "metrics.jsonl")) or b""
    return [json.loads(line) for line in data.decode().splitlines()]
