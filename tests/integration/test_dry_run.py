"""What a dry run reports, and leaves alone."""

from __future__ import annotations

import pytest

from aigc.distributed.generate import dry_run, run
from aigc.errors import SpecError
from aigc.execution import estimate
from tests.integration.sets import spec
from tests.models_for_tests import publish_tiny
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, root

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-estimated").ref


def test_a_dry_run_writes_nothing_and_estimates(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "PROBE_S", 0.5)
    budget = {"price_per_node_hour": 3.6}
    found = dry_run(spec(model, tmp_path / "set", count=100_000, budget=budget))
    assert not (tmp_path / "set").exists()
    assert found["items"] == 100_000
    assert found["shards"] == 625
    assert found["cost"] == pytest.approx(found["seconds"] * found["nodes"] / 1000, rel=0.01)
    assert 100 < found["bytes_per_item"] < 5000
    whole = found["startup_s"] + found["items"] / found["items_per_s"] + found["closing_s"]
    assert found["closing_s"] > 0
    assert found["seconds"] == pytest.approx(whole, rel=0.05)
    assert found["probe"]["items"] > 0


def test_a_dry_run_signs_nothing(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "PROBE_S", 0.2)
    for name, text in environment().items():
        monkeypatch.setenv(name, text)
    heard: list[str] = []
    with time_stamp_authority(root()) as authority:
        signed = {"credentials": {"authority": authority.url}}
        dry_run(spec(model, tmp_path / "set", provenance=signed), notice=heard.append)
        assert authority.requests == 1, "asked once whether it answers"
    assert any(line.startswith("not estimated: signing") for line in heard)


def test_a_dry_run_looks_at_what_is_there(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "PROBE_S", 0.2)
    out = tmp_path / "set"
    run(spec(model, out))
    found = dry_run(spec(model, out))
    assert found["items_made"] == found["items"] == 1200
    assert found["seconds"] == pytest.approx(found["startup_s"] + found["closing_s"], abs=0.2)
    with pytest.raises(SpecError, match=r"holds a different job .seed: 7 there, 12 asked"):
        dry_run(spec(model, out, seed=12))
    with pytest.raises(SpecError, match="not empty"):
        dry_run(spec(model, tmp_path))
