from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from aigc.data.dataset import open_dataset
from aigc.errors import DataError, SpecError
from aigc.training import checkpoint
from aigc.training.runs import begun, check_enough, is_finished, model_config
from tests.training.helpers import tiny_spec


def test_synonyms_go_into_the_model_and_make_no_other_run(digits_data: str, tmp_path: Path) -> None:
    dataset = open_dataset(digits_data)
    word, label = "aught", dataset.labels[0]
    spec = tiny_spec(digits_data, tmp_path, synonyms={word: label})
    assert model_config(spec, dataset).synonyms == {word: label}
    checkpoint.claim(spec, dataset.digest)
    checkpoint.claim(tiny_spec(digits_data, tmp_path), dataset.digest)


def test_how_the_data_was_brought_into_shape_is_kept_in_the_model(
    digits_data: str, tmp_path: Path
) -> None:
    dataset = open_dataset(digits_data)
    spec = tiny_spec(digits_data, tmp_path)
    assert "background" not in model_config(spec, dataset).model_dump()
    shape = dataset.info["spec"] | {"fit": "pad", "background": "#336699"}
    other = dataclasses.replace(dataset, info=dataset.info | {"spec": shape})
    kept = model_config(spec, other).model_dump()
    assert (kept["fit"], kept["background"]) == ("pad", "#336699")


def test_a_synonym_of_no_label_is_one_line_before_the_run_begins(
    digits_data: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=r"^synonyms: 'aught' means 'null', .* labels: 0, 1, 2"):
        is_finished(tiny_spec(digits_data, tmp_path / "run", synonyms={"aught": "null"}))
    assert not (tmp_path / "run").exists()


def test_too_few_pictures_are_one_line(digits_data: str) -> None:
    dataset = open_dataset(digits_data)
    check_enough(dataset)
    few = dataclasses.replace(dataset, info=dataset.info | {"counts": {"train": 3, "test": 0}})
    with pytest.raises(DataError, match="3 training images; training needs at least 20"):
        check_enough(few)


def test_what_a_run_began_with_is_known_afterwards(digits_data: str, tmp_path: Path) -> None:
    assert begun(str(tmp_path)) is None
    spec = tiny_spec(digits_data, tmp_path, lr=0.123)
    checkpoint.claim(spec, "digest")
    known = begun(str(tmp_path))
    assert known is not None
    assert known["lr"] == 0.123
    assert known.keys() <= spec.model_dump().keys()
