"""What a job is told, without a cluster: addresses, tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.distributed.submit import Cluster, find_token
from aigc.errors import PlacementError, SpecError
from aigc.specs import GenerateSpec, build


def test_no_address_at_all() -> None:
    with pytest.raises(SpecError, match="--address"):
        Cluster(None)


def test_nobody_there() -> None:
    with pytest.raises(PlacementError, match="no Ray dashboard answers"):
        Cluster("http://127.0.0.1:9")


def test_local_paths_are_absolute_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's jobs run in folders of their own."""
    monkeypatch.chdir("/")
    cluster = Cluster.__new__(Cluster)
    cluster.address = "http://10.0.0.1:8265"
    gates = {"memorisation": {"data": "data/m"}, "realism": {"data": "s3://b/r", "threshold": 1}}
    values = {"model": "m", "out": "o", "briefs": "b/a.csv", "gates": gates}
    spec, warnings = cluster.absolute(build(GenerateSpec, values))
    assert isinstance(spec, GenerateSpec)
    assert spec.gates.memorisation is not None
    assert spec.gates.realism is not None
    assert (spec.model, spec.out, spec.briefs) == ("m", "/o", "/b/a.csv")
    assert spec.gates.memorisation.data == "/data/m"
    assert spec.gates.realism.data == "s3://b/r"
    named = [warning.split(":")[0] for warning in warnings]
    assert sorted(named) == ["briefs", "gates.memorisation.data", "out"]


def test_where_the_token_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".ray" / "auth_token"
    assert find_token() == ("", str(default))
    default.parent.mkdir()
    default.write_text("from-home\n")
    assert find_token() == ("from-home", str(default))
    (tmp_path / "named").write_text("from-file")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "named"))
    assert find_token()[0] == "from-file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-environment")
    assert find_token() == ("from-environment", "RAY_AUTH_TOKEN")
