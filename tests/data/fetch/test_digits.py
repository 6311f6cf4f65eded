from __future__ import annotations

from pathlib import Path

import pytest

from aigc.data.fetch import fetch
from aigc.errors import SpecError


def test_digits_need_no_network(tmp_path: Path) -> None:
    assert fetch("digits", str(tmp_path))
    assert not fetch("digits", str(tmp_path))
    assert len(list(tmp_path.glob("*/*.png"))) == 1797
    (tmp_path / "3/0003.png").unlink()
    assert fetch("digits", str(tmp_path))


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected one of fashion-mnist, digits"):
        fetch("mnist", str(tmp_path))
