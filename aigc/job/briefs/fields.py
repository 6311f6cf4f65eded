"""One row's fields: what it says, what the spec says for it, and why it cannot be made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from aigc.conditions import CONDITIONS, Values
from aigc.conditions.labels import fold
from aigc.errors import SpecError
from aigc.families.config import ModelConfig
from aigc.job.asked import asked_condition, schedules_of
from aigc.job.blocked import REFUSED, block_list
from aigc.job.briefs.shares import shares_of
from aigc.job.briefs.values import given, hint, nfc, real, shown, text_of, whole
from aigc.job.form import form_of
from aigc.job.keys import ATTEMPT
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import CODEC, QUALITY, RAW, BriefColumn, quality_refusal
from aigc.specs import GenerateSpec

_BEFORE = ("brief_id", "label", "prompt", "count", "seed", "first_index")
BRIEF_FIELDS = (*(name for name in _BEFORE if name != "first_index"), "truncation")
"""What a row can say of items of any modality: names of `BriefColumns`."""


def fields_of(delivery: Delivery) -> tuple[str, ...]:
    """What a row can say, in the order in which `Parser.parse` takes it: `BRIEF_FIELDS` and what
    `delivery` can set, and `first_index`, which only requests to the endpoint have, as `index`."""
    return (*_BEFORE, *(column.name for column in delivery.columns), "truncation")


_SEEDS = 2**63


@dataclass(frozen=True)
class Reject:
    """A row that is no brief.

    `row` counts from 1: rows of data in CSV (the header is none) and Parquet, lines in JSON Lines.
    `code` is a word for programs, as OpenAI's errors have one.
    """

    row: int
    brief_id: str | None
    reason: str
    code: str = "invalid_value"


def rejects_bytes(rejects: Iterable[Reject]) -> bytes:
    """JSON Lines of row, brief_id and reason."""
    lines = []
    for reject in rejects:
        values = dataclasses.asdict(reject)
        del values["code"]
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


class BadBriefError(Exception):
    def __init__(self, reason: str, code: str = "invalid_value") -> None:
        super().__init__(reason)
        self.code = code


class Brief(NamedTuple):
    """One row of the table of briefs, in the order of its columns."""

    brief_id: str
    items: int
    seed: int
    first_index: int
    label_pattern: int
    truncation: float | None
    format: tuple[int | str, ...]
    """In the order of `Delivery.columns`."""


class Parser:
    """Rows of one job into briefs. `names` says what the user calls each field.

    Two briefs may have the same seed if the user gives it to both: they asked for the same
    latents, say in two sizes. Seeds nobody gives differ. `comma` says that numbers may be written
    with a decimal comma.
    """

    def __init__(
        self,
        spec: GenerateSpec,
        config: ModelConfig,
        names: Mapping[str, str],
        comma: bool = False,
    ) -> None:
        self.names = names
        self._comma = comma
        self._spec = spec
        self.condition = asked_condition(config)
        self._model = config
        self._blocked = block_list(spec.blocked)
        schedule = schedules_of(spec, config).get(self.condition)
        self._known = schedule.names if schedule is not None else ()
        self._default_cut = spec.sampling.get("truncation")
        self._delivery = MODALITIES[config.modality].delivery
        form = form_of(spec, config)
        self._format = [getattr(form, column.name) for column in self._delivery.columns]
        self._numbers: dict[bytes, int] = {}
        self._patterns: list[Values] = []
        self._by_label: dict[str, int | BadBriefError] = {}
        nothing = np.empty(0, np.int64)
        self._default = self._number(nothing if schedule is None else schedule.values)

    @property
    def patterns(self) -> tuple[Values, ...]:
        return tuple(self._patterns) if self._model.takes else ()

    def parse(self, row: int, values: Iterable[Any]) -> Brief:
        """The brief of row `row`, which names it if nothing else does; `values` are in the order
        of `fields_of`, None where not given.

        Raises:
            BadBriefError: why it is none.
        """
        said = [given(value) for value in values]
        name, label, prompt, count, seed, first, *format_, truncation = said
        brief_id = str(row) if name is None else text_of(name)
        if count is None and self._spec.count is None:
            raise BadBriefError(
                f"{self.names['count']}: missing; fill it in or set count in the spec"
            )
        return Brief(
            brief_id,
            self._whole("count", count, 1, ATTEMPT - 1) or self._spec.count or 0,
            self._seed(nfc(brief_id), seed),
            self._whole("first_index", first, 0, ATTEMPT - 1) or 0,
            self._labels(label, prompt),
            self._default_cut if truncation is None else self._truncation(truncation),
            self._delivered(dict(zip(self._delivery.columns, format_, strict=True))),
        )

    def _delivered(self, said: Mapping[BriefColumn, Any]) -> tuple[int | str, ...]:
        """In the order of `Delivery.columns`."""
        found = {
            column: self._of_format(column, value, usual)
            for (column, value), usual in zip(said.items(), self._format, strict=True)
        }
        if said.get(QUALITY) is not None:
            codec, quality = str(found[CODEC]), int(found[QUALITY])
            if refusal := quality_refusal(self._delivery.codecs, codec, quality):
                raise BadBriefError(f"{self.names['quality']} = {quality}: {refusal}")
        return tuple(found.values())

    def _of_format(self, column: BriefColumn, value: Any, usual: int | str) -> int | str:
        if value is None:
            return usual
        if column == CODEC:
            return self._codec(value)
        found = self._whole(column.name, value, column.least, column.most)
        assert found is not None
        return found

    def _seed(self, brief_id: str, seed: Any) -> int:
        """As given, or else its own: whatever other briefs stand beside it."""
        found = self._whole("seed", seed, 0, _SEEDS - 1)
        if found is not None:
            return found
        digest = hashlib.sha256(f"{self._spec.seed}:{brief_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def _whole(self, field: str, value: Any, low: int, high: int) -> int | None:
        if value is None:
            return None
        number = whole(value, self._comma)
        if number is None or not low <= number <= high:
            raise BadBriefError(
                f"{self.names[field]} = {shown(value)}: expected a whole number from {low} to "
                f"{high}{hint(value)}"
            )
        return number

    def _truncation(self, value: Any) -> float:
        said = f"{self.names['truncation']} = {shown(value)}"
        if "truncation" not in self._model.settings:
            raise BadBriefError(f"{said}: the model has no such setting; leave it out")
        number = real(value, self._comma)
        if number is None or not 0 < number < math.inf:
            raise BadBriefError(f"{said}: expected a number above 0{hint(value)}")
        return number

    def _codec(self, value: Any) -> str:
        codec = {"jpg": "jpeg"}.get(str(value).strip().lower(), str(value).strip().lower())
        if codec not in self._delivery.codecs:
            known = ", ".join(self._delivery.codecs)
            raise BadBriefError(f"{self.names['codec']} = {shown(value)}: expected one of {known}")
        if codec == RAW and self._spec.writer == "files":
            raise BadBriefError(
                f"{self.names['codec']} = 'raw': has no file format, which the writer files needs"
            )
        return codec

    def _labels(self, label: Any, prompt: Any) -> int:
        """Labels win over the prompt; without either it is what the spec says."""
        self._require_allowed(prompt)
        if label is not None:
            return self._pattern(label)
        if prompt is None:
            return self._default
        if not isinstance(prompt, str):
            raise BadBriefError(f"{self.names['prompt']} = {shown(prompt)}: expected text")
        if not self._model.takes:
            return self._default
        try:
            asked = CONDITIONS[self.condition].prompted(prompt, self._model)
        except SpecError as error:
            reason = str(error).removeprefix("prompt: ").removeprefix(f"{prompt[:60]!r} ")
            raise BadBriefError(
                f"{self.names['prompt']} = {shown(prompt)}: {reason}", "unknown_label"
            ) from None
        if (refused := self._blocked_in(asked.values)) is not None:
            raise BadBriefError(
                f"{self.names['prompt']} = {shown(prompt)}: {_refusal(refused)}", REFUSED
            )
        return self._number(asked.values)

    def _require_allowed(self, prompt: Any) -> None:
        """Also where a label counts: a prompt is copied to the output."""
        word = self._blocked.word_in(prompt) if isinstance(prompt, str) and self._blocked else None
        if word is not None:
            raise BadBriefError(
                f"{self.names['prompt']}: holds {word!r}, which is blocked", REFUSED
            )

    def _blocked_in(self, values: Values) -> str | None:
        if not self._blocked.labels:
            return None
        return self._blocked.label_of(CONDITIONS[self.condition].shown(values, self._model))

    def _pattern(self, label: Any) -> int:
        key = label if isinstance(label, str) else json.dumps(label, default=str)
        found = self._by_label.get(key)
        if found is None:
            found = self._by_label[key] = self._new_pattern(label)
        if isinstance(found, BadBriefError):
            raise BadBriefError(str(found), found.code)
        return found

    def _new_pattern(self, label: Any) -> int | BadBriefError:
        name = self.names["label"]
        if not self._model.takes:
            return BadBriefError(f"{name} = {shown(label)}: the model has no labels; leave it out")
        try:
            asked = shares_of(label, self._known, self._comma) if self._known else label
            values = CONDITIONS[self.condition].schedule(asked, self._model).values
        except SpecError as error:
            reason = str(error).removeprefix("labels: ") + self._several(label)
            return BadBriefError(f"{name} = {shown(label)}: {reason}", "unknown_label")
        if (refused := self._blocked_in(values)) is not None:
            return BadBriefError(f"{name} = {shown(label)}: {_refusal(refused)}", REFUSED)
        return self._number(values)

    def _several(self, label: Any) -> str:
        """How several labels are written, where they are divided by another sign."""
        if not isinstance(label, str):
            return ""
        parts = [part.strip() for part in re.split("[,;/+&]", label)]
        known = {fold(name) for name in self._known}
        several = len(parts) > 1 and all(fold(part) in known for part in parts)
        return f"; write several as {'|'.join(parts)[:60]!r}" if several else ""

    def _number(self, pattern: Values) -> int:
        key = pattern.dtype.str.encode() + pattern.tobytes()
        number = self._numbers.setdefault(key, len(self._numbers))
        if number == len(self._patterns):
            self._patterns.append(pattern)
        return number


def _refusal(label: str) -> str:
    return f"asks for {label!r}, which is blocked"


def brief_id_of(value: Any) -> str | None:
    """As text, just as it is written; None where nothing is."""
    found = given(value)
    return None if found is None else text_of(found)
