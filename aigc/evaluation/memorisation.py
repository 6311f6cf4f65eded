"""Are samples copies of training images? Nearest neighbours among the whole training split.

Distances are root mean squares over pixels in grey levels (0..255), images larger than 32 pixels
averaged down to 32. Two signs together mean a copy, because each alone misleads: smooth samples are
close to everything, and odd ones are far from everything but one. A sample is suspect when it is
nearer to its nearest training image than the nearest 1 % of test images are to theirs, and also
stands nearer to that image, relative to its next four neighbours, than 99 % of test images do
(after Carlini et al. 2023, eq. 2). The test images are the floor: nobody copied them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from aigc.data.dataset import Dataset
from aigc.modalities import MODALITIES
from aigc.types import Json, Labels, UInt8Images

NEIGHBOURS = 5
COPY_LEVELS = 2.0
"""Within this root mean square of a training image, in grey levels, a sample is its copy."""
SUSPECT_SHARE = 0.02
"""More suspect samples than this, and than five times the floor, and the verdict is suspected."""

_GRID = 32
_BATCH_ITEMS = 2048
_QUERY_ITEMS = 1024
_QUANTILE = 0.01


@dataclass(frozen=True)
class Neighbours:
    """Root mean square distances float32 (N, 5), ascending, and the nearest's index int64 (N,) in
    the training split's stored order."""

    distances: npt.NDArray[np.float32]
    nearest: npt.NDArray[np.int64]

    def closest(self, count: int) -> npt.NDArray[np.intp]:
        """Rows with the smallest distances, closest first."""
        return np.argsort(self.distances[:, 0], kind="stable")[:count]

    @property
    def isolation(self) -> npt.NDArray[np.float32]:
        """(N,) nearest distance over the mean of the next four: 0 for a copy, near 1 for most."""
        ratio: npt.NDArray[np.float32] = self.distances[:, 0] / np.maximum(
            self.distances[:, 1:].mean(1), 1e-6
        )
        return ratio


def nearest_training_images(
    pictures: UInt8Images, dataset: Dataset, seen: Callable[[int], None] = lambda count: None
) -> Neighbours:
    """Of items, given as pictures for people, uint8 (N, H, W, C).

    Streams the training split once; memory is bounded by one batch and the queries, each of at
    most 4 KiB a channel.
    """
    learning = MODALITIES[dataset.modality].learning
    grid = min(_GRID, learning.representation(dataset.item).shape[1])
    queries = vectors(pictures, grid)
    best = torch.full((len(queries), NEIGHBOURS), torch.inf)
    index = torch.full((len(queries), NEIGHBOURS), -1)
    start = 0
    for batch, _ in dataset.batches("train", _BATCH_ITEMS):
        _merge(queries, vectors(learning.drawn(batch, dataset.item), grid), start, best, index)
        start += len(batch)
        seen(len(batch))
    return Neighbours(best.clamp(min=0).sqrt().mul_(255).numpy(), index[:, 0].numpy())


def vectors(pixels: UInt8Images, grid: int) -> torch.Tensor:
    """uint8 (N, H, W, C) to float32 (N, grid² C), such that squared distances are mean squares."""
    found = torch.empty(len(pixels), grid**2 * pixels.shape[-1])
    for start in range(0, len(pixels), _BATCH_ITEMS):
        rows = slice(start, start + _BATCH_ITEMS)
        found[rows] = _vectors(pixels[rows], grid)
    return found


def _vectors(pixels: UInt8Images, grid: int) -> torch.Tensor:
    images = torch.tensor(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255)
    if images.shape[-2:] != (grid, grid):
        images = F.interpolate(images, size=(grid, grid), mode="area")
    flat = images.flatten(1).sub_(0.5)
    return flat.div_(flat.shape[1] ** 0.5)


def memorisation_metrics(samples: Neighbours, test: Neighbours, level: str) -> Json:
    """Shares of samples by each sign, the floor beside them, and the verdict.

    `level` is what one of the 255 steps of a picture is.
    """
    limits = limits_of(test)
    suspect, baseline = (
        suspects(found.distances[:, 0], found.isolation, limits) for found in (samples, test)
    )
    copies = samples.distances[:, 0] < COPY_LEVELS
    share = float((suspect | copies).mean())
    suspected = is_suspected(share, float(baseline.mean()))
    return {
        "verdict": f"suspected: {share:.1%} of samples sit on a training image"
        if suspected
        else "none",
        "suspect": {"model": share, "floor": float(baseline.mean())},
        "copies": _shares(copies, test.distances[:, 0] < COPY_LEVELS),
        "closer_than_nearest_1_percent_of_test": _shares(
            samples.distances[:, 0] < limits[0], test.distances[:, 0] < limits[0]
        ),
        "closer_than_any_test_image": float(
            (samples.distances[:, 0] < test.distances[:, 0].min()).mean()
        ),
        "median_distance": {
            "model": float(np.median(samples.distances[:, 0])),
            "floor": float(np.median(test.distances[:, 0])),
        },
        "distance_unit": f"root mean square over pixels, {level}s 0..255",
    }


def limits_of(test: Neighbours) -> tuple[float, float]:
    """The distance and the isolation below which the nearest 1 % of test items lie."""
    distance, isolation = (
        float(np.quantile(values, _QUANTILE)) for values in (test.distances[:, 0], test.isolation)
    )
    return distance, isolation


def suspects(
    distances: npt.NDArray[np.float32],
    isolation: npt.NDArray[np.float32],
    limits: tuple[float, float],
) -> npt.NDArray[np.bool_]:
    """Which of N items lie below both `limits`, by distance and isolation of their nearest."""
    near: npt.NDArray[np.bool_] = distances < limits[0]
    return near & (isolation < limits[1])


def is_suspected(share: float, baseline: float) -> bool:
    """Whether so large a share of suspect samples means that training items were memorised, where
    `baseline` is the share among test items."""
    return share > max(SUSPECT_SHARE, 5 * baseline)


def training_images(dataset: Dataset, indices: Iterable[int]) -> tuple[UInt8Images, Labels]:
    """Pictures of the items at these positions of the training split's stored order, in the order
    asked."""
    learning = MODALITIES[dataset.modality].learning
    wanted = list(indices)
    found: dict[int, tuple[npt.NDArray[np.uint8], int]] = {}
    start = 0
    for items, labels in dataset.batches("train", _BATCH_ITEMS):
        for index in set(wanted) & set(range(start, start + len(items))):
            one = learning.drawn(items[index - start : index - start + 1], dataset.item)
            found[index] = (one[0].copy(), int(labels[index - start]))
        start += len(items)
        if len(found) == len(set(wanted)):
            break
    images = np.stack([found[index][0] for index in wanted])
    return images, np.array([found[index][1] for index in wanted], dtype=np.int64)


def _merge(
    queries: torch.Tensor, batch: torch.Tensor, start: int, best: torch.Tensor, index: torch.Tensor
) -> None:
    """Let the rows of `batch` compete for the nearest places, in place."""
    lengths = batch.square().sum(1)
    count = min(NEIGHBOURS, len(batch))
    for row in range(0, len(queries), _QUERY_ITEMS):
        rows = slice(row, row + _QUERY_ITEMS)
        part = queries[rows]
        squared = torch.addmm(lengths, part, batch.T, alpha=-2)
        near, at = squared.topk(count, largest=False)
        near += part.square().sum(1, keepdim=True)
        merged, order = torch.cat([best[rows], near], 1).sort(dim=1, stable=True)
        best[rows] = merged[:, :NEIGHBOURS]
        places = torch.cat([index[rows], at + start], 1)
        index[rows] = places.gather(1, order)[:, :NEIGHBOURS]


def _shares(model: npt.NDArray[np.bool_], baseline: npt.NDArray[np.bool_]) -> Json:
    return {"model": float(model.mean()), "floor": float(baseline.mean())}
