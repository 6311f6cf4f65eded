"""The optional packages behind Content Credentials."""

from __future__ import annotations

import importlib.util

from aigc.errors import CredentialsError

_NEEDED = {"c2pa": "c2pa-python", "cryptography": "cryptography", "asn1crypto": "asn1crypto"}


def require_credentials() -> None:
    """Raises CredentialsError where they are not installed."""
    missing = [name for module, name in _NEEDED.items() if not is_installed(module)]
    if missing:
        raise CredentialsError(
            f"Content Credentials need {', '.join(missing)}: pip install 'aigc[credentials]'"
        )


def is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
