"""One exception tree for everything a user can get wrong or a job can run into.

AigcError
 ├── SpecError      what was asked for cannot be right: a field, a flag, a label
 │    └── BlockedError    it is on the list of what may not be asked for
 ├── DataError      the input data is missing, unreadable or unfit
 ├── StorageError   a path or bucket cannot be reached, read or written
 │    ├── DiskFullError   there is no room left where the output goes
 │    └── DamagedError    what is there is not what was written there
 ├── StoreError     a model is missing, damaged or not what was expected
 ├── CredentialsError  files cannot be signed: key, certificate or time-stamp authority
 ├── AuditError     the audit log cannot be written, or lines of it are missing
 ├── JobError       the job started and could not be finished
 │    └── GatesError      its gates refuse nearly everything the model makes
 └── PlacementError the cluster can never run this job

A message is one line: what, where, and what would be right. The command line prints it and exits
with `exit_code`; it never prints a traceback for one of these.
"""

import unicodedata
from collections.abc import Collection
from itertools import islice

_MOST_CHARACTERS = 60


class AigcError(Exception):
    exit_code = 2

    def __str__(self) -> str:
        return shown(super().__str__())


class SpecError(AigcError):
    pass


class BlockedError(SpecError):
    pass


class DataError(AigcError):
    pass


class StorageError(AigcError):
    pass


class DiskFullError(StorageError):
    exit_code = 1


class DamagedError(StorageError):
    pass


class StoreError(AigcError):
    pass


class CredentialsError(AigcError):
    pass


class AuditError(AigcError):
    pass


class JobError(AigcError):
    exit_code = 1


class GatesError(JobError):
    pass


class PlacementError(AigcError):
    pass


def shown(text: str) -> str:
    """`text` in one line that any file or terminal in UTF-8 takes: control characters, and bytes of
    file names that are not UTF-8, as escapes."""
    if text.isascii() and text.isprintable():
        return text
    unfit = ("Cc", "Cs", "Zl", "Zp")
    return "".join(_escaped(c) if unicodedata.category(c) in unfit else c for c in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else repr(letter)[1:-1]


def listed(names: Collection[object], most: int = 10) -> str:
    """'a, b, c' for a message; of many the first, and how many more there are."""
    texts = [str(name) for name in islice(names, most)]
    short = [t if len(t) <= _MOST_CHARACTERS else f"{t[:_MOST_CHARACTERS]}…" for t in texts]
    rest = len(names) - len(short)
    return ", ".join(short) + (f" and {rest:,} more" if rest > 0 else "")
