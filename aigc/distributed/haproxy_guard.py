"""Edits the HAProxy configuration written by Ray, then becomes HAProxy.

Ray starts this file in place of HAProxy, by path and without site packages, so it uses only the
standard library. Ray's configuration exposes metrics and statistics on every interface and the
admin socket to every user, and Ray has no settings for that; so its lines are edited. An edit
without a matching line means that this Ray writes another configuration: then nothing is started.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SECTION = re.compile(r"(global|defaults|frontend|backend|listen|peers|resolvers)\b")
_CLOSED = re.compile(r"bind (127\.0\.0\.1:|unix@|/)")
_OPEN_SECTIONS = ("frontend http_frontend", "frontend grpc_frontend")
"""Sections that may listen for other machines; all others must listen on this one only."""
_SPARE_FILES = 1000
_SET_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG."""


class UnknownConfigError(Exception):
    """Ray's configuration does not match the edits; the message names the section."""


@dataclass(frozen=True)
class ConfigEdit:
    """Replacement for each line that `find` matches."""

    section: str
    """The first line of its section, as `frontend http_frontend`; empty: any section."""
    find: str
    lines: tuple[str, ...] = ()
    place: Literal["instead", "before", "after"] = "instead"
    least: int = 1
    """Least number of lines that must match."""
    only_with: str = ""
    """If set and this section is missing, no line has to match."""


LOCAL_ONLY = (
    ConfigEdit("frontend prometheus", r" *bind :(\d+)", (r"    bind 127.0.0.1:\1",)),
    ConfigEdit("listen stats", r" *bind \*:(\d+)", (r"  bind 127.0.0.1:\1",)),
    ConfigEdit("global", r"( *stats socket .*)mode 666(.*)", (r"\1mode 600\2",)),
)


def edited(config: str, edits: Sequence[ConfigEdit]) -> str:
    """Apply the edits. Raises UnknownConfigError: too few matches, or an open port remains."""
    lines = config.splitlines()
    for edit in edits:
        lines = _applied(lines, edit)
    for section, line in _in_sections(lines):
        bound = line.strip()
        if bound.startswith("bind ") and section not in _OPEN_SECTIONS and not _CLOSED.match(bound):
            raise UnknownConfigError(f"in {section!r}, {bound!r} is open to other machines")
    return "\n".join(lines) + "\n"


def _applied(lines: Sequence[str], edit: ConfigEdit) -> list[str]:
    found, matched = list[str](), 0
    for section, line in _in_sections(lines):
        match = re.fullmatch(edit.find, line) if edit.section in ("", section) else None
        if match is None:
            found.append(line)
            continue
        matched += 1
        before = [line] if edit.place == "after" else []
        after = [line] if edit.place == "before" else []
        instead = edit.place == "instead"
        found += [*before, *(match.expand(e) if instead else e for e in edit.lines), *after]
    needed = not edit.only_with or edit.only_with in lines
    if needed and matched < edit.least:
        raise UnknownConfigError(f"in {edit.section or 'any section'!r}, no line is {edit.find!r}")
    return found


def _in_sections(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    section = ""
    for line in lines:
        if _SECTION.match(line):
            section = line.strip()
        yield section, line


def refusal(error: object, ray: str) -> str:
    return (
        f"proxy: aigc cannot edit the HAProxy configuration of Ray {ray}: {error}; install the "
        "version of Ray that aigc requires, or set proxy = ray"
    )


def ray_version(folder: str) -> str:
    """Version of the Ray installed in `folder`."""
    text = Path(folder, "_version.py").read_text(encoding="utf-8")
    found = re.search(r'version = "([^"]+)"', text)
    return found[1] if found else "of unknown version"


def _clients(most: int) -> int:
    """Number of connections that the limit of open files allows, at most `most`."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files == resource.RLIM_INFINITY or files >= most + _SPARE_FILES:
        return most
    return files - _SPARE_FILES if files > 2 * _SPARE_FILES else files // 2


def main(settings: str, arguments: list[str]) -> None:
    """Edit the configuration files of `arguments` and execute HAProxy.

    Its own process group keeps a terminal's Ctrl-C from HAProxy. (In its own session, which Linux
    schedules as one autogroup, it stalled for a second on a shared core.) When the parent process
    ends, HAProxy closes its port, finishes its requests and exits.
    """
    guard_settings = json.loads(Path(settings).read_text(encoding="utf-8"))
    edits = [
        ConfigEdit(**{**each, "lines": tuple(each["lines"])}) for each in guard_settings["edits"]
    ]
    most = ConfigEdit(
        "global", " *maxconn .*", (f"    maxconn {_clients(guard_settings['most_clients'])}",)
    )
    for option, file in itertools.pairwise(arguments):
        if option == "-f":
            try:
                text = edited(Path(file).read_text(encoding="utf-8"), [*LOCAL_ONLY, most, *edits])
            except UnknownConfigError as error:
                sys.exit(refusal(error, ray_version(guard_settings["ray"])))
            Path(file).write_text(text, encoding="utf-8")
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGUSR1)
    os.setpgid(0, 0)
    os.execv(guard_settings["binary"], [guard_settings["binary"], *arguments])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
