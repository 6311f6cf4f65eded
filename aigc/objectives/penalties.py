"""Zero-centred gradient penalties: they make the adversarial game converge.

Two ways to the same quantity, E ||grad_x D(x)||^2: exactly, by differentiating twice, or from a
finite difference along one random direction, which costs a forward pass instead.
"""

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


def squared_difference(logits: Tensor, moved_logits: Tensor, sigma: float) -> Tensor:
    """E ((D(x + sigma n) - D(x)) / sigma)^2 with n ~ N(0, I): a scalar that estimates
    E ||grad_x D(x)||^2, since E_n (n . g)^2 = ||g||^2, with an error that vanishes with sigma.

    Logits are float32 (B,): in bfloat16 the difference would be mostly rounding. The estimate of
    the generative adversarial transformer (arXiv 2509.24935) and of adversarial flow models
    (arXiv 2511.22475).
    """
    return ((moved_logits.float() - logits.float()) / sigma).square().mean()


def lazy_weight(step: int, every: int) -> int:
    """The factor of a penalty at this step: `every` on each `every`-th step, else 0.

    Lazy regularisation (Karras et al. 2020, appendix B): the same strength on average, rarely paid.
    """
    return every if step % every == 0 else 0
