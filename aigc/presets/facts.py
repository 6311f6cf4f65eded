"""What the adaptive recipe is chosen by: the data, and the machine that trains."""

from __future__ import annotations

from dataclasses import dataclass

_CUDA_FLOPS = 2e13
_CORE_FLOPS = 3e10
_BF16_GAIN = 2.0


@dataclass(frozen=True)
class DataFacts:
    """The training split of a prepared data set."""

    items: int
    height: int
    width: int
    channels: int
    """Of the pictures that networks see: of images themselves, of sounds their spectrograms."""
    per_class: tuple[int, ...] = ()
    """Training items of each class that has any; empty without classes."""
    augmentations: tuple[str, ...] = ("translate", "brightness")
    """What changes the discriminator's view where items are few."""
    title: str = "images"
    """Several items, in a sentence."""
    picture: str = "image"
    """What networks see of one."""


@dataclass(frozen=True)
class Hardware:
    """What trains. `flops` is a coarse guess, for which of a few sizes fits the time: measured
    rates of convolutions are within a factor of two of it."""

    device: str
    """`cpu` or `cuda`."""
    cores: int
    """CPU cores, or GPUs."""
    bf16: bool

    @property
    def flops(self) -> float:
        """Floating-point operations a second that training reaches, all cores or GPUs together."""
        if self.device == "cuda":
            return _CUDA_FLOPS * self.cores
        return _CORE_FLOPS * (_BF16_GAIN if self.bf16 else 1.0) * self.cores
