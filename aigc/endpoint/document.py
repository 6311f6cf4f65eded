"""The OpenAPI document, put together from the models that requests are checked with."""

from __future__ import annotations

import re

from pydantic import BaseModel

from aigc import __version__
from aigc.endpoint.items import ItemQuery
from aigc.endpoint.schemas import (
    CREDENTIAL,
    ERROR,
    EVIDENCE,
    IMAGES,
    ITEM,
    MODEL,
    PROVENANCE_CHECK,
    SET,
    TEXT,
    VERIFICATION,
)
from aigc.endpoint.sets import ItemsQuery
from aigc.modalities import MODALITIES
from aigc.modalities.delivery import CODEC
from aigc.service.bodies import Edit, Variation, Walk
from aigc.service.item_formats import KnobQuery, suffixes
from aigc.service.sets import FILES
from aigc.service.settings import ServiceSettings
from aigc.service.signing import PARAMETERS
from aigc.specs.requests import Generation
from aigc.types import Json

_SCHEMAS = "#/components/schemas/"
_ERRORS = {
    "400": "A field is wrong; `error.param` names it.",
    "401": "No API key, or a wrong one.",
    "403": "The key lacks the scope.",
    "404": "No such model, or no such address.",
    "408": "The body did not arrive in time.",
    "409": "The Idempotency-Key was used for another request.",
    "413": "The body is too large.",
    "415": "The media type of the body is not supported.",
    "429": "The key's quota is used up; see Retry-After.",
    "503": "The queue is full, or the model is unhealthy; see Retry-After.",
}


def document(settings: ServiceSettings, *, secured: bool) -> Json:
    """OpenAPI 3.1. `secured` says that keys are asked for."""
    schemas: Json = {"Error": ERROR, "Images": IMAGES, "Model": MODEL}
    schemas |= {"Set": SET, "SetItem": ITEM, "Credential": CREDENTIAL, "Evidence": EVIDENCE}
    schemas |= {"Verification": VERIFICATION, "ProvenanceCheck": PROVENANCE_CHECK}
    bodies = {name: _form(kind, schemas) for name, kind in _FORMS.items()}
    schemas["Generation"] = _schema(Generation, schemas)
    schemas["Walk"] = _schema(Walk, schemas)
    for name in ("Generation", "Walk", "WalkEnd"):
        _allow_null(schemas[name])
    schemas["Generation"]["properties"]["n"]["maximum"] = settings.max_n
    schemas["Walk"]["properties"]["steps"]["maximum"] = settings.max_steps
    components: Json = {"schemas": schemas}
    if secured:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "aigc", "version": __version__, "description": _ABOUT},
        "paths": _paths(bodies),
        "components": components,
        "security": [{"key": []}] if secured else [],
    }


_ABOUT = (
    "Images from GANs and VAEs. OpenAI's image calls work unchanged; `seed`, `index`, `labels` "
    "and `truncation` are additional fields. The same model version, label, seed, index and "
    "truncation give the same bytes as bulk generation, at any time and on any replica."
)
_FORMS: dict[str, type[BaseModel]] = {"variations": Variation, "edits": Edit}


def _paths(forms: Json) -> Json:
    return {
        "/v1/images/generations": {
            "post": _made("Generate images", _json_body("Generation"), _images())
        },
        **{f"/v1/images/{name}": _of_picture(name, form) for name, form in forms.items()},
        "/v1/latents/walk": {
            "post": _made("The frames between two items", _json_body("Walk"), _ok("Images"))
        },
        "/v1/images/{ref}/{label}/{seed}/{file}": {
            "get": _call("One item, permanently", None, {"200": _picture(), **_KEPT}, _address())
        },
        "/v1/items/{ref}/{condition}/{seed}/{file}": {
            "get": _call(
                "One item of any kind of content, permanently",
                None,
                {"200": _item(), **_KEPT},
                _item_address(),
            )
        },
        "/v1/models": {"get": _call("Served models", None, {"200": _list_of("Model")})},
        "/v1/models/{id}": {
            "get": _call("One model", None, {"200": _ok("Model")}, [_in_path("id", TEXT)])
        },
        **_sets(),
        "/v1/verify": {
            "post": _call("Where a file comes from", _file_body(), {"200": _ok("Verification")})
        },
        "/v1/content_provenance_checks": {
            "post": _call(
                "A file's Content Credentials", _file_body(), {"200": _ok("ProvenanceCheck")}
            )
        },
        "/healthz": {"get": _call("Liveness", None, {"200": _plain()})},
        "/readyz": {"get": _call("Readiness", None, {"200": _plain()})},
        "/metrics": {"get": _call("Prometheus metrics", None, {"200": _plain()})},
    }


def _of_picture(name: str, form: Json) -> Json:
    told = {
        "variations": "Images near an uploaded image",
        "edits": "An uploaded image, cleaned or changed",
    }
    return {"post": _made(told[name], form, _images())}


def _made(summary: str, body: Json, answer: Json) -> Json:
    return _call(summary, body, {"200": answer}, [_IDEMPOTENCY])


def _images() -> Json:
    answer = _ok("Images")
    answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return answer


def _sets() -> Json:
    """Content sets, where the service was told to show some."""
    which, index = _in_path("id", TEXT), _in_path("index", {"type": "integer", "minimum": 0})
    query = ItemsQuery.model_json_schema()["properties"]
    wanted = [which, *_in_query(query)]
    file = _in_path("name", {"type": "string", "enum": list(FILES)})
    found = {
        "": _call("Content sets and their progress", None, {"200": _list_of("Set")}),
        "/{id}": _call("One set", None, {"200": _ok("Set")}, [which]),
        "/{id}/items": _call("Items of a set", None, {"200": _list_of("SetItem")}, wanted),
        "/{id}/items/{index}": _call("One item's file", None, {"200": _picture()}, [which, index]),
        "/{id}/files/{name}": _call(
            "Preview, report or manifest", None, {"200": _plain()}, [which, file]
        ),
    }
    return {f"/v1/sets{path}": {"get": call} for path, call in found.items()}


def _call(
    summary: str, body: Json | None, answers: Json, parameters: list[Json] | None = None
) -> Json:
    call: Json = {"summary": summary, "responses": answers | _errors()}
    if body is not None:
        call["requestBody"] = body
    if parameters:
        call["parameters"] = parameters
    return call


def _errors() -> Json:
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + "Error"}}}
    return {code: {"description": text, "content": content} for code, text in _ERRORS.items()}


def _ok(schema: str) -> Json:
    content: Json = {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}
    return {"description": "Done.", "content": content}


def _list_of(schema_name: str) -> Json:
    rows = {"type": "array", "items": {"$ref": _SCHEMAS + schema_name}}
    schema = {
        "type": "object",
        "required": ["object", "data"],
        "properties": {"object": {"const": "list"}, "data": rows},
    }
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _plain() -> Json:
    return {"description": "Yes.", "content": {"text/plain": {"schema": TEXT}}}


def _picture() -> Json:
    kinds = ("image/png", "image/jpeg", "image/webp")
    return {"description": "The file.", "content": {kind: {} for kind in kinds}}


def _json_body(schema: str) -> Json:
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}
    return {"required": True, "content": content}


def _form(kind: type[BaseModel], schemas: Json) -> Json:
    schema = _schema(kind, schemas)
    schema["properties"]["image"] = {"type": "string", "format": "binary"}
    schema["required"] = [*schema.get("required", []), "image"]
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _file_body() -> Json:
    """A form with the file, or the file itself."""
    file: Json = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    content = {"multipart/form-data": {"schema": form | {"additionalProperties": False}}}
    return {"required": True, "content": content | {"application/octet-stream": {"schema": file}}}


def _schema(kind: type[BaseModel], schemas: Json) -> Json:
    schema = kind.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _allow_null(schema: Json) -> None:
    """What may be left out may be null."""
    for name, field in schema["properties"].items():
        if isinstance(field.get("type"), str) and name not in schema.get("required", ()):
            field["type"] = [field["type"], "null"]
            if "enum" in field:
                field["enum"] = [*field["enum"], None]


def _address() -> list[Json]:
    query = ItemQuery.model_json_schema()["properties"]
    return [
        _in_path("ref", TEXT | {"description": "name@version; a name alone is redirected."}),
        _in_path("label", TEXT | {"description": "_ for models without labels."}),
        _in_path("seed", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        _in_path("file", {"type": "string", "pattern": r"^[0-9]{1,15}\.(png|jpg|webp)$"}),
        *_in_query(query),
        *_in_query({name: TEXT | {"description": _SIGNED} for name in PARAMETERS}),
    ]


def _item_address() -> list[Json]:
    deliveries = [modality.delivery for modality in MODALITIES.values()]
    ends = "|".join(re.escape(end) for delivery in deliveries for end in suffixes(delivery))
    columns = {
        column.name: {"type": "integer", "minimum": column.least, "maximum": column.most}
        for delivery in deliveries
        for column in delivery.columns
        if column != CODEC
    }
    return [
        _in_path("ref", TEXT | {"description": "name@version; a name alone is redirected."}),
        _in_path("condition", TEXT | {"description": "_ for models without conditions."}),
        _in_path("seed", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        _in_path("file", {"type": "string", "pattern": rf"^[0-9]{{1,15}}({ends})$"}),
        *_in_query(KnobQuery.model_json_schema()["properties"] | columns),
        *_in_query({name: TEXT | {"description": _SIGNED} for name in PARAMETERS}),
    ]


def _item() -> Json:
    kinds = {
        modality.delivery.codecs[codec].media_type
        for modality in MODALITIES.values()
        for codec in suffixes(modality.delivery).values()
    }
    return {"description": "The file.", "content": {kind: {} for kind in sorted(kinds)}}


def _in_query(properties: Json) -> list[Json]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_SIGNED = "Part of an address returned for response_format url, which opens without a key."
_KEPT = {
    "304": {"description": "Not modified."},
    "307": {"description": "The version that the name stands for now."},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": (
        "A repeat within an hour returns the same response with Idempotent-Replayed and is not "
        "charged; another request with the same key is answered with 409. If several replicas "
        "serve, a repeat may reach another one: it is then made and charged again, without the "
        "header, with the same images, and a reused key is not noticed. The same holds for "
        "streams."
    ),
}
