"""OpenAI's batch file as briefs: JSON Lines of custom_id and the body of an image request.

https://platform.openai.com/docs/api-reference/batch/request-input,
https://platform.openai.com/docs/api-reference/images/create
"""

from __future__ import annotations

import re
from typing import Any

from aigc.errors import SpecError, listed
from aigc.generation.briefs.fields import FIELDS, BadBriefError, Reject
from aigc.generation.briefs.sheets import Sheet, json_lines
from aigc.generation.prompts import labels_in
from aigc.models.config import ModelConfig
from aigc.specs import GenerateSpec

ENDPOINT = "/v1/images/generations"
OWN = ("prompt", "response_format")
NAMES = dict(zip(FIELDS, FIELDS, strict=True)) | {
    "brief_id": "custom_id",
    "label": "labels",
    "count": "n",
    "width": "size",
    "height": "size",
    "codec": "output_format",
    "quality": "output_compression",
}
"""What a batch file calls each field."""

_IGNORED = {"user", "quality", "style", "background", "moderation"}
_KNOWN = {
    *("model", "prompt", "n", "size", "output_format", "output_compression", "response_format"),
    *("seed", "labels", "truncation"),
}
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")


def is_batch(uri: str) -> bool:
    """Whether the first object of a JSON Lines file is a request of a batch."""
    objects = (found for _, found in json_lines(uri) if not isinstance(found, Reject))
    return {"custom_id", "body"} <= {*next(objects, ())}


def read_batch(spec: GenerateSpec, config: ModelConfig) -> Sheet:
    """A sheet with a column for each of `FIELDS` and of `OWN`.

    Raises:
        SpecError: codec raw, in which no response can be written.
    """
    if spec.codec == "raw":
        raise SpecError("codec = raw: responses of a batch are image files; use png, jpeg or webp")
    columns: dict[str, list[Any]] = {name: [] for name in (*FIELDS, *OWN)}
    numbers: list[int] = []
    sheet = Sheet(columns, numbers)
    for number, line in json_lines(spec.briefs or ""):
        if isinstance(line, Reject):
            sheet.rejects.append(line)
            continue
        name = line.get("custom_id")
        try:
            row = _row(line, spec, config)
        except BadBriefError as error:
            custom_id = name if isinstance(name, str) and name else None
            sheet.rejects.append(Reject(number, custom_id, str(error), error.code))
            continue
        numbers.append(number)
        for column, values in columns.items():
            values.append(row.get(column))
    return sheet


def _row(line: dict[str, Any], spec: GenerateSpec, config: ModelConfig) -> dict[str, Any]:
    name = line.get("custom_id")
    if not isinstance(name, str) or not name.strip():
        raise BadBriefError("custom_id: missing; expected a text of your own")
    if line.get("method", "POST") != "POST" or line.get("url", ENDPOINT) != ENDPOINT:
        raise BadBriefError(f"method and url: expected POST and {ENDPOINT}", "invalid_url")
    body = line.get("body")
    if not isinstance(body, dict):
        raise BadBriefError('body: expected an object like {"prompt": ...}')
    given = {field: value for field, value in body.items() if value is not None}
    _require_known(given, spec)
    width, height = _size(given.get("size"))
    return {
        "brief_id": name,
        "label": given["labels"] if "labels" in given else _labels(given.get("prompt"), config),
        "count": given.get("n", 1),
        "seed": given.get("seed"),
        "width": width,
        "height": height,
        "codec": _format(given.get("output_format")),
        "quality": given.get("output_compression"),
        "truncation": given.get("truncation"),
        "prompt": given.get("prompt"),
        "response_format": given.get("response_format"),
    }


def _require_known(body: dict[str, Any], spec: GenerateSpec) -> None:
    unknown = sorted({*body} - _KNOWN - _IGNORED)
    if unknown:
        raise BadBriefError(
            f"{', '.join(unknown)}: unknown; the fields are {', '.join(sorted(_KNOWN))}",
            "unknown_parameter",
        )
    names = _model_names(spec.model)
    if body.get("model", names[0]) not in names:
        raise BadBriefError(
            f"model = {body['model']!r}: this job has {names[-1]!r}", "model_not_found"
        )
    if not isinstance(body.get("prompt", ""), str):
        raise BadBriefError("prompt: expected text")
    if body.get("response_format", "url") not in ("url", "b64_json"):
        raise BadBriefError(
            f"response_format = {body['response_format']!r}: expected url or b64_json"
        )


def _model_names(model: str) -> list[str]:
    """How a request may call the job's model: as the spec does, or without version and place."""
    if "/" in model:
        *_, name, version = model.rstrip("/").split("/")
        return [model, f"{name}@{version}", name]
    return [model, model.partition("@")[0]]


def _labels(prompt: str | None, config: ModelConfig) -> list[str] | None:
    if not config.conditional:
        return None
    found = labels_in(prompt or "", config.labels, config.synonyms)
    if not found:
        raise BadBriefError(
            f"prompt = {(prompt or '')[:60]!r}: names none of the model's labels: "
            f"{listed(config.labels)}",
            "unknown_label",
        )
    return found


def _size(size: Any) -> tuple[int | None, int | None]:
    if size in (None, "auto"):
        return None, None
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None:
        raise BadBriefError(f"size = {size!r}: expected WIDTHxHEIGHT or auto")
    return int(found[1]), int(found[2])


def _format(codec: Any) -> Any:
    if codec == "raw":
        raise BadBriefError("output_format = 'raw': expected png, jpeg or webp")
    return codec
