"""The sets in `sets/`: finished and unfinished ones, as `aigc` 0.1.0 left them on a disk.

They were written once, by `python -m tests.golden.old_sets`, and stay as they are: what is tested
is that later code reads, verifies, shows and regenerates what users have. So only a new kind of set
is a reason to run it again, and then for that set alone.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from tests.golden.cases import Case
from tests.golden.make import Golden, Here

FOLDER = Path(__file__).parent / "sets"
ELSEWHERE = "/srv/aigc"
"""Where the sets say that they were made: a place that no reader has."""
_LARGE = ("report.png", "preview.png")
"""Left out: they are only looked at."""
_GATES = {"degenerate": True, "realism": {"percentile": 20}, "duplicates": {"distance": 4}}
_ALIKE = {"degenerate": {"min_std": 40}, "duplicates": {"distance": 8, "rmse": 64}}

FINISHED: dict[str, Case] = {
    "parquet": Case(
        "gan", {"count": 16, "shard_items": 8, "gates": _GATES, "include": ["latents", "scores"]}
    ),
    "files": Case(
        "mixture", {"briefs": "ROOT/briefs.csv", "partition_by": ["market"], "writer": "files"}
    ),
    "webdataset": Case("plain", {"writer": "webdataset", "count": 3, "micro_batch": 4}),
}
UNFINISHED: dict[str, tuple[Case, int]] = {
    "shards": (Case("vae", {"truncation": 0.8, "shard_items": 8}), 2),
    "rounds": (Case("gan", {"truncation": 0.7, "gates": _ALIKE}), 12),
}
"""What was asked for, and the units of work that were done when the job was killed."""


class _KilledError(BaseException):
    pass


def _killed_after(units: int) -> Any:
    """A worker that dies at its next unit, and leaves what it had begun to write."""
    done = 0
    hand = Here.assign

    def until_killed(here: Here, worker: object, unit: Any) -> None:
        nonlocal done
        if done == units:
            raise _KilledError
        done += 1
        hand(here, worker, unit)

    return mock.patch.object(Here, "assign", until_killed)


def _write(golden: Golden, place: str, case: Case, units: int | None = None) -> None:
    out = golden.root / "old" / place
    with mock.patch("socket.gethostname", lambda: "host"):
        if units is None:
            golden.generate(case, out)
        else:
            with contextlib.suppress(_KilledError), _killed_after(units):
                golden.generate(case, out)
            orphan = out / "data" / "part-00002-0badf00d.parquet"
            orphan.parent.mkdir(exist_ok=True)
            orphan.write_bytes(b"PAR1, and then the machine was gone")
    for name in _LARGE:
        (out / name).unlink(missing_ok=True)
    for path in out.rglob("*.json"):
        path.write_text(path.read_text().replace(str(golden.root), ELSEWHERE), encoding="utf-8")
    shutil.rmtree(FOLDER / place, ignore_errors=True)
    shutil.copytree(out, FOLDER / place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", nargs="+", help="as finished/parquet or unfinished/rounds")
    with tempfile.TemporaryDirectory(prefix="aigc-golden-") as root:
        golden = Golden(Path(root))
        for place in parser.parse_args().set:
            kind, _, name = place.partition("/")
            case, units = (FINISHED[name], None) if kind == "finished" else UNFINISHED[name]
            _write(golden, place, case, units)


if __name__ == "__main__":
    main()
