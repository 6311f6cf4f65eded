from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aigc import storage
from aigc.errors import GatesError
from aigc.execution.rounds import _require_progress
from aigc.generation import round_files
from aigc.job.keys import ATTEMPT
from aigc.specs import Gates


def test_an_item_without_a_draw_left_is_named_before_another_round(tmp_path) -> None:
    """Gates on single images use up attempts within a round: rounds do not count them."""
    out, gates = str(tmp_path), Gates(duplicates={}, max_draws=5)
    record = json.dumps({"rows": 40, "refused": {"blank": 3}}).encode()
    storage.write_bytes(storage.join(round_files.folder(out, 1), "00000.json"), record)
    job_run: Any = SimpleNamespace(out=out, job=SimpleNamespace(gates=gates))
    _require_progress(job_run, 1, 40, np.array([ATTEMPT + 2, 3 * ATTEMPT + 17]))
    said = r"item 17: all of gates.max_draws = 5 .* the last as a duplicate \(2 of 40 .*blank 3"
    with pytest.raises(GatesError, match=said):
        _require_progress(job_run, 1, 40, np.array([ATTEMPT + 2, 4 * ATTEMPT + 17]))
