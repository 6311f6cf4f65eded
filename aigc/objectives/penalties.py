"""Zero-centred gradient penalties: they make the adversarial game converge."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_gradient(logits: Tensor, pictures: Tensor) -> Tensor:
    """E ||grad_x D(x)||^2 over the batch, a scalar that can be differentiated again.

    `logits` (B,) must be computed from `pictures` (B, C, H, W), which need requires_grad, each
    picture alone (no BatchNorm), or the gradient of one logit would leak into the others.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.float().square().flatten(1).sum(dim=1).mean()


def r1(real_logits: Tensor, real: Tensor, gamma: float) -> Tensor:
    """gamma/2 E ||grad D(x)||^2 on real pictures: Mescheder et al. 2018, eq. 9."""
    return gamma / 2 * squared_gradient(real_logits, real)


def r2(fake_logits: Tensor, fake: Tensor, gamma: float) -> Tensor:
    """gamma/2 E ||grad D(G(z))||^2 on generated ones: Mescheder et al. 2018, eq. 10; needed with
    R1 for RpGAN to converge (Huang et al. 2024, proposition 2)."""
    return gamma / 2 * squared_gradient(fake_logits, fake)


def lazy_weight(step: int, every: int) -> int:
    """The factor of a penalty at this step: `every` on each `every`-th step, else 0.

    Lazy regularisation (Karras et al. 2020, appendix B): the same strength on average, rarely paid.
    """
    return every if step % every == 0 else 0
