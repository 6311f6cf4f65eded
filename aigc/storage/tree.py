"""Every entry of a folder on this machine, links followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int]
"""Device and inode."""

DANGLING = "link to a file or folder that does not exist"
LOOP = "link to a folder that it lies in"
AGAIN = "link to a folder that is read elsewhere"
EMPTY = "empty folder"
UNREADABLE = "permission denied"
"""Of a folder."""
UNREADABLE_FILE = "may not be read: permission denied"
_SPECIAL = {
    stat.S_IFIFO: "named pipe, not opened",
    stat.S_IFSOCK: "socket, not opened",
    stat.S_IFCHR: "device, not opened",
    stat.S_IFBLK: "device, not opened",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored object. `key` is its path below the listed URI, with forward slashes."""

    uri: str
    key: str
    size_bytes: int
    modified_s: float
    problem: str = ""
    """Why it cannot be read; of `everything` only."""
    tag: str = ""  # the ETag on S3


@dataclass(frozen=True, slots=True)
class Found:
    """One entry. With a `problem` it is not a file that can be read."""

    path: str
    key: str
    """Below the root, as text: bytes that are not UTF-8 are written as \\xNN."""
    size_bytes: int = 0
    modified_s: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class _Folder:
    path: str
    key: str
    above: frozenset[Identity]
    """The folders it lies in and itself."""
    linked: bool = False
    """A link was followed on the way to it."""


@dataclass
class _Walk:
    read: set[Identity] = field(default_factory=set)

    def below(self, root: Path) -> Iterator[Found]:
        if not root.is_dir():
            if root.exists():
                yield _file(str(root), _text(root.name), root.stat())
            return
        real = root.resolve()
        above = frozenset(_identity(one.stat()) for one in (real, *real.parents))
        waiting = [_Folder(str(root), "", above)]
        while waiting:
            folder = waiting.pop()
            inner: list[_Folder] = []
            try:
                with os.scandir(folder.path) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                yield Found(folder.path, folder.key, problem=UNREADABLE)
                continue
            if not found and folder.key:
                yield Found(folder.path, folder.key, problem=EMPTY)
            for entry in found:
                one = self._look(entry, folder)
                if isinstance(one, _Folder):
                    inner.append(one)
                elif one:
                    yield one
            waiting += reversed(inner)

    def _look(self, entry: os.DirEntry[str], folder: _Folder) -> Found | _Folder | None:
        key = "/".join(filter(None, (folder.key, _text(entry.name))))
        link = entry.is_symlink()
        try:
            found = entry.stat()
        except FileNotFoundError:
            return Found(entry.path, key, problem=DANGLING) if link else None
        except OSError as error:
            return Found(entry.path, key, problem=error.strerror or str(error))
        if not stat.S_ISDIR(found.st_mode):
            return _file(entry.path, key, found)
        own = _identity(found)
        if own in folder.above and link:
            return Found(entry.path, key, problem=LOOP)
        # Links among linked folders could otherwise be followed along every path between them.
        if link and folder.linked and own in self.read:
            return Found(entry.path, key, problem=AGAIN)
        self.read.add(own)
        return _Folder(entry.path, key, folder.above | {own}, folder.linked or link)


def entries(root: Path) -> Iterator[Found]:
    """All files below `root`, those behind links too, and all that cannot be read as one; the files
    of a folder before its sub-folders. Nothing is opened but folders. If `root` is a file, itself.

    A link to a folder is followed unless it lies in that folder, or was reached through another
    link and leads where the walk has been: so the walk ends.
    """
    return _Walk().below(root)


def _file(path: str, key: str, found: os.stat_result) -> Found:
    problem = _SPECIAL.get(stat.S_IFMT(found.st_mode), "")
    if not problem and not os.access(path, os.R_OK):
        problem = UNREADABLE_FILE
    return Found(path, key, found.st_size, found.st_mtime, problem)


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
