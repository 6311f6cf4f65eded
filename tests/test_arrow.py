"""Arrow arrays by their memory: equal to what `pyarrow.array` makes, and without pandas."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from aigc import arrow


def test_arrays_are_those_that_pyarrow_makes() -> None:
    sliced = np.arange(20)[::3]
    assert arrow.numbers(sliced).equals(pa.array(sliced))
    assert arrow.numbers(np.array([1.5], np.float32)).equals(pa.array([1.5], pa.float32()))
    flags = [True, False] * 9
    assert arrow.flags(flags).equals(pa.array(flags))
    assert arrow.files([b"", b"abc", b"\x00"]).equals(pa.array([b"", b"abc", b"\x00"]))
    assert arrow.texts(["é", "", "b"]).equals(pa.array(["é", "", "b"]))
    assert arrow.texts([]).equals(pa.array([], pa.string()))


def test_values_come_back() -> None:
    column = pa.chunked_array([[1, 2], [], [3]], pa.int64())
    assert arrow.values(column).tolist() == [1, 2, 3]
    assert arrow.values(column.slice(1).combine_chunks()).tolist() == [2, 3]
    assert arrow.values(pa.chunked_array([], pa.int64())).dtype == np.int64


def test_too_much_for_one_array_is_refused() -> None:
    piece = bytes(2**24)
    with pytest.raises(ValueError, match="do not fit"):
        arrow.files([piece] * 128)


def test_a_set_is_made_and_closed_without_pandas_and_without_torchs_compiler(tmp_path) -> None:
    """They take half a second and one and a half to import, in every worker."""
    program = f"""
import sys
from tests.sets.conftest import SetMaker
SetMaker().finished({str(tmp_path / "set")!r})
assert not {{"pandas", "torch._dynamo"}} & set(sys.modules)
"""
    environment = os.environ | {"AIGC_STORE": str(tmp_path / "store")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
