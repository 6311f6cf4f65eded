"""What the endpoint answers: bytes of pictures, permanent addresses, headers that caches go by."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
from PIL import Image

from tests.golden import make
from tests.golden.describe import digest, without_pictures
from tests.golden.weights import integers

Record = dict[str, Any]
_HEADERS = ("content-type", "etag", "cache-control", "location", "x-content-type-options")
_MAKE = "/v1/images/generations"
_ITEM = "/v1/images/gan@v1/apple/7/3"

GETS = (
    f"{_ITEM}.png",
    f"{_ITEM}.jpg",
    f"{_ITEM}.jpg?quality=50",
    f"{_ITEM}.webp",
    f"{_ITEM}.webp?quality=100",
    f"{_ITEM}.png?truncation=0.5",
    f"{_ITEM}.png?size=31x23",
    "/v1/images/gan@v1/%C3%A7a%2Fva/7/3.png",
    "/v1/images/gan@v1/d./9223372036854775807/9007199254740991.png",
    "/v1/images/gan/apple/7/3.png",
    "/v1/images/residual@v1/apple/7/3.png",
    "/v1/images/plain@v1/_/7/3.png",
    "/v1/images/vae@v1/apple/7/3.png",
    "/v1/images/mixture@v1/apple/7/3.png",
    "/v1/images/gan@v1/boat/7/3.png",
    "/v1/models",
)
POSTS: tuple[tuple[str, Record], ...] = (
    (_MAKE, {"model": "gan", "prompt": "apples and a pear", "n": 5, "seed": 7}),
    (_MAKE, {"model": "gan@v1", "n": 4, "seed": 3, "index": 100}),
    (_MAKE, {"model": "gan", "labels": {"d.": 2, "apple": 1}, "n": 3, "seed": 3}),
    (_MAKE, {"model": "gan", "labels": ["apple"], "seed": 1, "output_format": "jpeg"}),
    (_MAKE, {"model": "gan", "seed": 1, "output_format": "webp", "output_compression": 100}),
    (_MAKE, {"model": "gan", "seed": 1, "size": "31x23", "truncation": 0.6, "quality": "hd"}),
    (_MAKE, {"model": "gan", "seed": 1, "n": 2, "response_format": "url"}),
    (_MAKE, {"model": "gan", "seed": 1, "n": 2, "stream": True}),
    (_MAKE, {"model": "residual", "seed": 1, "n": 2}),
    (_MAKE, {"model": "plain", "seed": 1, "n": 2, "prompt": "anything"}),
    (_MAKE, {"model": "vae", "seed": 1, "n": 3}),
    (_MAKE, {"model": "mixture", "seed": 1, "n": 3}),
    (_MAKE, {"model": "gan", "prompt": "a boat", "seed": 1}),
    *(
        (
            "/v1/latents/walk",
            {
                "model": model,
                "from": {"label": first, "seed": 5, "index": 2},
                "to": {"label": last, "seed": 6, "index": 9},
                "steps": 4,
            },
        )
        for model, first, last in (
            ("gan", "apple", "d."),
            ("plain", None, None),
            ("vae", "apple", "apple"),
            ("mixture", "apple", "ça/va"),
        )
    ),
)
FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/v1/images/variations", {"model": "vae", "label": "apple", "n": "2", "seed": "4"}),
    ("/v1/images/variations", {"model": "mixture", "n": "2", "seed": "4", "strength": "0.2"}),
    ("/v1/images/edits", {"model": "vae", "label": "apple", "prompt": "a pear", "seed": "4"}),
    ("/v1/images/edits", {"model": "mixture", "label": "apple", "prompt": "pear", "seed": "4"}),
)


def answers(golden: make.Golden) -> dict[str, Record]:
    """Every answer, by what was asked."""
    found: dict[str, Record] = {}
    with golden.endpoint() as client:
        for path in GETS:
            found[f"GET {path}"] = _described(client, client.get(path))
        for path, body in POSTS:
            asked = f"POST {path} {json.dumps(body, ensure_ascii=False)}"
            found[asked] = _described(client, client.post(path, json=body))
        picture = _png()
        for path, fields in FORMS:
            sent = client.post(path, data=fields, files={"image": ("a.png", picture, "image/png")})
            asked = f"POST {path} {json.dumps(fields, ensure_ascii=False)}"
            found[asked] = _described(client, sent)
    return found


def _described(client: httpx.Client, answer: httpx.Response) -> Record:
    headers = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
    return {"status": answer.status_code, "headers": headers} | _body(client, answer)


def _body(client: httpx.Client, answer: httpx.Response) -> Record:
    kind = answer.headers.get("content-type", "")
    if kind.startswith("image/"):
        return {"bytes": f"{len(answer.content)}, {digest([answer.content])}"}
    text = answer.text.replace(str(client.base_url).rstrip("/"), "HOST")
    if kind.startswith("text/event-stream"):
        events = [line.removeprefix("data: ") for line in text.splitlines() if "data: " in line]
        return {"events": [without_pictures(json.loads(event)) for event in events]}
    if kind.startswith("application/json"):
        return {"json": without_pictures(json.loads(text))}
    return {"text": text}


def _png() -> bytes:
    """A picture to vary, 16 x 16."""
    coarse = integers("picture to vary", (4, 4), 0, 255).repeat(4, axis=0).repeat(4, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(coarse.astype("uint8")).save(buffer, "PNG")
    return buffer.getvalue()
