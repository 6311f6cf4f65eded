"""The same set by the command a user gives, in a worker process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.cli import app
from aigc.commands.common import exit_code
from tests.golden import describe
from tests.golden.cases import COMMON, Case
from tests.golden.compare import differences
from tests.golden.make import Golden
from tests.golden.test_digests import libraries, recorded
from tests.golden.versions import not_compared


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_the_command_makes_the_recorded_set(golden: Golden, tmp_path: Path) -> None:
    settings = [f"{name}={COMMON[name]}" for name in ("micro_batch", "shard_items", "precision")]
    settings += ["placement.gpus_per_worker=0"]
    asked = [
        "gan@v1",
        "--count",
        "24",
        "--seed",
        "7",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "set"),
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    assert exit_code(app, ["generate", *asked, *options]) == 0
    name = "gan/plain/png/parquet"
    found = describe.summary(golden, Case("gan"), tmp_path / "set")
    left_out = not_compared(Case("gan"), libraries("sets-gan"))
    assert not differences(recorded("sets-gan", name), found, left_out)
