"""What a job is told, without a cluster: addresses, tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.errors import PlacementError, SpecError
from aigc.orchestration.submit import Cluster, find_token


@pytest.mark.parametrize(
    "address", ["10.0.0.1:6379", "auto", "ray://head:10001", "http://", "http://a/b c"]
)
def test_only_a_dashboard_takes_jobs(address: str) -> None:
    with pytest.raises(SpecError, match=r"http://10\.0\.0\.1:8265"):
        Cluster(address)


def test_no_address_at_all() -> None:
    with pytest.raises(SpecError, match="--address"):
        Cluster(None)


def test_nobody_there() -> None:
    with pytest.raises(PlacementError, match="no Ray dashboard answers"):
        Cluster("http://127.0.0.1:9")


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
