"""A data set of numbered pictures in several blocks, made once for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.distributed.prepare import run
from tests.data.pictures import encoded, spec


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """600 random 8x8 grey images, none held out; blocks of 64 rows."""
    return _random_pictures(tmp_path_factory.mktemp("numbered"), {"a": 200, "b": 200, "c": 200})


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """As `numbered`, with classes of 80, 20 and 5 images."""
    return _random_pictures(tmp_path_factory.mktemp("uneven"), {"a": 80, "b": 20, "c": 5})


def _random_pictures(folder: Path, per_class: dict[str, int]) -> Dataset:
    rng = np.random.default_rng(0)
    for name, count in per_class.items():
        (folder / "raw" / name).mkdir(parents=True)
        for number in range(count):
            path = folder / "raw" / name / f"{number:04d}.png"
            path.write_bytes(encoded(rng.integers(0, 256, (8, 8), dtype=np.uint8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aigc.data.shards._ROW_GROUP_BYTES", 1)
        run(spec(folder / "raw", folder / "data", size=8, channels=1, test_fraction=0))
    return open_dataset(str(folder / "data"))
