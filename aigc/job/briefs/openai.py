"""OpenAI's batch file as briefs: JSON Lines of custom_id and the body of an image request.

A body says what it says to the endpoint: both are checked by `specs.requests.Generation`.
https://platform.openai.com/docs/api-reference/batch/request-input,
https://platform.openai.com/docs/api-reference/images/create
"""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError

from aigc.errors import SpecError
from aigc.job.briefs.fields import BadBriefError, Reject
from aigc.job.briefs.json_lines import json_lines
from aigc.job.briefs.sheets import Worksheet
from aigc.job.briefs.values import given, shown
from aigc.specs import GenerateSpec
from aigc.specs.requests import Generation, complaint

ENDPOINT = "/v1/images/generations"
OWN = ("prompt", "response_format")
IGNORED = "ignored"
"""The column of the fields that had no effect, where a request has such fields."""
NAMES = {
    "brief_id": "custom_id",
    "label": "labels",
    "prompt": "prompt",
    "count": "n",
    "seed": "seed",
    "first_index": "index",
    "truncation": "truncation",
    "width": "size",
    "height": "size",
    "codec": "output_format",
    "quality": "output_compression",
}
"""What a batch file calls each field."""

_LINE = ("custom_id", "method", "url", "body")
_BODIES = ("body", "params", "request")
"""What batch files, ours and those of others, call the body of a request."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_EXPECTED = 'body: expected an object like {"prompt": ...}'


def is_batch(uri: str) -> bool:
    """Whether some line of a JSON Lines file is a request of a batch."""
    holding = [f'"{name}"' for name in (*_BODIES, "method", "url")]
    return any(
        _is_request(found) for _, found in json_lines(uri, holding) if not isinstance(found, Reject)
    )


def _is_request(line: dict[str, Any]) -> bool:
    """Whether a line is meant as a request, be it one that cannot be read: a table may have
    columns of the same names, but no bodies, methods or addresses of an API in them."""
    if not {"custom_id", "url"} & {*line}:
        return False
    if any(_is_body(line.get(name)) for name in _BODIES):
        return True
    method, url = str(line.get("method")).upper(), str(line.get("url"))
    return "custom_id" in line and (method in _METHODS or "/v1/" in url)


def _is_body(value: Any) -> bool:
    """An object, or one written as text."""
    return isinstance(value, dict) or (isinstance(value, str) and value.lstrip()[:1] == "{")


def read_batch(spec: GenerateSpec, fields: tuple[str, ...], models: tuple[str, ...]) -> Worksheet:
    """A sheet with a column for each of `fields` and of `OWN`, and `IGNORED` if it is needed.

    Raises:
        SpecError: codec raw, in which no response can be written; or a model whose items do not
            have what image requests set.
    """
    if {*NAMES} != {*fields}:
        raise SpecError(
            f"briefs = {spec.briefs}: an OpenAI batch file asks for images, which the model "
            f"{spec.model} does not make; write a table of briefs"
        )
    if spec.codec == "raw":
        raise SpecError("codec = raw: responses of a batch are image files; use png, jpeg or webp")
    columns: dict[str, list[Any]] = {name: [] for name in (*fields, *OWN[1:], IGNORED)}
    numbers: list[int] = []
    sheet = Worksheet(columns, numbers)
    known = {*_model_names(spec.model), *models}
    numeric = 0
    for number, line in json_lines(spec.briefs or ""):
        if isinstance(line, Reject):
            sheet.rejects.append(line)
            continue
        if all(given(value) is None for value in line.values()):
            sheet.blank += 1
            continue
        try:
            row = _row(line, known, spec)
        except BadBriefError as error:
            sheet.rejects.append(Reject(number, _text(line), str(error), error.code))
            continue
        numeric += not isinstance(line["custom_id"], str)
        numbers.append(number)
        for column, values in columns.items():
            values.append(row.get(column))
    if not any(columns[IGNORED]):
        del columns[IGNORED]
    if numeric:
        sheet.notes.append(
            f"{spec.briefs}: {numeric:,} custom_id are numbers; the answers have them as text"
        )
    return sheet


def _text(line: dict[str, Any]) -> str | None:
    """The custom_id, None if there is none that can be one."""
    name = line.get("custom_id")
    if isinstance(name, str):
        return name if name.strip() else None
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else None


def _row(line: dict[str, Any], models: set[str], spec: GenerateSpec) -> dict[str, Any]:
    name = _named(line)
    if line.get("method", "POST") != "POST" or line.get("url", ENDPOINT) != ENDPOINT:
        raise BadBriefError(f"method and url: expected POST and {ENDPOINT}", "invalid_url")
    asked = _body(line, models, spec)
    width, height = (None, None) if asked.size == "auto" else asked.size.split("x")
    said = asked.model_fields_set
    return {
        "brief_id": name,
        "label": asked.labels,
        "prompt": asked.prompt,
        "count": asked.n,
        "seed": asked.seed,
        "first_index": asked.index,
        "width": width,
        "height": height,
        "codec": asked.output_format if "output_format" in said else None,
        "quality": asked.compression,
        "truncation": asked.truncation,
        "response_format": asked.response_format,
        IGNORED: ", ".join(asked.ignored) or None,
    }


def _named(line: dict[str, Any]) -> str:
    """The custom_id of a line that is a request."""
    if unknown := sorted({*line} - {*_LINE}):
        close = difflib.get_close_matches(unknown[0], _LINE, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; a line has {', '.join(_LINE)}"
        if "body" not in line and _is_body(line[unknown[0]]):
            hint = f"; {_EXPECTED}"
        raise BadBriefError(f"{', '.join(unknown)[:200]}: unknown{hint}", "unknown_parameter")
    name = line.get("custom_id")
    if name is None or name == "":
        raise BadBriefError("custom_id: missing; expected a text of your own")
    text = _text(line)
    if text is None:
        raise BadBriefError(f"custom_id = {shown(name)}: expected a text of your own")
    return text


def _body(line: dict[str, Any], models: set[str], spec: GenerateSpec) -> Generation:
    body = line.get("body")
    if not isinstance(body, dict):
        raise BadBriefError(_EXPECTED)
    try:
        asked = Generation.model_validate(body, strict=True)
    except ValidationError as error:
        found = complaint(error, Generation)
        raise BadBriefError(found.message, found.code) from None
    if asked.stream:
        raise BadBriefError(
            "stream: the answers of a batch are a file; leave it out", "not_supported"
        )
    if asked.model is not None and asked.model not in models:
        names = _model_names(spec.model)
        raise BadBriefError(
            f"model = {asked.model!r}: this job has {names[-1]!r}", "model_not_found"
        )
    return asked


def _model_names(model: str) -> list[str]:
    """How a request may call the job's model: as the spec does, or without version and place."""
    if "/" in model:
        *_, name, version = model.rstrip("/").split("/")
        return [model, f"{name}@{version}", name]
    return [model, model.partition("@")[0]]
