"""ConvTranspose2d of kernel 4, stride 2 and padding 1 in forms that are faster for some sizes.

Output row 2i sees inputs i - 1 and i, row 2i + 1 sees i and i + 1; likewise columns. So there are
four phases of outputs, each an ordinary convolution of 2x2 taps, and all four at once are what lies
at the corners between input pixels, where each phase takes its part.

`Planes`, `Winograd` and `Spread` keep (B, C, H, W) in memory as (H, W, B, C), so that each step is
a matrix product of libraries and one layer follows another without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from aigc.families.networks.generator import Root

_POINTS = {
    4: (0.0, 0.75, -0.75, 3.0, -3.0),
    5: (0.25, -0.25, 1.0, -1.0, 3.0, -3.0),
    6: (0.0, 0.5, -0.5, 1.25, -1.25, 4.0, -4.0),
    7: (0.25, -0.25, 0.75, -0.75, 4 / 3, -4 / 3, 4.0, -4.0),
}
"""Evaluation points by tile size: of several hundred choices those with the least rounding."""
_AT_ONCE = 2**21
"""Numbers of an intermediate result that are computed at a time, so that caches hold them."""


class Planes(nn.Module):
    """A linear layer whose outputs are pixels, as many products: (B, C, H, W) for what follows."""

    weight: Tensor
    bias: Tensor

    def __init__(self, root: Root) -> None:
        super().__init__()
        self.grid = root.grid
        height, width, channels = root.grid
        weight = root.weight.detach().view(height * width, channels, -1)
        self.register_buffer("weight", weight.transpose(1, 2).contiguous())
        bias = torch.zeros(root.out_features) if root.bias is None else root.bias.detach()
        self.register_buffer("bias", bias.view(height * width, 1, channels))

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs) -> (B, C, H, W)."""
        height, width, channels = self.grid
        pixels = torch.baddbmm(self.bias, z.expand(len(self.weight), -1, -1), self.weight)
        return pixels.view(height, width, -1, channels).permute(2, 3, 0, 1)


class SignReLU(nn.Module):
    """ReLU of bfloat16 in place: a negative value is negative as an int16, too.

    Four times as fast as PyTorch's, which converts to float32. NaN may become 0, so it is not used
    for weights that are not finite.
    """

    def forward(self, x: Tensor) -> Tensor:
        x.view(torch.int16).clamp_min_(0)
        return x


class Subpixel(nn.Module):
    """As a 2x2 convolution with four times the channels; for few output channels.

    Libraries pad few channels to whole vectors, which costs four to five times the work for a grey
    picture (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?").
    """

    def __init__(self, transposed: nn.ConvTranspose2d) -> None:
        super().__init__()
        inputs, self.channels = transposed.weight.shape[:2]
        weight = torch.zeros(2, 2, self.channels, inputs, 2, 2)
        for a, b, kernel in _phases(transposed.weight.detach(), ((3, 1), (2, 0))):
            weight[a, b] = kernel.transpose(0, 1)
        self.conv = nn.Conv2d(inputs, 4 * self.channels, 2, padding=1)
        self.conv.load_state_dict(
            {"weight": weight.flatten(0, 2), "bias": _bias(transposed).repeat(4)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) -> (B, Cout, 2H, 2W)."""
        count, _, height, width = x.shape
        corners = self.conv(x).permute(0, 2, 3, 1)
        phases = corners.reshape(count, height + 1, width + 1, 2, 2, self.channels)
        fine = phases.new_empty(count, height, 2, width, 2, self.channels)
        for a in range(2):
            for b in range(2):
                fine[:, :, a, :, b] = phases[:, a : a + height, b : b + width, a, b]
        pictures: Tensor = fine.reshape(count, 2 * height, 2 * width, self.channels)
        return pictures.permute(0, 3, 1, 2)


class Winograd(nn.Module):
    """With a third of the multiplications; for many channels in float32. Includes a ReLU.

    A row of L inputs and two taps are polynomials: their product has L + 1 coefficients and follows
    from its values at L + 1 points, one multiplication each instead of 2 L (Toom 1963, Cook 1966,
    Winograd 1980). In two dimensions that is (L + 1)^2 instead of 4 L^2 for each pair of channels
    (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks"). Rounding grows to some
    1e-5 of a result's standard deviation, which is too much for half precision.
    """

    weight: Tensor
    bias: Tensor
    into_h: Tensor
    into_w: Tensor
    out_h: Tensor
    out_w: Tensor

    def __init__(self, transposed: nn.ConvTranspose2d, height: int, width: int) -> None:
        """For inputs of this size, of which there are `tiles`."""
        super().__init__()
        self.rows, self.columns = _tile(height), _tile(width)
        self.channels = transposed.out_channels
        into_h, taps_h, out_h = _transforms(self.rows)
        into_w, taps_w, out_w = _transforms(self.columns)
        kernels = _phases(transposed.weight.detach().double(), ((1, 3), (0, 2)))
        at_points = [
            torch.einsum("pk,ql,iokl->pqio", taps_h, taps_w, kernel) for _, _, kernel in kernels
        ]
        weight = torch.stack(at_points, 3).flatten(0, 1).flatten(2)
        values = {"weight": weight, "bias": _bias(transposed)}
        values |= {"into_h": into_h, "into_w": into_w, "out_h": out_h, "out_w": out_w}
        for name, value in values.items():
            self.register_buffer(name, value.float().contiguous())

    @staticmethod
    def tiles(height: int, width: int) -> int:
        """0 where a side is no multiple of 4, 5, 6 or 7."""
        rows, columns = _tile(height), _tile(width)
        return height * width // (rows * columns) if rows and columns else 0

    def forward(self, x: Tensor) -> Tensor:
        """float32 (B, Cin, H, W) -> (B, Cout, 2H, 2W), after the ReLU."""
        count, _, height, width = x.shape
        fine = x.new_empty(2 * height, 2 * width, count, self.channels)
        each = self.tiles(height, width) * self.weight[:, 0].numel()
        _in_parts(self._fill, x.permute(2, 3, 0, 1), fine, each)
        return fine.permute(2, 3, 0, 1)

    def _fill(self, x: Tensor, fine: Tensor) -> None:
        """(H, W, B, Cin) to (2H, 2W, B, Cout)."""
        height, width, count, inputs = x.shape
        rows, columns = self.rows, self.columns
        down, right = height // rows, width // columns
        tiles = x.reshape(down, rows, right, columns, count, inputs)
        tiles = tiles.permute(1, 3, 0, 2, 4, 5).contiguous().view(rows, columns, -1)
        values = _both(self.into_h, self.into_w, tiles).view(len(self.weight), -1, inputs)
        products = torch.bmm(values, self.weight).view(rows + 1, columns + 1, -1)
        corners = _both(self.out_h, self.out_w, products)
        corners = corners.view(rows + 1, columns + 1, down, right, count, 2, 2, self.channels)
        _join(corners[0, :, 1:], corners[-1, :, :-1])
        _join(corners[:, 0, :, 1:], corners[:, -1, :, :-1])
        places = fine.view(down, rows, 2, right, columns, 2, count, self.channels)
        for a in range(2):
            for b in range(2):
                phase = corners[a : a + rows, b : b + columns, :, :, :, a, b]
                place = places[:, :, a, :, :, b]
                torch.add(phase.permute(2, 0, 3, 1, 4, 5), self.bias, out=place).relu_()


class Spread(nn.Module):
    """Each input pixel times all 16 taps in one matrix product, then summed; for few channels."""

    weight: Tensor
    bias: Tensor

    def __init__(self, transposed: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.channels = transposed.out_channels
        weight = transposed.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", _bias(transposed))

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) -> (B, Cout, 2H, 2W), in memory (Cout, 2H, 2W, B)."""
        count, _, height, width = x.shape
        fine = x.new_empty(self.channels, 2 * height, 2 * width, count)
        each = len(self.weight) * height * width
        _in_parts(self._fill, x.permute(2, 3, 0, 1), fine.permute(1, 2, 3, 0), each)
        return fine.permute(3, 0, 1, 2)

    def _fill(self, x: Tensor, fine: Tensor) -> None:
        """(H, W, B, Cin) to (2H, 2W, B, Cout)."""
        height, width, count, inputs = x.shape
        products = torch.mm(self.weight, x.reshape(-1, inputs).t())
        products = products.view(4, 4, self.channels, height, width, count)
        tall = x.new_empty(4, self.channels, height, 2, width, count)
        _sum(products, tall, 2)
        place = fine.permute(3, 0, 1, 2).view(self.channels, 2 * height, width, 2, count)
        _sum(tall.flatten(2, 3), place, 2)
        place += self.bias[:, None, None, None, None]


def _phases(
    weight: Tensor, taps: tuple[tuple[int, int], tuple[int, int]]
) -> Iterator[tuple[int, int, Tensor]]:
    """Row phase, column phase and kernel (Cin, Cout, 2, 2), its taps in the order of `taps`."""
    for a, down in enumerate(taps):
        for b, right in enumerate(taps):
            yield a, b, weight[:, :, down][:, :, :, right]


def _bias(layer: nn.ConvTranspose2d) -> Tensor:
    return torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach()


def _tile(side: int) -> int:
    """The largest tile that `side` can be cut into, 0 if none."""
    return max((length for length in _POINTS if side % length == 0), default=0)


def _transforms(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (L + 1, L) and taps (L + 1, 2) to values at points; products (L + 1, L + 1) back."""
    points = torch.tensor(_POINTS[length], dtype=torch.float64)
    powers = torch.linalg.vander(points, N=length + 1)
    size = powers[:, :length].abs().sum(1)
    return powers[:, :length] / size[:, None], powers[:, :2], torch.linalg.inv(powers) * size


def _in_parts(fill: Callable[[Tensor, Tensor], None], x: Tensor, fine: Tensor, each: int) -> None:
    """`fill(x, fine)` on some rows of the batch at a time; each needs `each` further numbers."""
    rows = max(1, _AT_ONCE // each)
    for start in range(0, x.shape[2], rows):
        some = slice(start, start + rows)
        fill(x[:, :, some], fine[:, :, some])


def _both(along_h: Tensor, along_w: Tensor, x: Tensor) -> Tensor:
    """(H', H) and (W', W) applied to (H, W, N): (H', W', N).

    As batches of products: one alone sums in another order when it has more threads.
    """
    half = torch.bmm(along_h.expand(x.shape[1], -1, -1), x.transpose(0, 1))
    return torch.bmm(along_w.expand(len(along_h), -1, -1), half.transpose(0, 1))


def _join(first: Tensor, last: Tensor) -> None:
    """The last corner of a tile is the first one of the next tile: both get the sum."""
    first += last
    last.copy_(first)


def _sum(taps: Tensor, fine: Tensor, place: int) -> None:
    """(4, …, N, …) into (…, N, 2, …) with N at `place`.

    Output 2i is tap 1 of input i and tap 3 of i - 1, 2i + 1 is tap 2 of i and tap 0 of i + 1.
    """
    count = fine.shape[place]
    even, odd = fine.select(place + 1, 0), fine.select(place + 1, 1)
    even.copy_(taps[1])
    even.narrow(place, 1, count - 1).add_(taps[3].narrow(place, 0, count - 1))
    odd.copy_(taps[2])
    odd.narrow(place, 0, count - 1).add_(taps[0].narrow(place, 1, count - 1))
