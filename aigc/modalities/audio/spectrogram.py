"""Sounds as pictures that networks learn well, and back, always the same way.

A picture holds the logarithm of the magnitude in mel bands (Stevens et al. 1937), 64 from low to
high and a column every 16 ms. Phases are not kept: they are found again by the fast Griffin-Lim
algorithm (Perraudin et al. 2013), which begins with the same random phases for every sound, as
noise has them, and always takes the same number of steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

BANDS = 64
_COLUMN_S = 0.016
_OVERLAP = 4
"""Windows that cover each sample."""
_FLOOR = 1e-4
"""The magnitude that is drawn as -1; 1 is drawn as 1, and is what a sine of full scale has in its
band if that is one bin wide. So 80 dB."""
_DECADES = 4
_PHASES = 0
"""Key of the random numbers that phases begin with."""
_STEPS = 24
_MOMENTUM = 0.99
_AT_ONCE = 2**18
"""Complex numbers of a spectrogram that are worked on together: about as many as caches hold."""
_LOWEST_HZ = 30.0
_MEL_HZ, _MEL_SCALE = 700.0, 2595.0


@dataclass(frozen=True)
class MelPictures:
    """Spectrograms of sounds of one length. Tensors are float32 (N, C, T) in [-1, 1]."""

    samples: int
    rate_hz: int
    channels: int

    @property
    def hop(self) -> int:
        """Samples from one column to the next: a power of two, of about 16 ms."""
        return int(2 ** max(4, round(math.log2(self.rate_hz * _COLUMN_S))))

    @property
    def window(self) -> int:
        return _OVERLAP * self.hop

    @property
    def columns(self) -> int:
        """Enough for all samples, and as many as networks that double a grid can make."""
        return _doubled(1 + (self.samples - 1) // self.hop)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, BANDS, self.columns

    def pictures(self, tensors: Tensor) -> Tensor:
        """(N, C, T) to (N, C, 64, columns) in [-1, 1], the lowest band first."""
        parts = [self._pictures(rows) for rows in self._parts(tensors)]
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)

    def restored(self, pictures: Tensor) -> Tensor:
        """(N, C, 64, columns) to (N, C, T); a row that is not finite stays so.

        Rows that repeat the last one, with which micro-batches are filled up, are made once.
        """
        count = _without_repeats(pictures)
        parts = self._parts(pictures[:count].float())
        made = torch.cat([self._restored(rows) for rows in parts])
        return torch.cat([made, made[-1:].expand(len(pictures) - count, -1, -1)])

    def _pictures(self, tensors: Tensor) -> Tensor:
        mel = _filters(self.window, self.rate_hz)[0].to(tensors.device)
        magnitudes = self._spectrum(tensors.flatten(0, 1)).abs() / (self.window / 4)
        levels = torch.log10(mel @ magnitudes + _FLOOR) / (_DECADES / 2) + 1
        return levels.clamp(-1, 1).view(*tensors.shape[:2], BANDS, -1)

    def _restored(self, pictures: Tensor) -> Tensor:
        inverse = _filters(self.window, self.rate_hz)[1].to(pictures.device)
        levels = pictures.flatten(0, 1).clamp(-1, 1)
        bands = 10 ** ((levels - 1) * (_DECADES / 2)) - _FLOOR
        magnitudes = (inverse @ bands.clamp_min(0)).clamp_min(0) * (self.window / 4)
        sounds = self._sounds(_with_phases(magnitudes, self))
        return sounds[:, : self.samples].clamp(-1, 1).view(*pictures.shape[:2], self.samples)

    def _spectrum(self, sounds: Tensor) -> Tensor:
        """(N, T) to complex (N, bins, columns), the first window centred on the first sample."""
        sounds = F.pad(sounds, (0, self._length - sounds.shape[1]))
        window = self._hann(sounds)
        spectrum = torch.stft(
            sounds, self.window, self.hop, window=window, pad_mode="constant", return_complex=True
        )
        return spectrum[..., : self.columns]

    def _sounds(self, spectrum: Tensor) -> Tensor:
        """(N, _length), the inverse of `_spectrum` by overlapping windows.

        `torch.istft` transforms a strided copy, for which MKL rounds a single row differently.
        """
        columns = spectrum.transpose(1, 2).contiguous()
        frames = torch.fft.irfft(columns, n=self.window) * self._hann(spectrum.real)
        overlapped = _overlapped(frames, self.hop)[:, self.window // 2 :][:, : self._length]
        weights = _window_sums(self.window, self.hop, self.columns).to(spectrum.device)
        return overlapped / weights[: self._length]

    @property
    def _length(self) -> int:
        """Samples up to the middle of the last window, if not more."""
        return max(self.samples, (self.columns - 1) * self.hop)

    def _hann(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.window, device=like.device)

    def _parts(self, tensors: Tensor) -> Iterator[Tensor]:
        """Some rows at a time, so that memory is bounded."""
        each = self.channels * (self.window // 2 + 1) * self.columns
        rows = max(1, _AT_ONCE // each)
        return iter(torch.split(tensors, rows)) if len(tensors) else iter([tensors])


def _overlapped(frames: Tensor, hop: int) -> Tensor:
    """The sums of frames (N, columns, window) that begin `hop` apart, (N, (columns + 3) * hop)."""
    count, columns, window = frames.shape
    steps = window // hop
    parts = frames.view(count, columns, steps, hop)
    sums = frames.new_zeros(count, columns + steps - 1, hop)
    for step in range(steps):
        sums[:, step : step + columns] += parts[:, :, step]
    return sums.flatten(1)


@functools.lru_cache(maxsize=8)
def _window_sums(window: int, hop: int, columns: int) -> Tensor:
    """The sum of the squared windows over each sample, from the middle of the first one on."""
    squared = torch.hann_window(window).square().expand(1, columns, window)
    return _overlapped(squared.contiguous(), hop)[0, window // 2 :]


def _without_repeats(rows: Tensor) -> int:
    """The number of rows up to the first of those that are all equal to the last one."""
    if len(rows) < 2:
        return len(rows)
    changes = (rows[1:] != rows[:-1]).flatten(1).any(1).nonzero()
    return 1 if not len(changes) else int(changes[-1]) + 2


def _with_phases(magnitudes: Tensor, sizes: MelPictures) -> Tensor:
    """Complex spectra (N, bins, columns) of these magnitudes, as consistent as `_STEPS` make them.

    Each step keeps the phases of the spectrum of what the last one sounds like, and goes on in the
    same direction (Perraudin et al. 2013, algorithm 2).
    """
    spectrum = magnitudes * _first_phases(*magnitudes.shape[1:]).to(magnitudes.device)
    before = torch.zeros_like(spectrum)
    for _ in range(_STEPS):
        consistent = sizes._spectrum(sizes._sounds(spectrum))
        further = consistent + _MOMENTUM * (consistent - before)
        before = consistent
        spectrum = magnitudes * torch.sgn(further)
    return spectrum


@functools.lru_cache(maxsize=8)
def _first_phases(bins: int, columns: int) -> Tensor:
    """Complex (bins, columns) of length 1 and any phase, the same ones always."""
    words = np.random.Philox(key=_PHASES).random_raw(bins * columns)
    angle = torch.from_numpy(words.astype(np.float64) * (2 * math.pi / 2**64))
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64).view(bins, columns)


@functools.lru_cache(maxsize=8)
def _filters(window: int, rate_hz: int) -> tuple[Tensor, Tensor]:
    """Magnitudes to mel bands (BANDS, bins), rows of sum 1, and back (bins, BANDS)."""
    bins = np.linspace(0, rate_hz / 2, window // 2 + 1)
    high = _MEL_SCALE * math.log10(1 + rate_hz / 2 / _MEL_HZ)
    low = _MEL_SCALE * math.log10(1 + _LOWEST_HZ / _MEL_HZ)
    edges = _MEL_HZ * (10 ** (np.linspace(low, high, BANDS + 2) / _MEL_SCALE) - 1)
    centre, narrowest = edges[1:-1, None], rate_hz / window
    left = np.minimum(edges[:-2, None], centre - narrowest)
    right = np.maximum(edges[2:, None], centre + narrowest)
    rows = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clip(0)
    mel = rows / rows.sum(1, keepdims=True)
    back = np.linalg.pinv(mel)
    return torch.from_numpy(mel).float(), torch.from_numpy(back).float()


def _doubled(columns: int) -> int:
    """The least number that is not smaller and is 4, 5, 6 or 7 doubled, at most to `BANDS`, or a
    multiple of 16."""
    if columns > BANDS:
        return -(-columns // 16) * 16
    sizes = (base << doublings for base in (4, 5, 6, 7) for doublings in range(1, 5))
    return min(size for size in sizes if size >= columns)
