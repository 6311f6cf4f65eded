from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from aigc.bench.rivals import trainers
from aigc.data.dataset import open_dataset


def test_a_trainer_reads_the_train_split_and_its_pictures_are_kept(
    digits_data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(digits_data)
    pixels, _ = dataset.read("train", dataset.counts["train"], 0)

    def copies(
        train: Path, seconds: float, samples: int, seed: int, work: Path
    ) -> Iterator[Tensor]:
        assert (seconds, seed) == (0.5, 3)
        paths = sorted(train.glob("*.png"))
        assert len(paths) == len(pixels)
        for path in paths[:samples]:
            grey = torch.from_numpy(np.asarray(Image.open(path)).copy())
            yield (grey / 255).expand(1, 3, -1, -1) * 2 - 0.5

    monkeypatch.setitem(trainers.TRAINERS, "copies", copies)
    out = tmp_path / "out"
    trainers.main("copies", digits_data, str(out), "0.5", "7", "3")
    made = sorted(out.glob("*.png"))
    first = np.asarray(Image.open(tmp_path / "out-work/train/000000.png")).astype(float)
    expected = np.clip(2 * first - 127.5, 0, 255)
    assert len(made) == 7
    assert np.abs(np.asarray(Image.open(made[0]))[..., 0] - expected).max() <= 0.5
