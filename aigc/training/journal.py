"""What a run leaves to look at: OUT/metrics.jsonl, OUT/tensorboard/, OUT/samples/*.png."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aigc import storage
from aigc.training.metric_lines import MetricLines
from aigc.types import Json

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_FLUSH_S = 10.0
_BOARD_BYTES = 2**20
"""Of a TensorBoard file on S3, about."""


class Journal:
    """Figures and sample sheets of one run; resumed, it goes on where the checkpoint was."""

    def __init__(self, out: str, first_step: int) -> None:
        self._out = out
        self._lines = MetricLines(out, first_step)
        self._writer: SummaryWriter | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._boards = 0
        """TensorBoard files begun."""
        self._first_step = first_step
        self._flushed_at = time.monotonic()

    def open(self) -> None:
        """Load TensorBoard now, which takes a second: a run's time has not begun."""
        self._board()

    def log(self, figures: Json) -> None:
        """One line of `metrics.jsonl` and a point on each TensorBoard curve; needs `step`."""
        self._lines.append(figures)
        for name, value in figures.items():
            if name != "step":
                self._board().add_scalar(name, value, figures["step"])
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self.flush()

    def event(self, event: Json) -> None:
        """Something that happened to the run at `step`: its `kind` and `message` stand out."""
        self._lines.append(event)
        self._board().add_text("events", event["message"], event["step"])
        happened = self._lines.count(event["kind"])
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
        """Store everything logged so far. What is sent to S3 each time is bounded."""
        self._flushed_at = time.monotonic()
        self._lines.flush()
        if self._writer is not None:
            self._writer.flush()
        if self._folder is not None:
            self._send(Path(self._folder.name))

    def close(self) -> None:
        self.flush()
        self._lines.close()
        if self._writer is not None:
            self._writer.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _send(self, folder: Path) -> None:
        """TensorBoard's files, of which those that are long enough are never sent again: it goes on
        in a new one, and reads them one after the other."""
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            storage.write_bytes(storage.join(self._out, "tensorboard", path.name), data)
            if len(data) > _BOARD_BYTES:
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
                path.unlink()

    def _board(self) -> SummaryWriter:
        """TensorBoard appends to a file, which S3 cannot: there a local folder is sent along."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            folder = storage.join(storage.absolute(self._out), "tensorboard")
            if storage.is_s3(self._out):
                if self._folder is None:
                    self._folder = tempfile.TemporaryDirectory(prefix="aigc-tensorboard-")
                folder = self._folder.name
            purge = None if self._boards else self._first_step + 1
            suffix = f".{self._boards:06d}" if self._boards else ""
            self._writer = SummaryWriter(folder, purge_step=purge, filename_suffix=suffix)
            self._boards += 1
        return self._writer


def sheet_uri(out: str, step: int) -> str:
    return storage.join(out, "samples", f"step-{step:09d}.png")


def newest_sheet(out: str) -> str | None:
    """Where the sheet of the latest step lies; None before the first."""
    folder = storage.join(out, "samples")
    names = sorted(entry.key.rsplit("/", 1)[-1] for entry in storage.listing(folder))
    return storage.join(folder, names[-1]) if names else None
