"""All entries of a source, and which of them are left out before anything is read, and why.

The same names are left out of every kind of source. What is left out is counted by its reason.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aigc import storage
from aigc.errors import DataError, shown
from aigc.specs import PrepareSpec
from aigc.storage import tree

HIDDEN = "hidden"
MACHINE_MADE = "made by a system or program"
MATCHES = "matches ignore"
DOCUMENT = "document"
DESCRIBES = "describes other files"
TWICE = "replaced by a later member of the archive"
_NO_INPUTS = {tree.LOOP, tree.AGAIN, tree.EMPTY, TWICE}
"""Problems of entries that hide no input: what they lead to is read elsewhere or is nothing."""

_MACHINE_MADE = re.compile(
    "|".join(
        (
            "__macosx|@eadir|@tmp|@recycle|@recently-snapshot|@__thumb|#recycle|#snapshot",
            r"\$recycle\.bin|recycler|system volume information|lost\+found|found\.\d{3}",
            r"(eh)?thumbs(_vista)?\.db(:encryptable)?|desktop\.ini|icon\r|picasa\.ini|zbthumbnail\.info",
            "network trash folder|temporary items|synofile_thumb.*|synophoto_.*|_gsdata_",
            "__pycache__|node_modules|wpsettings.dat|indexervolumeguid",
            r".*:zone\.identifier|.*\.lnk|~\$.*|.*~|.*\.(tmp|part|partial|crdownload|download|swp)",
            r"_success|_temporary|_delta_log|(_started|_committed)_\d.*|_common_metadata|_metadata",
        )
    ),
    re.IGNORECASE,
)
_DOCUMENTS = {
    ".txt",
    ".md",
    ".rst",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".xml",
    ".yaml",
    ".yml",
    ".toml",
    ".ini",
    ".cfg",
    ".log",
    ".html",
    ".htm",
    ".css",
    ".js",
    ".py",
    ".ipynb",
    ".sh",
    ".bat",
    ".m",
    ".mat",
    ".pkl",
    ".pickle",
    ".npy",
    ".npz",
    ".pt",
    ".pth",
    ".h5",
    ".hdf5",
    ".db",
    ".sqlite",
    ".parquet",
    ".arrow",
    ".feather",
    ".xls",
    ".xlsx",
    ".ods",
    ".doc",
    ".docx",
    ".odt",
    ".rtf",
    ".md5",
    ".sha1",
    ".sha256",
    ".sfv",
    ".url",
    ".caption",
    ".cls",
    ".xmp",
    ".aae",
    ".torrent",
}
_DOCUMENT_NAMES = {"license", "licence", "readme", "sha256sums", "md5sums", "copying", "notice"}


@dataclass
class Ignored:
    """Entries that are left out, each with its reason."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    """(key, reason)"""

    def add(self, reason: str, key: str) -> None:
        self.entries.append((key, reason))

    @property
    def counts(self) -> dict[str, int]:
        """By reason, the most frequent first."""
        counts = Counter(reason for _, reason in self.entries)
        return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    def __str__(self) -> str:
        """'3 hidden (.a.png), 1 empty folder (b)'; empty when nothing is left out."""
        examples = {reason: key for key, reason in sorted(self.entries, reverse=True)}
        return ", ".join(
            f"{count:,} {reason} ({shown(examples[reason])})"
            for reason, count in self.counts.items()
        )

    def keep(
        self, entries: Sequence[storage.Entry], reason: Callable[[str], str]
    ) -> list[storage.Entry]:
        """Those of `entries` for whose key `reason` says nothing; the others are counted."""
        kept = []
        for entry in entries:
            if why := reason(entry.key):
                self.add(why, entry.key)
            else:
                kept.append(entry)
        return kept


@dataclass(frozen=True)
class Entries:
    files: list[storage.Entry]
    """Those that can be read, but for what is ignored."""
    unreadable: list[storage.Entry]
    """Dangling links, pipes, sockets, devices: in the place of a file, with the problem."""
    ignored: Ignored


def read(uri: str, spec: PrepareSpec, found: Sequence[storage.Entry]) -> Entries:
    """Divide what was `found` at `uri`.

    Raises:
        DataError: a folder that is not ignored cannot be read.
    """
    ignored = Ignored()
    files: list[storage.Entry] = []
    unreadable: list[storage.Entry] = []
    for entry in ignored.keep(found, lambda key: reason_to_ignore(key, spec.ignore)):
        if entry.problem in _NO_INPUTS:
            ignored.add(entry.problem, entry.key)
        elif entry.problem == tree.UNREADABLE:
            raise DataError(
                f"{shown(storage.join(uri, entry.key))}: permission denied; change the folder's "
                "rights, or name it in ignore"
            )
        else:
            (unreadable if entry.problem else files).append(entry)
    return Entries(files, unreadable, ignored)


def reason_to_ignore(key: str, patterns: Sequence[str] = ()) -> str:
    """Why the entry `key` is left out of any source; empty when it is not."""
    parts = key.split("/")
    if any(_matches(parts, pattern) for pattern in patterns):
        return MATCHES
    if any(_MACHINE_MADE.fullmatch(part) for part in parts):
        return MACHINE_MADE
    if any(part.startswith("._") for part in parts):
        return MACHINE_MADE
    return HIDDEN if any(part.startswith(".") for part in parts) else ""


def first_of_meaning(uri: str) -> str:
    """The first file below `uri` that is not hidden or machine-made; empty when there is none."""
    keys = (entry.key for entry in storage.listing(uri))
    return next((key for key in keys if not reason_to_ignore(key)), "")


def is_document(key: str) -> bool:
    """Whether a file's name says that it is no input, but text or data."""
    name = name_of(key).lower()
    stem, dot, suffix = name.rpartition(".")
    return (bool(stem) and dot + suffix in _DOCUMENTS) or name in _DOCUMENT_NAMES


def name_of(key: str) -> str:
    """The last part of a key."""
    return key.rpartition("/")[2]


def _matches(parts: list[str], pattern: str) -> bool:
    """A pattern with a slash matches the path or a folder above it; without, any name in it."""
    if "/" not in pattern.strip("/"):
        return any(fnmatch.fnmatchcase(part, pattern.strip("/")) for part in parts)
    paths = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return any(fnmatch.fnmatchcase(path, pattern.strip("/")) for path in paths)
