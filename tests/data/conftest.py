"""A data set of numbered pictures in several blocks, made once for the tests of this room."""

from __future__ import annotations

import numpy as np
import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.orchestration.prepare import run
from tests.data.pictures import encoded, spec


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """600 random 8x8 grey images, none held out; blocks of 64 rows."""
    folder = tmp_path_factory.mktemp("numbered")
    rng = np.random.default_rng(0)
    for number in range(600):
        path = folder / "raw" / "abc"[number % 3] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(rng.integers(0, 256, (8, 8), dtype=np.uint8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aigc.data.shards._ROW_GROUP_BYTES", 1)
        run(spec(folder / "raw", folder / "data", size=8, channels=1, test_fraction=0))
    return open_dataset(str(folder / "data"))
