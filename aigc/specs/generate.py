"""`aigc generate` and `aigc append`: items to generate, their format, gates and limits."""

from __future__ import annotations

import functools
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from aigc.audit.spec import Audit
from aigc.families import FAMILIES
from aigc.provenance.spec import Provenance
from aigc.specs.blocked import Blocked
from aigc.specs.gates import Gates
from aigc.strict import Items, Location, Placement, Seed, Spec

Share = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=1, le=8192)]


class Budget(Spec):
    """Limits of a run. A job that reaches one stops cleanly; the same command resumes it."""

    price_per_node_hour: float | None = Field(None, ge=0)
    """Price of one node for one hour, in any currency. Used by `--dry-run` and `max_cost`."""
    max_cost: float | None = Field(None, gt=0)
    """Stop when the job has cost this much, in the currency of `price_per_node_hour`."""
    max_wall_s: float | None = Field(None, gt=0)
    """Stop after this many seconds."""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_cost is not None and self.price_per_node_hour is None:
            raise ValueError("max_cost needs price_per_node_hour")
        return self


class AppendSpec(Spec):
    """How far a finished set is extended. Everything else is taken from the set's own job."""

    out: Location
    """Folder of a finished set."""
    to: Items
    """Number of items that the set has afterwards, including those it has now."""
    budget: Budget = Budget()
    """Limits on the cost and time of this run."""
    audit: Audit = Audit()
    """Log of finished sets."""
    placement: Placement = Placement()
    """Where this run is executed."""


class BriefColumns(Spec):
    """For each field of a brief the column of the user's table that holds it."""

    brief_id: str = "brief_id"
    """Column of the brief's id."""
    label: str = "label"
    """Column of the label. A cell may hold several labels in equal shares, `a|b`, or with shares,
    `a:3|b:1`."""
    prompt: str = "prompt"
    """Column of the prompt: words that name labels, used where a row has no label. Copied to the
    output."""
    count: str = "count"
    """Column of the number of items."""
    seed: str = "seed"
    """Column of the seed."""
    width: str = "width"
    """Column of the width in pixels."""
    height: str = "height"
    """Column of the height in pixels."""
    codec: str = "codec"
    """Column of the codec."""
    quality: str = "quality"
    """Column of the codec's quality."""
    truncation: str = "truncation"
    """Column of the truncation."""
    rate: str = "rate"
    """Column of the sample rate of sounds."""


def knobs() -> frozenset[str]:
    """The names of the sampling settings of all families."""
    return _knobs(tuple(family.sampling for family in FAMILIES.values()))


@functools.lru_cache(maxsize=1)
def _knobs(settings: tuple[type[Spec], ...]) -> frozenset[str]:
    return frozenset(name for each in settings for name in each.model_fields)


def _with_knobs(schema: dict[str, Any]) -> None:
    """Adds the sampling settings to the JSON Schema, since they may be top-level fields."""
    for family in FAMILIES.values():
        schema["properties"] |= family.sampling.model_json_schema().get("properties", {})


class GenerateSpec(Spec):
    model_config = ConfigDict(json_schema_extra=_with_knobs)
    FLATTENED: ClassVar[str] = "sampling"
    RENAMED: ClassVar[dict[str, str]] = {
        "embed_provenance": "provenance.profile (where it was false: none, with provenance.reason)"
    }

    model: str
    """NAME, NAME@VERSION, NAME@ALIAS or the URI of a model folder."""
    out: Location
    """Output folder, local or s3://. The same command with the same `out` resumes the job."""
    count: Items | None = None
    """Number of items. With `briefs`: the number for briefs that have no count of their own."""
    briefs: Location | None = None
    """Table with one brief per row: CSV or TSV, JSON Lines (both also as .gz), Parquet or an Excel
    workbook; or an OpenAI batch file (JSON Lines with custom_id and body)."""
    briefs_sheet: str | None = None
    """Sheet of the Excel workbook. Default: the first visible sheet."""
    columns: BriefColumns = BriefColumns()
    """Names of the columns that hold the fields of a brief."""
    own_columns: tuple[str, ...] = ()
    """Columns to copy to the output without interpreting them. Needed for columns whose name
    resembles a field of a brief or a setting; without it the job stops and asks."""
    partition_by: tuple[str, ...] = ()
    """Columns of the briefs by which output files are grouped into folders. The columns stay in the
    files."""
    max_rejects: float = Field(0.05, ge=0)
    """Stop if more briefs are rejected: a share if below 1, else a number of rows."""
    seed: Seed = 0
    """Seed of the job, 0 to 2^63 - 1. With the model and the settings it determines every item."""
    labels: tuple[str, ...] | dict[str, Share] | None = None
    """Labels to generate in equal shares, or a mapping of label to share. Default: all labels of
    the model."""
    conditions: dict[str, Any] = Field(default_factory=dict)
    """Values of the model's other conditions, by name of the condition."""
    sampling: dict[str, float] = Field(default_factory=dict)
    """Sampling settings of the model's family, such as `truncation`. They may also be given as
    top-level fields."""
    codec: str | None = None
    """Encoding of each item. Images: png, jpeg, webp or raw (uncompressed pixels). Sounds: wav,
    flac or ogg. Default: the first of these."""
    quality: int = Field(90, ge=1, le=100)
    """Quality for jpeg, webp and ogg, 1..100; webp at 100 is lossless."""
    width: Side | None = None
    """Width in pixels of the delivered images, 1..8192; other sizes than the model's are resampled.
    Default: the model's width."""
    height: Side | None = None
    """Height in pixels of the delivered images, 1..8192. Default: the model's height."""
    colour: Literal["grey", "rgb"] | None = None
    """Images only: convert to `grey` or `rgb`. Default: as the model generates."""
    resampling: Literal["lanczos", "bicubic", "nearest"] = "lanczos"
    """Images only: filter used where `width` and `height` differ from the model's."""
    rate: int | None = Field(None, ge=1)
    """Sounds only: samples per second of the delivered sounds; other rates than the model's are
    resampled. Default: the model's rate."""
    writer: Literal["parquet", "webdataset", "files"] = "parquet"
    """Layout of the output: Parquet files, WebDataset tar files, or one file per item."""
    include: tuple[Literal["latents", "scores"], ...] = ()
    """Additional columns: the latents of each item, the scores of the gates."""
    gates: Gates = Gates()
    """Checks that an item must pass to be delivered."""
    blocked: Blocked = Blocked()
    """Labels and words of prompts that are refused."""
    audit: Audit = Audit()
    """Log of refused briefs and of finished sets."""
    budget: Budget = Budget()
    """Limits on cost and time."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of the forward pass. `auto` is bf16 where the hardware supports it natively, else
    fp32. Recorded, since it changes items by rounding."""
    micro_batch: int = Field(128, ge=1, le=8192)
    """Items per forward pass. Recorded, since another value changes items by rounding."""
    shard_items: Items | None = None
    """Items per shard, rounded up to whole micro-batches. Default: output files near 256 MB, and at
    least 64 shards per job."""
    provenance: Provenance = Provenance()
    """What each file states of its origin, and whether it is signed."""
    placement: Placement = Placement()
    """Where the job is executed."""

    @property
    def delivered(self) -> dict[str, Any]:
        """What is asked for of the form of delivered items; a modality knows which it has."""
        names = ("codec", "quality", "width", "height", "colour", "resampling", "rate")
        fields = type(self).model_fields
        said = {name: getattr(self, name) for name in names}
        return {name: value for name, value in said.items() if value != fields[name].default}

    @model_validator(mode="before")
    @classmethod
    def _knobs_by_name(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        named = {name: values[name] for name in knobs() & values.keys()}
        rest = {name: value for name, value in values.items() if name not in named}
        named = {name: value for name, value in named.items() if value is not None}
        return rest | {"sampling": {**rest.get("sampling", {}), **named}} if named else rest

    @property
    def asked(self) -> dict[str, Any]:
        """What items are asked to be, by condition."""
        return ({} if self.labels is None else {"label": self.labels}) | self.conditions

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.count is None and self.briefs is None:
            raise ValueError("count is missing; set it, or give briefs that have a count")
        for field in ("partition_by", "own_columns", "briefs_sheet", "columns"):
            given = getattr(self, field) != type(self).model_fields[field].default
            if given and self.briefs is None:
                raise ValueError(f"{field} needs briefs")
        if self.provenance.prompts and self.briefs is None:
            raise ValueError("provenance.prompts needs briefs, which have the prompts")
        if self.codec == "raw" and self.writer == "files":
            raise ValueError("codec raw has no file format; use the writer parquet or webdataset")
        return self
