"""Public data sets, downloaded from a fixed address and checked against a fixed sha256.

`SETS` names them. Each writes a folder that `aigc data prepare` reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aigc.data.fetch import digits, drums, emoji, fashion, furniture
from aigc.data.fetch.options import FetchOptions, Say
from aigc.errors import SpecError

__all__ = ["SETS", "FetchOptions", "fetch"]

SETS: dict[str, Callable[[Path, FetchOptions, Say], bool]] = {
    "fashion-mnist": fashion.fetch,
    "digits": digits.fetch,
    "emoji": emoji.fetch,
    "furniture": furniture.fetch,
    "drums": drums.fetch,
}


def fetch(
    name: str,
    folder: str,
    say: Say = lambda line: None,
    options: FetchOptions | None = None,
) -> bool:
    """Fetch the set `name` of `SETS` into `folder`; False when it was there and right.

    Raises:
        SpecError: there is no such set, it does not take one of the options, or the folder holds
            something else.
        DataError: its bytes cannot be had.
        StorageError: the folder cannot be written.
    """
    if name not in SETS:
        raise SpecError(f"name = {name!r}: expected one of {', '.join(SETS)}")
    return SETS[name](Path(folder), options or FetchOptions(), say)
