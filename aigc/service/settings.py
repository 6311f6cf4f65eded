"""Settings of a service, fixed at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aigc.conditions.blocked import BlockList
from aigc.families.protocol import Device
from aigc.provenance.spec import Provenance
from aigc.specs.gates import SafetyGate


@dataclass(frozen=True)
class ServiceSettings:
    models: tuple[str, ...] = ()
    """References, NAME, NAME@ALIAS or NAME@VERSION; empty means every model of the store."""
    store: str | None = None
    device: Device = "cpu"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    micro_batch: int = 128
    """Items per forward pass; part of an item's identity, as in bulk generation."""
    threads: int = 1
    """PyTorch threads of one forward pass."""
    render_process: bool = False
    """On CPUs, render in a second process, so that rendering does not delay responses."""
    render_threads: int = 2
    """Batches rendered concurrently when more than one is waiting. A render process is also sent
    its next batch ahead."""
    model_memory_bytes: int = 2 * 2**30
    """Memory for model weights; above it the least recently used model is unloaded."""
    poll_interval_s: float = 5.0
    """Seconds between checks of the store for moved aliases."""
    max_batch_delay_s: float = 0.001
    """Longest time a batch waits for more requests while several are in flight."""
    max_queued_images: int = 4096
    """Images that may be queued; a large one counts as several, by its pixels."""
    max_wait_s: float = 2.0
    """A request that would wait longer than this in the queue is refused. The limit is an eighth of
    this once the queue has been non-empty for a quarter of this time."""
    max_batch_s: float = 300.0
    """A batch that takes longer is considered hung, and the service reports not ready."""
    provenance: Provenance = field(default_factory=Provenance)
    """What files state of their origin, and whether they are signed."""
    max_n: int = 64
    """Images per request."""
    max_side: int = 2048
    """Largest width or height in pixels of a requested image."""
    max_pixels: int = 2**24
    """Largest sum of pixels of a request's images; one image of the model's own size is always
    allowed."""
    max_input_pixels: int = 16 * 2**20
    """Largest number of pixels of an uploaded image."""
    max_steps: int = 64
    """Frames of a walk."""

    blocked: BlockList = field(default_factory=BlockList)
    """Labels and words of prompts that are refused."""
    safety: SafetyGate | None = None
    """Judges each item; an unsafe one is replaced by its next candidate."""
    max_draws: int = 20
    """Candidates of one item; if all are unsafe, its request is refused."""

    @property
    def has_render_process(self) -> bool:
        """Whether a second process renders; on GPUs there is none."""
        return self.render_process and self.device == "cpu"
