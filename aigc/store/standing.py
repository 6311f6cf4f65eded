"""What models' names stand for, asked again and again at little cost.

A look at a name is two lists (its versions, the moves of its aliases) while nothing has changed; a
version or a move that is new is read once, for they never change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aigc.errors import StoreError
from aigc.store.aliases import move_at, newest_moves
from aigc.store.models import LATEST, ModelStore
from aigc.store.version import ModelVersion


@dataclass(frozen=True)
class Standing:
    """A name's versions at one moment."""

    name: str
    aliases: dict[str, str]
    """Every alias of the name, `latest` included, and its version."""

    def version_of(self, ref: str) -> str:
        """What follows the @ of `ref`, an alias replaced by its version."""
        wanted = ref.partition("@")[2] or LATEST
        return self.aliases.get(wanted, wanted)


class StoreWatch:
    """Remembers what it has read of `store`. For one thread at a time."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._versions: dict[str, ModelVersion] = {}
        """By reference, NAME@VERSION."""
        self._published: dict[str, set[str]] = {}
        """Versions that are known to be published, by name."""
        self._moves: dict[str, str] = {}
        """The version each move of an alias leads to, by the move's URI."""

    def look(self, name: str) -> Standing:
        """Raises StoreError: no version of `name` is published; the message lists what there is."""
        latest = self._store.latest(name, self._published.get(name, ()))
        if latest is None:
            raise StoreError(f"{name}: {self._store.uri} has no published version of it any more")
        self._published.setdefault(name, set()).add(latest)
        moves = newest_moves(self._store.aliases_uri(name))
        return Standing(name, {LATEST: latest} | {a: self._moved(uri) for a, uri in moves.items()})

    def version(self, standing: Standing, ref: str) -> ModelVersion:
        """What `ref` of this name stands for. Raises StoreError."""
        found = f"{standing.name}@{standing.version_of(ref)}"
        if found not in self._versions:
            self._versions[found] = self._store.named(found)
        return self._versions[found]

    def new_names(self, known: Collection[str]) -> list[str]:
        """Names with a published version that are not `known`, sorted."""
        return self._store.names(known)

    def _moved(self, uri: str) -> str:
        if uri not in self._moves:
            self._moves[uri] = move_at(uri).version
        return self._moves[uri]
