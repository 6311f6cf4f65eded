"""What a service is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aigc.generation.engine import Device


@dataclass(frozen=True)
class ServiceSettings:
    models: tuple[str, ...] = ()
    """References, `name` or `name@alias` or `name@version`; none means every name in the store."""
    store: str | None = None
    device: Device = "cpu"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    micro_batch: int = 128
    """Part of an item's identity, as in bulk generation."""
    threads: int = 1
    """Of PyTorch, for one forward pass."""
    separate: bool = False
    """Render on CPUs in a process of its own, too."""
    render_threads: int = 2
    """Batches made at a time, where more than one is waiting; a process beside is handed its next
    one as well."""
    memory_bytes: int = 2 * 2**30
    """Room for models; the least recently used goes when there is no more."""
    watch_s: float = 5.0
    """How often the store is asked whether an alias moved."""
    max_batch_delay_s: float = 0.001
    """The longest a batch waits for more requests, while there are several at a time."""
    max_queued_images: int = 4096
    """Small pictures that may wait; a large one counts as many, by its pixels."""
    max_wait_s: float = 2.0
    """A request that would wait longer is refused at once; one that would wait for an eighth of it
    where the queue has not been empty for a quarter of it."""
    max_batch_s: float = 300.0
    """A batch that takes longer will never be made: the service is no longer ready."""
    max_n: int = 64
    """Pictures a request."""
    max_side: int = 2048
    """Of a picture that is asked for, in pixels."""
    max_pixels: int = 2**24
    """Of all pictures of one request together, or of one at the model's own size."""
    max_input_pixels: int = 16 * 2**20
    """Of a picture that is sent in."""
    max_steps: int = 64
    """Frames of a walk."""

    @property
    def has_render_process(self) -> bool:
        """Whether there is a second process that renders."""
        return self.separate and self.device == "cpu"
