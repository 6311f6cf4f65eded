"""Picture sizes that repeated doubling can reach, and the channels of each level."""

from __future__ import annotations

from dataclasses import dataclass

from aigc.errors import SpecError

_WIDEST = 8


@dataclass(frozen=True)
class Pyramid:
    """A coarse grid of `base_height` x `base_width`, doubled `doublings` times to the picture."""

    base_height: int
    base_width: int
    doublings: int

    def channels(self, width: int) -> list[int]:
        """Channels from the coarsest level to the finest hidden one: `width` doubled, up to 8 x."""
        levels = range(self.doublings - 1, -1, -1)
        return [width * min(2**level, _WIDEST) for level in levels]


def pyramid(height: int, width: int) -> Pyramid:
    """The pyramid of a picture, whose shorter side is 4, 5, 6 or 7, doubled at least once.

    So 8, 16, 28, 32, 48, 64, 96, 128, 256 … are possible, 30 or 100 are not.

    Raises:
        SpecError: naming the nearest sizes that are possible.
    """
    doublings = 0
    while min(height, width) >> (doublings + 1) >= 4:
        doublings += 1
    step = 2**doublings
    if doublings == 0 or height % step or width % step:
        raise SpecError(
            f"pictures of {height} x {width}: a side must be 4, 5, 6 or 7 times a power of 2; "
            f"the nearest is {_nearest(height)} x {_nearest(width)}: prepare the data at that size"
        )
    return Pyramid(height // step, width // step, doublings)


def _nearest(side: int) -> int:
    possible = [base << doublings for base in (4, 5, 6, 7) for doublings in range(1, 9)]
    return min(possible, key=lambda size: abs(size - side))
