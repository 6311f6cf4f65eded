"""Schemas of responses, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
_NULLABLE = {"type": ["string", "null"]}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": TEXT,
                "type": TEXT,
                "param": _NULLABLE,
                "code": _NULLABLE,
            },
        }
    },
}
_OF_ITEM = {
    "type": ["integer", "null"],
    "description": "Null for images that are not items: between the ends of a walk.",
}
IMAGES = {
    "type": "object",
    "required": ["created", "data", "model"],
    "properties": {
        "created": {"type": "integer"},
        "model": TEXT,
        "output_format": TEXT,
        "size": TEXT,
        "background": {"const": "opaque"},
        "ignored": {
            "type": "array",
            "items": TEXT,
            "description": "Fields of the request that had no effect.",
        },
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["revised_prompt", "label", "seed", "index"],
                "properties": {
                    "b64_json": TEXT,
                    "url": TEXT,
                    "revised_prompt": _NULLABLE,
                    "label": _NULLABLE,
                    "seed": _OF_ITEM,
                    "index": _OF_ITEM,
                },
            },
        },
    },
}
_COUNT = {"type": "integer", "minimum": 0}
_SEED_TEXT = TEXT | {"description": "`seed` for JavaScript, which rounds it from 2**53 on."}
SET = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {
        "id": TEXT,
        "state": {"enum": ["running", "unfinished", "complete", "unreadable"]},
        "model": TEXT,
        "seed": {"type": ["integer", "null"]},
        "seed_text": _SEED_TEXT,
        "items": _COUNT | {"description": "Made so far."},
        "count": _COUNT | {"description": "Requested."},
        "items_per_s": {"type": ["number", "null"]},
        "left_s": {"type": ["number", "null"]},
        "labels": {"type": "object", "additionalProperties": _COUNT},
        "refused": {"type": "object", "additionalProperties": _COUNT},
    },
}
ITEM = {
    "type": "object",
    "required": ["index", "id", "label", "seed", "seed_text", "candidate", "url"],
    "properties": {
        "index": _COUNT,
        "id": TEXT,
        "label": _NULLABLE,
        "seed": _COUNT,
        "seed_text": _SEED_TEXT,
        "candidate": _COUNT | {"description": "The index of the item at /v1/images."},
        "url": TEXT,
        "b64_json": TEXT,
    },
}
_LIMITS = {
    "type": "object",
    "description": "Limits of one request.",
    "required": ["max_n", "max_side", "max_pixels", "max_steps"],
    "properties": {
        "max_n": _COUNT | {"description": "Images."},
        "max_side": _COUNT | {"description": "Width or height of an image."},
        "max_pixels": _COUNT | {"description": "n * width * height, unless n is 1."},
        "max_steps": _COUNT | {"description": "Frames of a walk."},
    },
}
MODEL = {
    "type": "object",
    "required": [
        *("id", "object", "created", "owned_by", "labels", "width", "height", "can", "limits")
    ],
    "properties": {
        "id": TEXT,
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "health": {
            "enum": ["ok", "collapsed", "unknown"],
            "description": "Verdict of training; a collapsed model was published on request.",
        },
        "untrained": {
            "type": "array",
            "items": TEXT,
            "description": "Labels without training images, made only when requested by name.",
        },
        "limits": _LIMITS,
    },
}

_OPTIONAL = {"type": ["string", "null"]}
EVIDENCE = {
    "type": "object",
    "required": ["kind", "certainty", "item"],
    "properties": {
        "kind": TEXT | {"description": "signature, sha256, perceptual or metadata, among others."},
        "certainty": {
            "enum": ["proof", "strong", "likely", "claim"],
            "description": "A claim is what the file says of itself, which anybody can write.",
        },
        "item": TEXT | {"description": "The item's id."},
        "set": TEXT,
        "model": TEXT,
        "model_digest": TEXT,
        "data_digest": TEXT | {"description": "Of the training data."},
        "created": TEXT,
        "bits": _COUNT | {"maximum": 256, "description": "Of the perceptual hash that differ."},
        "colours": {"type": "number", "minimum": 0, "maximum": 255},
    },
}
CREDENTIAL = {
    "type": "object",
    "required": ["type", "outcome", "validation_state"],
    "properties": {
        "type": {"const": "c2pa"},
        "outcome": {
            "enum": ["detected", "not_detected"],
            "description": "Detected: signed under a trusted root, and names an item of ours.",
        },
        "validation_state": {"enum": ["trusted", "valid", "invalid", "not_present"]},
        "issuer": _OPTIONAL,
        "model": _OPTIONAL,
        "generated_at": _OPTIONAL,
    },
}
_CREDENTIALS = {"type": "array", "items": {"$ref": "#/components/schemas/Credential"}}
PROVENANCE_CHECK = {
    "type": "object",
    "required": ["object", "created_at", "results"],
    "properties": {
        "object": {"const": "content_provenance_check"},
        "created_at": {"type": "integer"},
        "results": _CREDENTIALS,
    },
}
VERIFICATION = {
    "type": "object",
    "required": ["object", "created_at", "sha256", "found", "evidence"],
    "properties": {
        "object": {"const": "verification"},
        "created_at": {"type": "integer"},
        "file": TEXT | {"description": "The name that it was sent under."},
        "sha256": TEXT,
        "found": {"type": "boolean", "description": "Whether any evidence is more than a claim."},
        "evidence": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Evidence"},
            "description": "The surest first.",
        },
        "content_provenance_checks": _CREDENTIALS,
        "problems": {"type": "array", "items": TEXT, "description": "Codes of C2PA."},
        "digital_source_type": _OPTIONAL,
        "notes": {"type": "array", "items": TEXT},
    },
}
