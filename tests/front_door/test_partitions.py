"""Columns that a set is partitioned by: what others read in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from aigc.job.briefs import read
from aigc.output import schema
from aigc.specs import GenerateSpec
from tests.models_for_tests import tiny_config

VALUES = {
    "leading zeros": ["01", "02"],
    "numbers": ["1", "2"],
    "large numbers": ["00000000000000000012345", "9" * 30],
    "decimals": ["1.50", "1.5"],
    "exponents": ["1e3", "0x10"],
    "dates": ["2026-01-02", "2026-01-03"],
    "times": ["2026-01-02T03:04:05", "03:04"],
    "flags": ["true", "FALSE"],
    "nothing by name": ["null", "None", "NaN", "__HIVE_DEFAULT_PARTITION__"],
    "equals signs": ["a=b", "=", "market=se"],
    "slashes": ["a/b", "../up", "."],
    "splits": ["test", "train", "validation"],
    "blanks and signs": ["a b", "50% off", "ö+é", "a[1]*?"],
}


def written(root: Path, values: list[str]) -> dict[str, str]:
    """The files of a set of these briefs, but for their pictures; each brief's value."""
    root.mkdir()
    table = root / "briefs.csv"
    lines = [f'b{at},"{value}"' for at, value in enumerate(values)]
    table.write_text("\n".join(["brief_id,market", *lines]), encoding="utf-8")
    asked = GenerateSpec(
        model="tiny", out=str(root), briefs=str(table), count=1, partition_by=("market",)
    )
    found = read(asked, tiny_config())
    assert not found.rejects
    briefs = found.briefs
    kept = briefs.table.select(schema._carried(briefs))
    for number, (start, stop, folder) in enumerate(briefs.partitions(["market"])):
        path = root / "data" / folder / f"part-{number:05d}.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(kept.slice(start, stop - start), path)
    return {f"b{at}": value for at, value in enumerate(values)}


def by_datasets(root: Path) -> list[dict[str, Any]]:
    import datasets

    files, cache = f"{root}/data/**/*.parquet", str(root / "cache")
    return list(datasets.load_dataset("parquet", data_files=files, cache_dir=cache, split="train"))


def by_duckdb(root: Path, **options: Any) -> list[dict[str, Any]]:
    found = duckdb.read_parquet(f"{root}/data/**/*.parquet", **options)
    return found.to_arrow_table().to_pylist()


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "datasets": by_datasets,
    "duckdb": by_duckdb,
    "duckdb, hive": lambda root: by_duckdb(root, hive_partitioning=True),
    "pandas": lambda root: pd.read_parquet(root / "data").to_dict("records"),
    "polars": lambda root: polars.read_parquet(root / "data", hive_partitioning=True).to_dicts(),
    "pyarrow": lambda root: pq.read_table(root / "data").to_pylist(),
    "pyarrow, hive": lambda root: (
        ds.dataset(root / "data", partitioning="hive").to_table().to_pylist()
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", VALUES)
def test_every_reader_finds_the_column(
    kind: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    right = written(tmp_path / "set", VALUES[kind])
    found = READERS[reader](tmp_path / "set")
    assert {row["brief_id"]: row["market"] for row in found} == right


def test_columns_keep_their_types(tmp_path: Path) -> None:
    table = pa.table(
        {"brief_id": ["a", "b"], "market": [1, 2], "big": [True, False], "price": [0.5, 1.0]}
    )
    pq.write_table(table, tmp_path / "briefs.parquet")
    names = ("market", "big", "price")
    asked = GenerateSpec(
        model="tiny",
        out=str(tmp_path),
        briefs=str(tmp_path / "briefs.parquet"),
        count=1,
        partition_by=names,
    )
    briefs = read(asked, tiny_config()).briefs
    assert briefs.table.select(names).schema.types == table.select(names).schema.types
    assert [folder for *_, folder in briefs.partitions(names)] == [
        "market-1/big-true/price-0.5",
        "market-2/big-false/price-1.0",
    ]
