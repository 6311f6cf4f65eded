"""`aigc generate` and `aigc append`: items to generate, their format, gates and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from aigc.specs.base import Codec, Fraction, Items, Location, Placement, Seed, Spec

Share = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=1, le=8192)]


class DegenerateGate(Spec):
    """Refuses images without content: a single flat tone, overexposed, or not finite."""

    min_std: float = Field(2.0, ge=0)
    """Smallest allowed standard deviation of the grey levels (0..255). An image below it is refused
    as `blank`."""
    max_saturated: Fraction = 0.98
    """Largest allowed share of pixel values that are 0 or 255. An image above it is refused as
    `saturated`."""


class RealismGate(Spec):
    """Refuses the items with the lowest realism score."""

    score: Literal["discriminator", "density"] = "discriminator"
    """`discriminator`: output of the discriminator that is published with the model. `density`: how
    densely training images lie around the image in feature space (Kynkaanniemi et al. 2019, eq. 3).
    Higher is better for both."""
    data: Location | None = None
    """Data set the model was trained on, made by `aigc data prepare`. Required for `density`."""
    percentile: float | None = Field(None, gt=0, lt=100)
    """Refuse the lowest-scoring share, in per cent, between 0 and 100. The score it corresponds to
    is measured on a probe before the job. Set this or `threshold`."""
    threshold: float | None = None
    """Refuse items that score below this value. Set this or `percentile`."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.percentile is None) == (self.threshold is None):
            raise ValueError("set percentile or threshold, one of the two")
        if self.score == "density" and self.data is None:
            raise ValueError("score density needs data: the training set to compare with")
        return self


class DuplicateGate(Spec):
    """Of two alike items of the whole job, delivers only the one with the lower candidate
    number."""

    near: bool = True
    """Also refuse near duplicates. False refuses only items with identical pixels."""
    distance: int = Field(2, ge=0, le=8)
    """Number of bits, 0..8, by which the 64-bit perceptual hashes of two near duplicates may
    differ."""
    rmse: float = Field(4.0, ge=0, le=255)
    """Largest root mean squared difference of the 8x8 grey thumbnails (0..255) at which a match of
    the hashes counts as a duplicate."""


class MemorisationGate(Spec):
    """Refuses images that are too close to a training image."""

    data: Location
    """Data set the model was trained on, made by `aigc data prepare`."""
    rmse: float = Field(4.0, gt=0, le=255)
    """An image is refused if the root mean squared difference of grey levels (0..255) to its
    nearest training image is at most this value. Both are first averaged down to 16x16."""


class Gates(Spec):
    """Checks on generated items. Refused items are replaced until `count` items are accepted."""

    degenerate: DegenerateGate | None = None
    """Refuse items without content. `true` takes the defaults, `false` or null turns the gate
    off."""
    realism: RealismGate | None = None
    """Refuse items with a low realism score. Default: off."""
    memorisation: MemorisationGate | None = None
    """Refuse items that are too close to a training item. Default: off."""
    duplicates: DuplicateGate | None = None
    """Refuse duplicates within the job. `true` takes the defaults, `false` or null turns the gate
    off."""
    max_draws: int = Field(20, ge=1, le=1000)
    """Candidates that may be generated for one item, 1..1000. If all are refused, the job stops and
    reports which gates refused them."""
    min_accepted: Fraction = 0.05
    """Smallest share of accepted candidates. The job stops if the share is lower after the first
    thousand or more candidates."""

    @field_validator("degenerate", "duplicates", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        """`true` becomes the gate with its defaults, `false` becomes None."""
        return ({} if value else None) if isinstance(value, bool) else value

    @property
    def any(self) -> bool:
        return self.local or self.duplicates is not None

    @property
    def local(self) -> bool:
        """Whether any gate is on that checks an item without the rest of the job."""
        return any((self.degenerate, self.realism, self.memorisation))

    @property
    def data(self) -> dict[str, str]:
        """URIs of the data sets that gates compare with, by gate."""
        named = {"realism": self.realism, "memorisation": self.memorisation}
        return {name: gate.data for name, gate in named.items() if gate and gate.data}

    def with_data(self, places: Mapping[str, str]) -> Gates:
        """A copy whose data sets are at `places` (gate to URI)."""
        gates = {name: getattr(self, name) for name in places}
        moved = {n: gate.model_copy(update={"data": places[n]}) for n, gate in gates.items()}
        return self.model_copy(update=moved)


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


class GenerateSpec(Spec):
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
    truncation: float | None = Field(None, gt=0)
    """Draw latents from the normal distribution truncated at ± this value (Brock et al. 2019):
    smaller means less variety and fewer outliers. Default: no truncation."""
    codec: Codec = "png"
    """Encoding of each image; `raw` stores uncompressed pixels."""
    quality: int = Field(90, ge=1, le=100)
    """Quality for jpeg and webp, 1..100; webp at 100 is lossless."""
    width: Side | None = None
    """Width in pixels of the delivered images, 1..8192; other sizes than the model's are resampled.
    Default: the model's width."""
    height: Side | None = None
    """Height in pixels of the delivered images, 1..8192. Default: the model's height."""
    colour: Literal["grey", "rgb"] | None = None
    """Convert to `grey` or `rgb`. Default: as the model generates."""
    resampling: Literal["lanczos", "bicubic", "nearest"] = "lanczos"
    """Filter used where `width` and `height` differ from the model's."""
    writer: Literal["parquet", "webdataset", "files"] = "parquet"
    """Layout of the output: Parquet files, WebDataset tar files, or one file per item."""
    include: tuple[Literal["latents", "scores"], ...] = ()
    """Additional columns: the latents of each item, the scores of the gates."""
    gates: Gates = Gates()
    """Checks that an item must pass to be delivered."""
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
    embed_provenance: bool = True
    """Also write the AI-generated label (IPTC digital source type) into each image file."""
    placement: Placement = Placement()
    """Where the job is executed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.count is None and self.briefs is None:
            raise ValueError("count is missing; set it, or give briefs that have a count")
        for field in ("partition_by", "own_columns", "briefs_sheet", "columns"):
            given = getattr(self, field) != type(self).model_fields[field].default
            if given and self.briefs is None:
                raise ValueError(f"{field} needs briefs")
        if self.codec == "raw" and self.writer == "files":
            raise ValueError("codec raw has no file format; use the writer parquet or webdataset")
        return self
