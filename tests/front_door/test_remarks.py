"""What `data prepare` says of a set that is made: nothing to test on, classes without pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Aigc
from tests.commands.conftest import aigc as aigc  # noqa: PLC0414
from tests.data.pictures import encoded, noise
from tests.front_door.folders import Tree, pictures, plant

NO_TEST = "no test images: evaluate needs some, and train compares with those it trains on; raise"
_MANY = {f"a/{number}.png": encoded(noise(number)) for number in range(20)}


@pytest.mark.parametrize(
    ("tree", "options", "told"),
    [
        (_MANY, ["--test-fraction", "0"], True),
        (pictures("a/1.png b/2.png"), [], True),
        (pictures("train/a/1.png train/b/2.png"), ["--test-fraction", "0"], True),
        (_MANY, [], False),
        (pictures("train/a/1.png test/a/2.png"), [], False),
    ],
)
def test_a_set_without_test_pictures_is_remarked_on(
    aigc: Aigc, tree: Tree, options: list[str], told: bool
) -> None:
    plant(Path("raw"), tree)
    made = aigc("data", "prepare", "raw", "data", "--set", "size=16", *options)
    assert made.code == 0, made.err
    assert (NO_TEST in made.err) is told


@pytest.mark.parametrize(
    ("images", "remark"),
    [
        (40, "aigc evaluate needs at least 50 test images; add images"),
        (120, "aigc evaluate needs at least 50 test images; raise test_fraction to 0.45 or add"),
    ],
)
def test_a_set_with_few_test_pictures_is_remarked_on(aigc: Aigc, images: int, remark: str) -> None:
    plant(Path("raw"), {f"a/{number}.png": encoded(noise(number)) for number in range(images)})
    made = aigc("data", "prepare", "raw", "data", "--set", "size=16")
    assert remark in made.err
    again = aigc("data", "prepare", "raw", "data2", "--set", "size=16", "--test-fraction", "0.5")
    assert (remark in again.err) is (images < 100)


def test_how_a_source_was_read_stays_with_the_set(aigc: Aigc) -> None:
    plant(Path("raw"), pictures("Hats/1.png hats/2.png") | {"Hats /3.png": encoded(noise(9))})
    made = aigc("data", "prepare", "raw", "data", "--set", "size=16")
    line = "class Hats is spelled in 2 ways ('Hats', 'Hats ')"
    assert [said.count(line) for said in made.err.splitlines() if line in said] == [1]
    assert "classes 'Hats', 'hats' differ only in case and stay apart" in made.err
    assert line in Path("data/README.md").read_text()
