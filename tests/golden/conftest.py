from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from tests.golden.make import Golden


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    """Golden sets, each made when a test first asks for it; AIGC_STORE names their models."""
    before, threads = os.environ.get("AIGC_STORE"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIGC_STORE", before or "")
        yield Golden(tmp_path_factory.mktemp("golden"))
    torch.set_num_threads(threads)
