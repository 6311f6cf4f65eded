from __future__ import annotations

import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.modalities.image import visible
from aigc.provenance.profiles import Wording


def ink_rows(drawn) -> int:
    """Rows of the left-most letter, which is white on a dark plate."""
    white = drawn[..., 0] > 140
    columns = np.flatnonzero(white.any(axis=0))
    gaps = np.flatnonzero(np.diff(columns) > 1)
    first = columns[: gaps[0] + 1] if len(gaps) else columns
    return int(white[:, first].any(axis=1).sum())


@pytest.mark.parametrize(("height", "width"), [(256, 256), (1024, 640), (300, 900)])
@pytest.mark.parametrize("text", ["AI生成", "AI-generated"])
def test_letters_have_five_per_cent_of_the_shorter_side(text, height, width) -> None:
    grey = np.full((1, height, width, 3), 90, np.uint8)
    drawn = visible.draw(grey, Wording(text, "bottom right"))[0]
    assert ink_rows(drawn) >= 0.05 * min(height, width)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("corner", ["top left", "top right", "bottom left", "bottom right"])
def test_the_label_stands_in_its_corner_only(corner, channels) -> None:
    given = np.full((3, 200, 240, channels), 120, np.uint8)
    drawn = visible.draw(given, Wording("AI", corner))
    assert (given == 120).all()
    assert np.array_equal(drawn[0], drawn[2])
    rows, columns, _ = np.nonzero(drawn[0] != 120)
    edges = {"top": rows.min() == 0, "bottom": rows.max() == 199}
    edges |= {"left": columns.min() == 0, "right": columns.max() == 239}
    assert {name for name, touches in edges.items() if touches} == set(corner.split())
    assert np.ptp(rows) < 30
    assert np.ptp(columns) < 40


def test_letters_are_seen_on_any_ground() -> None:
    for ground in (0, 128, 255):
        drawn = visible.draw(np.full((1, 128, 128, 1), ground, np.uint8), Wording("AI", "top left"))
        plate = drawn[0, 1:14, 1:20]
        assert plate.max() >= 250
        assert plate.min() <= 110


@pytest.mark.parametrize(
    ("text", "said"), [("AI-generated", "takes"), ("猫", "does not have '猫'")]
)
def test_words_that_cannot_be_drawn_are_refused(text, said) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        visible.draw(np.zeros((1, 28, 28, 1), np.uint8), Wording(text, "bottom right"))
    assert "\n" not in str(caught.value)
