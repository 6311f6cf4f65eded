"""The lines of an audit log: what each holds, and how the chain between them is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FIELDS = ("n", "at", "what", "who", "about", "before")


@dataclass(frozen=True)
class Head:
    """The last line of a log: its number, from 1, and the SHA-256 of its bytes without the line
    end."""

    number: int = 0
    sha256: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Head | None:
        """What `str` made of a head; None when `text` is something else."""
        number, _, digest = text.strip().partition(":")
        known = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        return cls(int(number), digest) if number.isdecimal() and known else None


@dataclass(frozen=True)
class Problem:
    """What is wrong at line `line`, counted from 1 in the file; 0 for the file as a whole."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True)
class Verdict:
    """What a check of a log found: its lines, its last one, and what is wrong with it."""

    lines: int = 0
    head: Head = Head()
    problems: list[Problem] = field(default_factory=list)


def written(before: Head, what: str, who: str, about: Mapping[str, Any]) -> bytes:
    """The line that follows `before`, without the line end."""
    values = {
        "n": before.number + 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "what": what,
        "who": who,
        "about": dict(about),
        "before": before.sha256,
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=True, default=str).encode()


def head_of(line: bytes) -> Head | None:
    """The head that `line` is; None when it is no line of an audit log."""
    number = _number(line)
    return None if number is None else Head(number, hashlib.sha256(line).hexdigest())


def check(lines: Iterable[bytes], kept: Head | None = None) -> Verdict:
    """Follow the chain through `lines`, which have no line ends; `kept` is a head that was written
    down elsewhere, after some earlier line or after the last one."""
    problems: list[Problem] = []
    head, count, reached = Head(), 0, kept is None or not kept.number
    for count, line in enumerate(lines, 1):
        found = head_of(line)
        if found is None:
            problems.append(Problem(count, "is not a line of an audit log, or is damaged"))
            head = Head(head.number + 1, hashlib.sha256(line).hexdigest())
            continue
        if problem := _broken(head, found, line):
            problems.append(Problem(count, problem))
        head = found
        if kept is not None and found.number == kept.number:
            reached = True
            if found != kept:
                problems.append(Problem(count, "was edited: it is not the line of the kept head"))
    if not reached and kept is not None:
        text = f"lines up to {kept.number} were written, the last one here is {head.number}"
        problems.append(Problem(0, f"{text}: lines were removed from the end"))
    return Verdict(count, head, problems)


def _broken(before: Head, found: Head, line: bytes) -> str:
    """Why `found` does not follow `before`; empty if it does."""
    if found.number > before.number + 1:
        return f"follows line {before.number} as number {found.number}: lines were removed"
    if found.number <= before.number:
        return f"follows line {before.number} as number {found.number}: lines were reordered"
    if json.loads(line)["before"] != before.sha256:
        return f"does not hold the hash of line {before.number}: that line was edited"
    return ""


def _number(line: bytes) -> int | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    if not isinstance(values, dict) or not set(FIELDS) <= values.keys():
        return None
    number = values["n"]
    return number if isinstance(number, int) and number > 0 else None
