from __future__ import annotations

from pathlib import Path

import pytest

from aigc.commands.demo import emoji_plan
from aigc.modalities.image.spec import PrepareImages
from tests.command_line import aigc


def test_the_emoji_demo_is_in_colour_at_64_pixels(tmp_path: Path) -> None:
    plan = emoji_plan(str(tmp_path), 500, 2.0)
    assert isinstance(plan.prepare, PrepareImages)
    assert (plan.fetch, plan.prepare.shape) == ("emoji", (64, 64, 3))
    assert plan.generate.count == 500
    assert plan.prepare.out == plan.evaluate.data


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "shoes"], "data = 'shoes': expected fashion-mnist or emoji"),
        (["--data", "emoji", "--smoke"], "smoke = true: emoji has no tiny data set"),
    ],
)
def test_data_without_a_demo_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = aigc(capsys, "demo", *words)
    assert (code, len(error.strip().splitlines())) == (2, 1)
    assert told in error
    assert list(tmp_path.iterdir()) == []
