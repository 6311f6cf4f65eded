from __future__ import annotations

from pathlib import Path

import pytest

from aigc.distributed.job_request import JobRequest
from aigc.errors import PlacementError
from aigc.specs import GenerateSpec
from aigc.types import no_notice
from tests.models_for_tests import publish_tiny


def test_what_cannot_be_placed_leaves_nothing_behind(tmp_path: Path) -> None:
    version, out = publish_tiny("tiny-opening"), str(tmp_path / "set")
    values = {"model": version.ref, "out": out, "count": 5}
    asked = GenerateSpec.model_validate(values | {"placement": {"cpus_per_worker": 999}})
    with pytest.raises(PlacementError, match="hold a worker with 999 CPU"):
        JobRequest(asked, version, out, False, no_notice).open()
    assert list(tmp_path.iterdir()) == []
    JobRequest(GenerateSpec.model_validate(values), version, out, False, no_notice).open()
    assert (tmp_path / "set" / "_job.json").exists()
