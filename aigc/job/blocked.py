"""The block list of a spec, with the words of its file."""

from __future__ import annotations

from aigc import storage
from aigc.conditions.blocked import BlockList
from aigc.errors import SpecError, StorageError
from aigc.specs import Blocked

_MOST_BYTES = 4 * 2**20
_LONGEST = 200

REFUSED = "content_policy_violation"
"""OpenAI's code of an error."""


def block_list(blocked: Blocked) -> BlockList:
    """Raises SpecError: the file of words cannot be read or is not a list of words."""
    words = (*blocked.words, *(_words_in(blocked.words_file) if blocked.words_file else ()))
    return BlockList(blocked.labels, words)


def _words_in(uri: str) -> tuple[str, ...]:
    try:
        data = storage.read_bytes(uri)
    except StorageError as error:
        reason = str(error).removeprefix(f"{uri}: ")
        raise SpecError(f"blocked.words_file = {uri}: {reason}") from None
    try:
        lines = data.decode("utf-8-sig").splitlines() if len(data) <= _MOST_BYTES else None
    except UnicodeDecodeError:
        raise SpecError(f"blocked.words_file = {uri}: not UTF-8 text; save it as UTF-8") from None
    if lines is None:
        raise SpecError(
            f"blocked.words_file = {uri}: {len(data):,} bytes, at most {_MOST_BYTES:,} are read"
        )
    words = [line.strip() for line in lines]
    words = [word for word in words if word and not word.startswith("#")]
    if too_long := next((word for word in words if len(word) > _LONGEST), None):
        raise SpecError(
            f"blocked.words_file = {uri}: a line of {len(too_long)} characters; expected one word "
            f"a line, at most {_LONGEST}"
        )
    return tuple(words)
