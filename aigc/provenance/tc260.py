"""The implicit label of GB 45438-2025, annex E: one JSON object with seven fields.

Values consist of printable ASCII without space, quotation mark and backslash (annex E, item j:
code points 0x21, 0x23 to 0x5B, 0x5D to 0x7E). At the first writing the propagation fields repeat
the production fields (annex E, note 1). Secondary sources, read 2026-11-29: implementations that
cite the standard by annex and item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
"""Of the XMP property `TC260:AIGC`."""
GENERATED = "1"
"""`Label` of content that is generated; 2 stands for possibly, 3 for suspected."""
FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
_ALLOWED = re.compile(r"[!#-\[\]-~]+")
_REQUIRED = FIELDS[:3]


def is_allowed(value: str) -> bool:
    """Whether the standard allows `value` in one of the fields; an empty one is not allowed."""
    return _ALLOWED.fullmatch(value) is not None


def label(provider: str, item_id: str) -> str:
    """The JSON object for an item of `provider`. Raises ValueError for other characters."""
    for name, value in (("ContentProducer", provider), ("ProduceID", item_id)):
        if not is_allowed(value):
            raise ValueError(
                f"{name} {value!r}: GB 45438-2025 allows printable ASCII without space, quotation "
                "mark and backslash; use a code of the provider"
            )
    values = (GENERATED, provider, item_id, "", provider, item_id, "")
    return json.dumps(dict(zip(FIELDS, values, strict=True)), separators=(",", ":"))


def wrapped(text: str) -> str:
    """`label` under the key AIGC, as it stands in fields that are not XMP."""
    return f'{{"AIGC":{text}}}'


def problems(found: Mapping[str, object]) -> list[str]:
    """What a label read from a file lacks or holds too much, one line each."""
    inner = found.get("AIGC", found)
    if not isinstance(inner, Mapping):
        return ["AIGC is not an object"]
    missing = [f"{name} is missing" for name in _REQUIRED if not inner.get(name)]
    unknown = [f"{name} is not a field" for name in inner if name not in FIELDS]
    wrong = [
        f"{name} {value!r} has characters that are not allowed"
        for name, value in inner.items()
        if name in FIELDS and value and not (isinstance(value, str) and is_allowed(value))
    ]
    return missing + unknown + wrong
