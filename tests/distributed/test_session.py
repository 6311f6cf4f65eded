from __future__ import annotations

import pytest
import ray

from aigc.distributed.session import connect
from aigc.errors import PlacementError


def test_ray_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is too busy for half a minute Ray raises plain `Exception`."""

    def init(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could\nhappen")

    monkeypatch.setattr(ray, "init", init)
    line = r"^Ray does not start on this machine: The current node timed out .*\. This could$"
    with pytest.raises(PlacementError, match=line), connect():
        pass
