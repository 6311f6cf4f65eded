from __future__ import annotations

import pytest

from aigc.errors import CredentialsError
from aigc.provenance import extra


def test_missing_packages_are_named(monkeypatch) -> None:
    extra.require_credentials()
    monkeypatch.setattr(extra, "_NEEDED", {"json": "json", "no_such_module": "some-package"})
    with pytest.raises(CredentialsError, match=r"need some-package: pip install 'aigc\[cred"):
        extra.require_credentials()
