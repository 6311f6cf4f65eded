"""In which fields two jobs differ, for messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def differences(mine: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    """Fields with other values, as `seed: 1 there, 2 asked`."""
    return [
        f"{name}: {_short(mine.get(name))} there, {_short(theirs.get(name))} asked"
        for name in {**mine, **theirs}
        if mine.get(name) != theirs.get(name)
    ]


def dotted(name: str, value: object) -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings by dotted names: `gates.realism.percentile`."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from dotted(f"{name}.{key}", inner)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
