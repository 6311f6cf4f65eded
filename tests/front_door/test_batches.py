"""Requests as clients send them: a line of a batch file and a body sent to the endpoint say the
same, and what cannot be had is refused or said."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from aigc.errors import SpecError
from aigc.job.briefs import Reading, read
from aigc.job.plan import Job
from aigc.sets.openai_batch import _refusal
from aigc.specs.requests import Generation
from tests.endpoint.conftest import client as client  # noqa: PLC0414
from tests.endpoint.conftest import models as models  # noqa: PLC0414
from tests.front_door.tables import csv, json_lines, packed
from tests.job.briefs.helpers import spec
from tests.models_for_tests import LABELS, tiny_config

GENERATIONS = "/v1/images/generations"
EVERY = ["zero", "one", "two", "three"]


@dataclass(frozen=True)
class Asked:
    """The body of a request, with model and seed if it has none.

    Attributes:
        labels: of its pictures.
        index: the counter of the first one.
        ignored: fields that have no effect, as the answer says.
        refused: (code, pattern of the message, field), else it is made.
    """

    body: dict[str, Any]
    labels: list[str] = field(default_factory=lambda: ["two"])
    index: int = 0
    ignored: tuple[str, ...] = ()
    refused: tuple[str, str, str] | None = None
    fixed: bool = True

    @property
    def whole(self) -> dict[str, Any]:
        return {
            "model": "tiny",
            "seed": 5,
            **({"prompt": "two"} if self.fixed else {}),
            **self.body,
        }


def bad(body: dict[str, Any], code: str, pattern: str, named: str) -> Asked:
    return Asked(body, refused=(code, pattern, named))


WITHOUT = ("auto", "low", "medium", "high", "hd", "standard")
REQUESTS = {
    "a prompt": Asked({}),
    "nothing": Asked({"n": 4}, EVERY, fixed=False),
    "an empty prompt": Asked({"prompt": " ", "n": 4}, EVERY),
    "a plural": Asked({"prompt": "twos"}),
    "two labels": Asked({"prompt": "one and two", "n": 2}, ["one", "two"]),
    "labels": Asked({"labels": ["one", "two"], "n": 3}, ["one", "two", "one"]),
    "shares": Asked({"labels": {"one": 2, "two": 1}, "n": 3}, ["one", "two", "one"]),
    "labels and a prompt": Asked({"labels": ["one"]}, ["one"]),
    "a label of another case": Asked({"labels": ["TWO"]}),
    "an index": Asked({"index": 7, "n": 2}, ["two", "two"], 7),
    "an index and labels": Asked({"index": 1, "labels": ["one", "two"], "n": 2}, ["two", "one"], 1),
    "no stream": Asked({"stream": False}),
    "no partial images": Asked({"partial_images": 0}),
    "partial images": Asked({"partial_images": 2}, ignored=("partial_images",)),
    "a safety identifier": Asked({"safety_identifier": "u-1"}),
    "a user": Asked({"user": "u-1"}),
    **{
        f"quality {value}": Asked({"quality": value}, ignored=("quality",) * (value != "auto"))
        for value in WITHOUT
    },
    "a style": Asked({"style": "vivid"}, ignored=("style",)),
    "moderation": Asked({"moderation": "low"}, ignored=("moderation",)),
    "two without effect": Asked(
        {"quality": "hd", "style": "natural"}, ignored=("quality", "style")
    ),
    "opaque": Asked({"background": "opaque"}),
    "background auto": Asked({"background": "auto"}),
    "nulls": Asked(dict.fromkeys(("n", "size", "background", "quality", "index", "stream"))),
    "the least compression": Asked({"output_compression": 0, "output_format": "jpeg"}),
    "the most compression": Asked({"output_compression": 100, "output_format": "webp"}),
    "a size": Asked({"size": "24x32"}),
    "a size of its own": Asked({"size": "auto"}),
    "a truncation": Asked({"truncation": 1}),
    "a model with its version": Asked({"model": "tiny@v1"}),
    "transparent": bad({"background": "transparent"}, "not_supported", "opaque", "background"),
    "another background": bad({"background": "white"}, "invalid_value", "white", "background"),
    "another quality": bad({"quality": "ultra"}, "invalid_value", "ultra", "quality"),
    "another style": bad({"style": 5}, "invalid_value", "style = 5", "style"),
    "a number as text": bad({"n": "2"}, "invalid_value", "n = '2'", "n"),
    "no number": bad({"n": 1.5}, "invalid_value", "n = 1.5", "n"),
    "truth for a number": bad({"n": True}, "invalid_value", "^n", "n"),
    "none at all": bad({"n": 0}, "invalid_value", "n = 0", "n"),
    "a format of another name": bad(
        {"output_format": "jpg"}, "invalid_value", "jpg", "output_format"
    ),
    "raw": bad({"output_format": "raw"}, "invalid_value", "raw", "output_format"),
    "too much compression": bad(
        {"output_compression": 101}, "invalid_value", "101", "output_compression"
    ),
    "one label as text": bad({"labels": "two"}, "invalid_value", "^labels", "labels"),
    "an unknown label": bad({"labels": ["tow"]}, "unknown_label", "did you mean 'two'", "labels"),
    "an unknown prompt": bad({"prompt": "a car"}, "unknown_label", "names none", "prompt"),
    "no label": bad({"labels": []}, "invalid_value", "between 1 and 1000", "labels"),
    "a size in words": bad({"size": "large"}, "invalid_value", "size = 'large'", "size"),
    "a size of nothing": bad({"size": "0x16"}, "invalid_value", "size = '0x16'", "size"),
    "a misspelt field": bad({"promt": "one"}, "unknown_parameter", "did you mean prompt", "promt"),
    "a near field": bad({"lables": ["one"]}, "unknown_parameter", "did you mean labels", "lables"),
    "a field of others": bad(
        {"negative_prompt": "x"}, "unknown_parameter", "unknown", "negative_prompt"
    ),
    "two unknown": bad(
        {"steps": 4, "cfg": 1}, "unknown_parameter", "^steps, cfg: unknown", "steps"
    ),
    "an index of text": bad({"index": "7"}, "invalid_value", "index = '7'", "index"),
    "a seed below 0": bad({"seed": -1}, "invalid_value", "seed = -1", "seed"),
    "no truncation": bad({"truncation": 0}, "invalid_value", "truncation = 0", "truncation"),
    "a format of answers": bad(
        {"response_format": "png"}, "invalid_value", "png", "response_format"
    ),
}


def line(custom_id: Any, body: Any, **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": GENERATIONS, "body": body} | more


def batch(folder: Path, *rows: dict[str, Any] | str, **options: Any) -> Reading:
    path = folder / "batch.jsonl"
    path.write_bytes(json_lines(*rows))
    return read(spec(path, model="tiny", **options), tiny_config(), ("tiny@v1",))


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=[*REQUESTS])
def test_a_batch_takes_what_the_endpoint_takes(
    tmp_path: Path, client: httpx.Client, asked: Asked
) -> None:
    found = batch(tmp_path, line("good", {"prompt": "one"}), line("asked", asked.whole))
    answer = client.post(GENERATIONS, json=asked.whole)
    if asked.refused is not None:
        code, pattern, named = asked.refused
        (reject,) = found.rejects
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], reject.code) == (400, code, code)
        assert re.search(pattern, error["message"])
        assert re.search(pattern, reject.reason)
        assert error["param"] == named
        assert _param(reject) == named
        return
    assert (answer.status_code, found.rejects) == (200, [])
    made = answer.json()
    assert [row["label"] for row in made["data"]] == asked.labels
    indices = np.arange(1, 1 + len(asked.labels))
    keys = found.briefs.keys(indices)
    assert found.briefs.count == 1 + len(indices)
    assert [LABELS[at] for at in keys.conditions["label"].tolist()] == asked.labels
    identities = [(row["seed"], row["index"]) for row in made["data"]]
    assert [*zip(keys.seeds.tolist(), keys.counters.tolist(), strict=True)] == identities
    assert identities[0] == (5, asked.index)
    row = found.briefs.table.slice(1, 1).to_pylist()[0]
    assert made["size"] == f"{row['width']}x{row['height']}"
    assert made["output_format"] == row["codec"]
    assert made["background"] == "opaque"
    assert tuple(made.get("ignored", ())) == asked.ignored
    assert (row.get("ignored") or None) == (", ".join(asked.ignored) or None)


def _param(reject: Any) -> str | None:
    fields: dict[str, Any] = {"model_digest": "0", "seed": 0, "briefs_digest": "0"}
    job = Job.model_construct(**fields)
    error: dict[str, Any] = _refusal(job, reject)["response"]["body"]["error"]
    return error["param"]


def test_every_field_of_the_endpoint_is_one_of_a_batch() -> None:
    said = {key for asked in REQUESTS.values() for key in asked.whole}
    assert {*Generation.model_fields} - said == set()


LINES = {
    "a number for a name": (line(7, {"prompt": "two"}), "7", None),
    "a large number": (line(2**60, {"prompt": "two"}), str(2**60), None),
    "a text": (line(" x ", {"prompt": "two"}), " x ", None),
    "a decomposed text": (line("e\u0301", {"prompt": "two"}), "e\u0301", None),
    "no name": ({"method": "POST", "url": GENERATIONS, "body": {}}, None, "custom_id: missing"),
    "an empty name": (line("", {}), None, "custom_id: missing"),
    "null for a name": (line(None, {}), None, "custom_id: missing"),
    "truth for a name": (line(True, {}), None, "custom_id = True: expected a text"),
    "a list for a name": (line(["a"], {}), None, r"custom_id = \['a'\]: expected a text"),
    "a real number for a name": (line(1.5, {}), None, "custom_id = 1.5: expected a text"),
    "a misspelt name": (
        {"costum_id": "x", "url": GENERATIONS, "body": {}},
        None,
        "costum_id: unknown; did you mean custom_id",
    ),
    "no body": ({"custom_id": "x", "url": GENERATIONS}, None, "body: expected an object"),
    "a row of a table": ({"label": "two", "count": 3}, None, "count, label: unknown"),
    "a body of text": (line("x", '{"prompt": "two"}'), None, "body: expected an object"),
    "a body as params": (
        {"custom_id": "x", "method": "POST", "url": GENERATIONS, "params": {"prompt": "two"}},
        None,
        "params: unknown; body: expected an object",
    ),
    "another method": (line("x", {}, method="GET"), None, "method and url: expected POST"),
    "another address": (line("x", {}, url="/v1/images/edits"), None, "method and url"),
    "a stream": (line("x", {"stream": True}), None, "stream: the answers of a batch are a file"),
    "another model": (line("x", {"model": "dall-e-3"}), None, "this job has 'tiny'"),
    "the same name": (line("good", {}), None, "row 1 has it already"),
    "an index beyond": (line("x", {"index": 2**50}), None, "index = 1125899906842624"),
    "a name twice": ('{"custom_id": "x", "custom_id": "y", "body": {}}', None, "occurs twice"),
}


@pytest.mark.parametrize(("row", "name", "reason"), LINES.values(), ids=[*LINES])
def test_a_line(tmp_path: Path, row: Any, name: str | None, reason: str | None) -> None:
    found = batch(tmp_path, line("good", {"prompt": "one"}), row)
    assert found.briefs.openai
    names = found.briefs.table["brief_id"].to_pylist()
    if reason is None:
        assert names == ["good", name]
        return
    assert names == ["good"]
    assert re.search(reason, found.rejects[0].reason), found.rejects[0].reason


def test_numbers_for_names_are_said(tmp_path: Path) -> None:
    found = batch(tmp_path, line(7, {"prompt": "one"}), line("8", {"prompt": "one"}))
    assert [note for note in found.notes if "1 custom_id are numbers" in note]


FIRST = {
    "a request": line("x", {}),
    "a broken line": '{"custom_id": "x", "body": {',
    "another type": "[1]",
    "without a body": {"custom_id": "x"},
    "without a name": {"body": {"prompt": "one"}},
    "a row of a table": {"label": "one", "count": 1},
    "nothing": {},
    "a body of text": {"custom_id": "x", "body": "one"},
}


@pytest.mark.parametrize("first", FIRST.values(), ids=[*FIRST])
def test_the_kind_of_file_is_not_judged_by_its_first_line(tmp_path: Path, first: Any) -> None:
    found = batch(tmp_path, first, line("good", {"prompt": "one"}))
    assert found.briefs.openai
    assert found.briefs.table["brief_id"].to_pylist()[-1] == "good"


def test_lines_without_content_are_ignored_and_counted(tmp_path: Path) -> None:
    found = batch(tmp_path, {}, line("good", {}), {"custom_id": None, "body": None}, max_rejects=0)
    assert (len(found.briefs.table), found.rejects, found.blank) == (1, [], 2)


def test_columns_of_those_names_are_no_batch(tmp_path: Path) -> None:
    rows = [{"custom_id": "a", "body": "x", "count": 2}, {"custom_id": "b", "count": 1}]
    found = batch(tmp_path, *rows)
    assert not found.briefs.openai
    assert found.briefs.own == ("body",)


WRONG = {
    "a body of text": line("x", '{"prompt": "two", "n": 3}'),
    "a body of other text": line("x", "two"),
    "a body of text alone": {"custom_id": "x", "body": '{"prompt": "two"}'},
    "null for a body": line("x", None),
    "a list for a body": line("x", [{"prompt": "two"}]),
    "no body": {"custom_id": "x", "url": GENERATIONS},
    "params": {"custom_id": "x", "params": {"prompt": "two"}},
    "params and a method": {"custom_id": "x", "method": "POST", "params": {"prompt": "two"}},
    "a request": {"custom_id": "x", "url": GENERATIONS, "request": {"prompt": "two"}},
    "a request of text": {"custom_id": "x", "method": "POST", "request": '{"prompt": "two"}'},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=[*WRONG])
def test_requests_without_a_body_are_no_table(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"none of 2 rows is good; .* body: expected an object"):
        batch(tmp_path, wrong, wrong | {"custom_id": "y"})


def test_addresses_of_a_table_are_no_batch(tmp_path: Path) -> None:
    row = {"custom_id": "a", "url": "https://shop.example/7", "method": "print", "count": 2}
    assert not batch(tmp_path, row).briefs.openai


def test_a_batch_may_be_compressed_or_in_utf_16(tmp_path: Path) -> None:
    text = json.dumps(line("good", {"prompt": "one"}))
    for name, data in {
        "b.jsonl": csv(text, encoding="utf-16"),
        "b.jsonl.gz": packed(csv(text)),
        "c.jsonl": b"\xef\xbb\xbf" + csv(text),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert read(spec(tmp_path / name), tiny_config()).briefs.openai


BODIES = {
    "compressed": (gzip.compress(b'{"model": "tiny"}'), {}, 415, "compressed by gzip"),
    "said to be compressed": (
        gzip.compress(b"{}"),
        {"content-encoding": "gzip"},
        415,
        "content-encoding: gzip is not supported",
    ),
    "said to be by Brotli": (b"{}", {"content-encoding": "br"}, 415, "content-encoding: br"),
    "as it is": (b'{"model": "tiny"}', {"content-encoding": "identity"}, 200, ""),
    "with a mark": (b'\xef\xbb\xbf{"model": "tiny"}', {}, 200, ""),
    "UTF-16": (
        '{"model": "tiny"}'.encode("utf-16"),
        {},
        400,
        "encoded in UTF-16; send it in UTF-8",
    ),
    "a field twice": (b'{"model": "tiny", "n": 1, "n": 2}', {}, 400, "n: occurs twice"),
    "a share twice": (b'{"labels": {"one": 1, "one": 2}}', {}, 400, "one: occurs twice"),
    "cut": (b'{"model": "ti', {}, 400, "not JSON"),
    "a form": (b"model=tiny", {"content-type": "application/x-www-form-urlencoded"}, 415, "json"),
}


@pytest.mark.parametrize(("body", "headers", "status", "said"), BODIES.values(), ids=[*BODIES])
def test_a_body(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    headers = {"content-type": "application/json"} | headers
    answer = client.post(GENERATIONS, content=body, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert said in answer.json()["error"]["message"]


def test_a_field_of_a_form_or_a_query_is_said_once(client: httpx.Client) -> None:
    address = "/v1/images/vae@v1/one/1/0.png"
    file = ("a.png", client.get(address).content)
    twice = {"model": "vae", "n": ["1", "2"]}
    for answer in (
        client.post("/v1/images/variations", data=twice, files={"image": file}),
        client.get(f"{address}?size=16x16&size=32x32"),
    ):
        assert answer.status_code == 400
        assert "occurs twice" in answer.json()["error"]["message"]


def test_a_stream_and_an_edit_say_what_had_no_effect(client: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "two", "quality": "hd", "stream": True}
    events = client.post(GENERATIONS, json=body).text
    assert '"ignored": ["quality"]' in events
    file = ("a.png", client.get("/v1/images/vae@v1/one/1/0.png").content)
    fields = {"model": "vae", "input_fidelity": "high", "background": "auto"}
    answer = client.post("/v1/images/edits", data=fields, files={"image": file})
    assert answer.json()["ignored"] == ["input_fidelity"]
    refused = client.post(
        "/v1/images/edits",
        data={"model": "vae", "background": "transparent"},
        files={"image": file},
    )
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (
        400,
        "background",
        "not_supported",
    )


@pytest.mark.parametrize("option", [{"own_columns": ["x"]}, {"columns": {"label": "x"}}])
def test_a_batch_has_names_of_its_own(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="is an OpenAI batch file, which has names of its own"):
        batch(tmp_path, line("a", {}), **option)


def test_raw_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="codec = raw"):
        batch(tmp_path, line("a", {}), codec="raw")
