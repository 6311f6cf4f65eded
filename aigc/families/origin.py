"""Where an imported model comes from, as its card and the manifests of its sets state it."""

from __future__ import annotations

from pydantic import Field

from aigc.strict import Spec

UNKNOWN = "unknown"


class Origin(Spec):
    """Part of `config.json`, so the model's digest covers it."""

    name: str
    """Name of the file, or `package:Class`."""
    licence: str = Field(UNKNOWN, min_length=1, max_length=200, pattern=r"^[^\n\r]*$")
    """Licence as the user gave it, preferably an SPDX identifier."""
    source: str = Field(UNKNOWN, min_length=1, max_length=1000, pattern=r"^[^\n\r]*$")
    """Where the model comes from: a URL, or a distribution and its version."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file, or of all files of the package."""
