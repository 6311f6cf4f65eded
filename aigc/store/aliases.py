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
    return [move_at(storage.join(folder, name)) for name in sorted(storage.names(folder))]


def move_at(uri: str) -> AliasMove:
    """One move, which never changes."""
    move = json.loads(storage.read_bytes(uri))
    return AliasMove(move["version"], move["action"], move["at"])


def newest_moves(aliases: str) -> dict[str, str]:
    """The URI of the last move of each alias in the folder `aliases`, by the alias; one list.

    A promotion that was killed may leave a folder without a move: no alias yet.
    """
    found: dict[str, str] = {}
    for entry in storage.listing(aliases):
        alias = entry.key.partition("/")[0]
        found[alias] = max(found.get(alias, ""), entry.uri)
    return found


def last_move(folder: str) -> tuple[int, AliasMove] | None:
    """The number of the alias's last move, from 1, and the move; None when there is none."""
    names = storage.names(folder)
    if not names:
        return None
    name = max(names)
    return int(name.partition(".")[0]), move_at(storage.join(folder, name))


def promote_alias(folder: str, version: str) -> None:
    """Move the alias to `version`; nothing happens when it is there already."""
    while True:
        last = last_move(folder)
        if last is not None and last[1].version == version:
            return
        if _move(folder, last[0] + 1 if last else 1, version, "promote"):
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
