"""Files of briefs as users write them, and specs that read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from aigc.job.briefs import Briefs, Reject, read
from aigc.specs import GenerateSpec
from tests.models_for_tests import tiny_config

CONFIG = tiny_config()


def spec(path: Path | str, **options) -> GenerateSpec:
    return GenerateSpec.model_validate(
        {"model": "tiny@3", "out": "out", "briefs": str(path), "max_rejects": 0.99} | options
    )


def read_file(path: Path | str, config=CONFIG, **options) -> tuple[Briefs, list[Reject]]:
    found = read(spec(path, **options), config)
    return found.briefs, found.rejects


def write_csv(path: Path, header: list[str], rows: list[list]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_lines(path: Path, rows: list) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
