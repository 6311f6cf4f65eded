"""Finding the pairs of the neighbour prior after training (`models.neighbours`)."""

from __future__ import annotations

import torch
from torch import Tensor

from aigc.families.networks.neighbours import NeighbourPrior
from aigc.training.encodings import Encodings
from aigc.training.prior import largest_in_the_middle

NEIGHBOURS = 8
_AT_ONCE = 1_000


def fit_neighbours(encodings: Encodings) -> NeighbourPrior:
    """The encodings by class, each with its eight nearest of the class, or as many as there are. A
    picture alone in its class is its own neighbour; a class without pictures has those of all."""
    rows, near, start = [], [], [0]
    for at in range(encodings.classes):
        members = (encodings.label == at).nonzero()[:, 0]
        if not len(members):
            members = torch.arange(len(encodings))
        members, nearest = _sorted(encodings.mean, members)
        rows.append(members)
        near.append(nearest + start[-1])
        start.append(start[-1] + len(members))
    order = torch.cat(rows)
    latent_dim = encodings.mean.shape[1]
    prior = NeighbourPrior(encodings.classes, latent_dim, len(order), NEIGHBOURS)
    prior.mean.copy_(encodings.mean[order])
    prior.deviation.copy_(encodings.deviation[order])
    prior.neighbour.copy_(torch.cat(near))
    prior.start.copy_(torch.tensor(start))
    return prior.eval()


def _sorted(mean: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """`members` with those that are closest to others in the middle, and the places of each one's
    neighbours among them, (M, NEIGHBOURS)."""
    nearest, distance = _nearest(mean[members])
    order = largest_in_the_middle(-distance)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return members[order], place[nearest[order]]


def _nearest(values: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row of (M, D) the numbers of its nearest others, (M, NEIGHBOURS), some repeated where
    there are fewer, and its mean distance to them."""
    count = min(NEIGHBOURS + 1, len(values))
    found = [
        torch.cdist(values[start : start + _AT_ONCE], values).topk(count, largest=False)
        for start in range(0, len(values), _AT_ONCE)
    ]
    distance = torch.cat([each.values for each in found])
    nearest = torch.cat([each.indices for each in found])
    if count > 1:  # the first is the row itself, or an equal one
        distance, nearest = distance[:, 1:], nearest[:, 1:]
    return nearest[:, torch.arange(NEIGHBOURS) % nearest.shape[1]], distance.mean(1)
