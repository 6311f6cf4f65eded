"""Names that move from version to version, with every move kept.

An alias is a folder of numbered moves, each created only if its number is free; the highest is what
counts. So a move is atomic on any storage, none is ever lost, and a roll-back knows the way.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from aigc import storage
from aigc.errors import StoreError
from aigc.store.version import pretty


@dataclass(frozen=True)
class AliasMove:
    """One move of an alias: where to, whether by promote or rollback, and when (epoch seconds)."""

    version: str
    action: str
    at: float


def alias_history(folder: str) -> list[AliasMove]:
    """Every move of the alias kept in `folder`, oldest first."""
    entries = sorted(entry.uri for entry in storage.listing(folder))
    moves = (json.loads(storage.read_bytes(uri)) for uri in entries)
    return [AliasMove(move["version"], move["action"], move["at"]) for move in moves]


def promote_alias(folder: str, version: str) -> None:
    """Move the alias to `version`; nothing happens when it is there already."""
    while True:
        moves = alias_history(folder)
        if moves and moves[-1].version == version:
            return
        if _move(folder, len(moves) + 1, version, "promote"):
            return


def rollback_alias(folder: str, shown: str) -> str:
    """Move the alias back to what it was before its last promotion, and return that version.

    Raises:
        StoreError: naming the alias as `shown`, when there is nothing to go back to.
    """
    while True:
        moves = alias_history(folder)
        standing = _standing(moves)
        if len(standing) < 2:
            now = f"it is {standing[0]}, its first" if standing else "it was never promoted"
            raise StoreError(f"{shown} has nothing to roll back to: {now}; use promote")
        if _move(folder, len(moves) + 1, standing[-2], "rollback"):
            return standing[-2]


def _standing(moves: Iterable[AliasMove]) -> list[str]:
    """The versions the alias would fall back through, the current one last."""
    stack: list[str] = []
    for move in moves:
        if move.action == "promote":
            stack.append(move.version)
        else:
            stack.pop()
    return stack


def _move(folder: str, number: int, version: str, action: str) -> bool:
    move = {"version": version, "action": action, "at": time.time(), "move": uuid.uuid4().hex}
    return storage.create(storage.join(folder, f"{number:06d}.json"), pretty(move))
