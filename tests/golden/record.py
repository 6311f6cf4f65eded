"""`python -m tests.golden.record`: write `recorded/*.json` anew from what the code makes today.

Read the difference before you commit it: each line stands for bytes that users have or will get.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.golden import api, describe, grown, rounding
from tests.golden.cases import CASES
from tests.golden.make import Golden
from tests.golden.versions import libraries

FOLDER = Path(__file__).parent / "recorded"
_SHORT = 88
_HEADER = "libraries"
Record = dict[str, Any]


def groups() -> dict[str, Callable[[Golden], Record]]:
    """What each file of `recorded/` holds, by its name: digests of a model's sets, and the rest."""
    families = dict.fromkeys(name.partition("/")[0] for name in CASES)
    sets = {f"sets-{family}": _sets_of(family) for family in families}
    return sets | {
        "details": _details,
        "grown": grown.described,
        "api": api.answers,
        "rounding": lambda golden: read("rounding").get("found", {}) | rounding.described(golden),
    }


def read(group: str) -> Record:
    """A recorded file; empty when there is none."""
    path = FOLDER / f"{group}.json"
    found: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def dump(value: Any, depth: int = 0) -> str:
    """JSON with what is short on one line, and else a line for each item."""
    line = json.dumps(value, ensure_ascii=False)
    plain = not isinstance(value, Mapping | list) or not value
    nested = depth < 2 or len(line) + depth > _SHORT
    if plain or not nested:
        return line
    pad, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, list):
        return "[" + pad + f",{pad}".join(dump(item, depth + 1) for item in value) + end + "]"
    items = (
        f"{json.dumps(name, ensure_ascii=False)}: {dump(item, depth + 1)}"
        for name, item in value.items()
    )
    return "{" + pad + f",{pad}".join(items) + end + "}"


def _sets_of(family: str) -> Callable[[Golden], Record]:
    names = [name for name in CASES if name.partition("/")[0] == family]
    return lambda golden: {
        name: describe.summary(golden, CASES[name], golden.made(name)) for name in names
    }


def _details(golden: Golden) -> Record:
    names = [name for name, case in CASES.items() if case.detailed]
    return {name: describe.details(golden, CASES[name], golden.made(name)) for name in names}


def main() -> None:
    known = groups()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", nargs="*", help=f"of {', '.join(known)}; all unless named")
    wanted = parser.parse_args().group or list(known)
    if unknown := {*wanted} - {*known}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aigc-golden-") as root:
        golden = Golden(Path(root))
        for group in wanted:
            before = read(group)
            value = {_HEADER: libraries(), "found": known[group](golden)}
            path = FOLDER / f"{group}.json"
            path.write_text(dump(value) + "\n", encoding="utf-8")
            print(f"{path.name}: {'as before' if before == value else 'changed'}")  # noqa: T201


if __name__ == "__main__":
    main()
