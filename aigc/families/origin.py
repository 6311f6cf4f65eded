"""Where an imported model comes from: what its card and the manifest of every set of it state."""

from __future__ import annotations

from pydantic import Field

from aigc.strict import Spec

UNKNOWN = "unknown"


class Origin(Spec):
    """Stands in `config.json`, so the model's digest covers it."""

    name: str
    """The file's name, or `package:Class`."""
    licence: str = Field(UNKNOWN, min_length=1, max_length=200, pattern=r"^[^\n\r]*$")
    """As the user gave it, best an SPDX identifier."""
    source: str = Field(UNKNOWN, min_length=1, max_length=1000, pattern=r"^[^\n\r]*$")
    """Where it was found: a URL, or a distribution and its version."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the file, or of the files of the package."""
