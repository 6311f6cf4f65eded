"""Single files of a fetched folder, each written in one step."""

from __future__ import annotations

import json
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """In one step, so that an interrupted fetch leaves no part of a file under its name."""
    if path.is_file() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_source(folder: Path, name: str, licence: str, url: str) -> None:
    """`source.json`, from which a data set's card takes its origin and licence."""
    about = {"name": name, "licence": licence, "url": url}
    write(folder / "source.json", json.dumps(about, indent=2).encode())
