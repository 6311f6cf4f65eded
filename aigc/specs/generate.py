"""`aigc generate`: what to make, how it is delivered, and what may not be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from aigc.specs.base import Codec, Fraction, Items, Location, Placement, Seed, Spec

Share = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=1, le=8192)]


class DegenerateGate(Spec):
    """Refuses pictures that hold nothing: one flat tone, burnt out, or not finite."""

    min_std: float = Field(2.0, ge=0)
    """Least standard deviation of the grey levels (0..255); below it an image is `blank`."""
    max_saturated: Fraction = 0.98
    """Largest share of values that are 0 or 255, both counted together; above: `saturated`."""


class RealismGate(Spec):
    """Refuses the least convincing images, by a score of which higher is better."""

    score: Literal["discriminator", "density"] = "discriminator"
    """`discriminator`: the one the model was trained against, published beside it; `density`: how
    deep an image lies in the training features' manifold (Kynkaanniemi et al. 2019, eq. 3)."""
    data: Location | None = None
    """The training set made by `aigc data prepare`; `density` needs it."""
    percentile: float | None = Field(None, gt=0, lt=100)
    """Refuse the lowest so many per cent, measured on a probe before the job."""
    threshold: float | None = None
    """Refuse what scores below."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.percentile is None) == (self.threshold is None):
            raise ValueError("set percentile or threshold, one of the two")
        if self.score == "density" and self.data is None:
            raise ValueError("score density needs data: the training set to compare with")
        return self


class DuplicateGate(Spec):
    """Of two images of the whole job that are alike, only the lower candidate is delivered."""

    near: bool = True
    """False refuses only pixel for pixel copies."""
    distance: int = Field(2, ge=0, le=8)
    """Bits in which the 64-bit perceptual hashes of two near duplicates may differ."""
    rmse: float = Field(4.0, ge=0, le=255)
    """Root mean squared difference of the 8x8 grey thumbnails (0..255) within which a hash match
    counts."""


class MemorisationGate(Spec):
    """Refuses images that stand too close to a training image."""

    data: Location
    """The training set made by `aigc data prepare`."""
    rmse: float = Field(4.0, gt=0, le=255)
    """Root mean squared difference of grey levels (0..255) to the nearest training image, both
    averaged down to 16x16, within which an image is refused."""


class Gates(Spec):
    """What may not be delivered. Refused items are replaced until `count` are accepted."""

    degenerate: DegenerateGate | None = None
    """`true` takes the defaults, here and at `duplicates`."""
    realism: RealismGate | None = None
    memorisation: MemorisationGate | None = None
    duplicates: DuplicateGate | None = None
    max_draws: int = Field(20, ge=1, le=1000)
    """Candidates an item may use up before the job stops and says what refused them."""
    min_accepted: Fraction = 0.05
    """Below this share of accepted candidates (of the first thousand or more) the job stops."""

    @field_validator("degenerate", "duplicates", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        """`true` is the gate with its defaults, `false` none."""
        return ({} if value else None) if isinstance(value, bool) else value

    @property
    def any(self) -> bool:
        return self.local or self.duplicates is not None

    @property
    def local(self) -> bool:
        """Whether some gate judges an image by itself, without the rest of the job."""
        return any((self.degenerate, self.realism, self.memorisation))

    @property
    def data(self) -> dict[str, str]:
        """Where the data sets lie that gates compare with, by gate."""
        named = {"realism": self.realism, "memorisation": self.memorisation}
        return {name: gate.data for name, gate in named.items() if gate and gate.data}

    def with_data(self, places: Mapping[str, str]) -> Gates:
        """The same gates, with those data sets at `places`."""
        gates = {name: getattr(self, name) for name in places}
        moved = {n: gate.model_copy(update={"data": places[n]}) for n, gate in gates.items()}
        return self.model_copy(update=moved)


class Budget(Spec):
    """What a job may cost. Reaching a limit stops it cleanly; the same command goes on."""

    price_per_node_hour: float | None = Field(None, ge=0)
    """In any currency; for the estimate of `--dry-run` and for `max_cost`."""
    max_cost: float | None = Field(None, gt=0)
    max_wall_s: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_cost is not None and self.price_per_node_hour is None:
            raise ValueError("max_cost needs price_per_node_hour")
        return self


class AppendSpec(Spec):
    """How a finished set grows; what it holds, its own job says."""

    out: Location
    to: Items
    """Items it shall have in all."""
    budget: Budget = Budget()
    placement: Placement = Placement()


class BriefColumns(Spec):
    """The user's column for each thing a brief can say, where it is named otherwise."""

    brief_id: str = "brief_id"
    label: str = "label"
    """A label, several as `a|b` in equal shares, or with shares as `a:3|b:1`."""
    prompt: str = "prompt"
    """Words that name labels, where a row has no label of its own; carried into the output."""
    count: str = "count"
    seed: str = "seed"
    width: str = "width"
    height: str = "height"
    codec: str = "codec"
    quality: str = "quality"
    truncation: str = "truncation"


class GenerateSpec(Spec):
    model: str
    """name, name@version, name@alias or the URI of a model folder."""
    out: Location
    count: Items | None = None
    """How many items; with `briefs` each brief says it, and this is for those that do not."""
    briefs: Location | None = None
    """CSV or TSV, JSON Lines (either also as .gz), Parquet or an Excel workbook, one row a brief;
    or an OpenAI batch file (JSON Lines with custom_id and body)."""
    briefs_sheet: str | None = None
    """The workbook's sheet; none means the first that is not hidden."""
    columns: BriefColumns = BriefColumns()
    own_columns: tuple[str, ...] = ()
    """Columns of your own whose names are like those of a brief's fields or of settings, and which
    are therefore asked about."""
    partition_by: tuple[str, ...] = ()
    """Columns of the briefs by which the output is laid out in folders; they stay in the files."""
    max_rejects: float = Field(0.05, ge=0)
    """Stop when more briefs are rejected: a share if below 1, else a number of rows."""
    seed: Seed = 0
    labels: tuple[str, ...] | dict[str, Share] | None = None
    """Labels to make in equal shares, or a share for each; none means every label the model has."""
    truncation: float | None = Field(None, gt=0)
    """Latents are drawn from the normal cut at ± this value (Brock et al. 2019)."""
    codec: Codec = "png"
    quality: int = Field(90, ge=1, le=100)
    """For jpeg and webp; webp at 100 is lossless."""
    width: Side | None = None
    """Of the delivered images; none means the model's. Other sizes are resampled."""
    height: Side | None = None
    colour: Literal["grey", "rgb"] | None = None
    """None means as the model makes them."""
    resampling: Literal["lanczos", "bicubic", "nearest"] = "lanczos"
    writer: Literal["parquet", "webdataset", "files"] = "parquet"
    include: tuple[Literal["latents", "scores"], ...] = ()
    """Optional columns."""
    gates: Gates = Gates()
    budget: Budget = Budget()
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    micro_batch: int = Field(128, ge=1, le=8192)
    """Images a forward pass; part of an item's identity, so it is recorded."""
    shard_items: Items | None = None
    embed_provenance: bool = True
    """Put the AI-generated label (IPTC digital source type) into each image file as well."""
    placement: Placement = Placement()

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
