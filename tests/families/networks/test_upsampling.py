from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aigc.families.networks.generator import Root
from aigc.families.networks.upsampling import Planes, SignReLU, Spread, Subpixel, Winograd


def transposed(inputs: int, channels: int, *, bias: bool = True) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, channels, 4, 2, 1, bias=bias).requires_grad_(False)


def error(found: Tensor, expected: Tensor) -> float:
    """Root mean square, in standard deviations of what was expected."""
    assert found.shape == expected.shape
    return float((found - expected).square().mean().sqrt() / expected.std())


def test_relu_by_the_sign_is_relu() -> None:
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    every = bits.view(torch.bfloat16)
    numbers = every[~every.isnan()].view(-1, 2, 1, 1).to(memory_format=torch.channels_last)
    found = SignReLU()(numbers.clone(memory_format=torch.preserve_format))
    assert torch.equal(found, torch.relu(numbers))


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 7, 7), (3, 5, 9), (16, 4, 2)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", [Subpixel, Spread])
def test_forms_for_few_channels_are_the_transposed_convolution(
    form, channels, height, width, bias
) -> None:
    layer = transposed(6, channels, bias=bias)
    x = torch.randn(3, 6, height, width)
    assert torch.allclose(form(layer)(x), layer(x), atol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "tiles"),
    [(4, 4, 1), (5, 5, 1), (6, 6, 1), (7, 7, 1), (4, 7, 1), (8, 14, 4), (16, 12, 8), (20, 28, 16)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_winograds_form_is_the_transposed_convolution(height, width, tiles, bias) -> None:
    layer = transposed(32, 24, bias=bias)
    x = torch.randn(5, 32, height, width)
    assert Winograd.tiles(height, width) == tiles
    found = Winograd(layer, height, width)(x)
    assert error(found, torch.relu(layer.double()(x.double()))) < 2e-5


def test_winograds_form_is_exact_at_every_pixel() -> None:
    layer = transposed(8, 8, bias=False)
    for place in range(14 * 8):
        x = torch.zeros(1, 8, 14, 8)
        x.view(8, -1)[:, place] = 1
        found = Winograd(layer, 14, 8)(x)
        assert torch.allclose(found, torch.relu(layer(x)), atol=1e-4)


def test_winograds_form_knows_which_sizes_it_is_not_for() -> None:
    assert Winograd.tiles(11, 8) == Winograd.tiles(8, 3) == 0


@pytest.mark.parametrize("bias", [True, False])
def test_planes_are_the_linear_layer(bias) -> None:
    root = Root(6, (3, 5, 4), bias=bias).requires_grad_(False)
    z = torch.randn(7, 6)
    found = Planes(root)(z)
    assert found.shape == (7, 4, 3, 5)
    assert torch.allclose(found, root(z), atol=1e-5)


@pytest.mark.parametrize("form", ["winograd", "spread"])
def test_a_large_batch_is_made_in_parts_to_the_same_bits(form, monkeypatch) -> None:
    layer = transposed(16, 3)
    made = Winograd(layer, 8, 8) if form == "winograd" else Spread(layer)
    x = torch.randn(9, 16, 8, 8)
    whole = made(x)
    monkeypatch.setattr("aigc.families.networks.upsampling._AT_ONCE", 2 * 48 * 100)
    assert torch.equal(made(x), whole)


@pytest.mark.parametrize("size", [4, 7, 8])
def test_neither_neighbours_nor_threads_change_a_result(size) -> None:
    made = Winograd(transposed(128, 64), size, size)
    x = torch.randn(24, 128, size, size)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole, turned, few = made(x), made(x.flip(0)), made(x[8:12])
        torch.set_num_threads(2)
        assert torch.equal(made(x), whole)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(turned.flip(0), whole)
    assert torch.equal(few, whole[8:12])
