from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from aigc.errors import SpecError
from tests.job.briefs.helpers import read_file, write_lines
from tests.models_for_tests import tiny_config


def request(custom_id: object, body: object, **line: object) -> dict:
    fixed = {"custom_id": custom_id, "method": "POST", "url": "/v1/images/generations"}
    return fixed | {"body": body} | line


def test_requests_become_briefs(tmp_path: Path) -> None:
    full = {
        "model": "tiny",
        "prompt": "Three",
        "n": 3,
        "size": "64x32",
        "output_format": "webp",
        "output_compression": 80,
        "seed": 5,
        "truncation": 0.7,
        "response_format": "url",
        "user": "u-1",
        "quality": "high",
        "background": None,
    }
    rows = [
        request(" a ", full),
        request("b", {"prompt": "ones beside twos", "size": "auto"}),
        request("c", {"prompt": "anything", "labels": {"zero": 2, "one": 1}, "n": 3}),
    ]
    briefs, rejects = read_file(write_lines(tmp_path / "b.jsonl", rows), max_rejects=0)
    assert not rejects
    assert briefs.openai
    first, second, _ = briefs.table.to_pylist()
    expected = {"brief_id": " a ", "count": 3, "seed": 5, "truncation": 0.7, "quality": 80}
    expected |= {"width": 64, "height": 32, "codec": "webp", "prompt": "Three"}
    assert first.items() >= (expected | {"response_format": "url"}).items()
    assert second.items() >= {"count": 1, "width": 16, "codec": "png"}.items()
    assert briefs.own == ("prompt", "response_format", "ignored")
    assert briefs.table["ignored"].to_pylist() == ["quality", None, None]
    assert briefs.keys(np.arange(7)).conditions["label"].tolist()[:4] == [3, 3, 3, 1]
    assert sorted(briefs.keys(np.arange(4, 7)).conditions["label"].tolist()) == [0, 0, 1]


def test_a_prompt_may_use_the_models_synonyms(tmp_path: Path) -> None:
    config = tiny_config().model_copy(update={"synonyms": {"nil": "zero"}})
    path = write_lines(tmp_path / "b.jsonl", [request("a", {"prompt": "a nil"})])
    briefs, rejects = read_file(path, config, max_rejects=0)
    assert not rejects
    assert briefs.keys(np.arange(1)).conditions["label"].tolist() == [0]


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("{", "invalid_json", "not JSON"),
        (request("x", {"prompt": "a car"}), "unknown_label", "'a car'.*zero, one, two, three"),
        (request("x", {"labels": ["tow"]}), "unknown_label", "did you mean 'two'"),
        (request("x", {"prompt": "one", "steps": 4, "cfg": 1}), "unknown_parameter", "steps, cfg:"),
        (request("x", {"prompt": "one", "model": "dall-e-3"}), "model_not_found", "job has 'tiny'"),
        (request("x", {"prompt": "one", "n": 0}), "invalid_value", "^n = 0: .*greater"),
        (request("x", {"prompt": "one", "size": "big"}), "invalid_value", "^size = 'big'"),
        (request("x", {"prompt": "one", "size": "99999x1"}), "invalid_value", "size = '99999'"),
        (request("x", {"prompt": "one", "output_format": "gif"}), "invalid_value", "output_format"),
        (request("x", {"prompt": "one", "output_format": "raw"}), "invalid_value", "'raw'.*png"),
        (
            request("x", {"prompt": "one", "output_compression": 50}),
            "invalid_value",
            "^output_compression = 50: has no effect on codec png",
        ),
        (
            request("x", {"prompt": "one", "output_compression": -1}),
            "invalid_value",
            "compression = -1",
        ),
        (
            request("x", {"prompt": "one", "response_format": "x"}),
            "invalid_value",
            "^response_format = 'x'",
        ),
        (request("x", {"prompt": ["one"]}), "invalid_value", "^prompt: .*string"),
        (request("x", ["one"]), "invalid_value", "body: expected"),
        (request("", {"prompt": "one"}), "invalid_value", "custom_id: missing"),
        (request("good", {"prompt": "one"}), "duplicate", "line 1 has it already|row 1"),
        (request("x", {"prompt": "one"}, url="/v1/embeddings"), "invalid_url", "/v1/images"),
    ],
)
def test_a_request_that_cannot_be_made_is_a_reject(
    tmp_path: Path, line: object, code: str, reason: str
) -> None:
    path = write_lines(tmp_path / "b.jsonl", [request("good", {"prompt": "one"}), line])
    briefs, (reject,) = read_file(path)
    assert briefs.table["brief_id"].to_pylist() == ["good"]
    assert (reject.row, reject.code) == (2, code)
    assert re.search(reason, reject.reason)
    if isinstance(line, dict):
        assert reject.brief_id == (line["custom_id"] or None)


def test_a_batch_is_one_though_its_first_lines_are_broken(tmp_path: Path) -> None:
    rows = ['{"custom_id": "a", "body": {', "[1]", request("b", {"prompt": "one"})]
    briefs, rejects = read_file(write_lines(tmp_path / "b.jsonl", rows))
    assert briefs.openai
    assert briefs.table["brief_id"].to_pylist() == ["b"]
    assert [reject.row for reject in rejects] == [1, 2]


def test_an_unconditional_model_takes_any_prompt(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "b.jsonl", [request("a", {"prompt": "a car", "n": 2})])
    briefs, rejects = read_file(path, tiny_config(labels=()))
    assert not rejects
    assert briefs.keys(np.arange(2)).conditions == {}


def test_a_model_by_its_place_is_known_by_its_name(tmp_path: Path) -> None:
    models = ("s3://b/models/tiny/3", "tiny@3", "tiny")
    rows = [request(model, {"model": model, "prompt": "one"}) for model in models]
    path = write_lines(tmp_path / "b.jsonl", rows)
    assert len(read_file(path, model="s3://b/models/tiny/3", max_rejects=0)[0].table) == 3


def test_raw_pixels_are_no_response(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "b.jsonl", [request("a", {"prompt": "one"})])
    with pytest.raises(SpecError, match="codec = raw"):
        read_file(path, codec="raw")
