"""All that the page of a set says, gathered from the set, the model store and the training data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aigc import storage
from aigc.data.dataset import Dataset
from aigc.errors import AigcError, JobError
from aigc.evaluation.nearest import TrainingIndex, baseline
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.output import commit
from aigc.output.records import Records
from aigc.provenance.spec import Provenance
from aigc.sets import read
from aigc.sets import report as job_report
from aigc.sets.release import labels, scores
from aigc.sets.release.cells import PageElements, strip_picture
from aigc.sets.release.labels import LabelsFound
from aigc.sets.release.memorisation import (
    NearestPair,
    SetMemorisation,
    TrainingItem,
    judge,
    training_items,
)
from aigc.sets.release.model import ModelFacts, read_model
from aigc.sets.release.nearest import MEMORY_BYTES, read_nearest, write_nearest
from aigc.sets.release.scores import ScoreHistogram
from aigc.sets.release.training_data import TrainingData, find_training_data
from aigc.types import Json, Report, silent

_STRIP = 12
_CELLS = 240
_ROWS = 40
_WIDTH_PX = 880


@dataclass(frozen=True)
class ReleaseRequest:
    """What is asked for: `data` is the training data's place, `roots` are PEM files of trusted
    certificates; without `nearest` the training data is not compared with."""

    data: str | None = None
    roots: tuple[str, ...] = ()
    nearest: bool = True


@dataclass(frozen=True)
class SampleRow:
    """Items of one label: each item's index and its HTML."""

    name: str
    cells: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class ShownPair:
    """A pair as HTML: the item of the set and the training item."""

    pair: NearestPair
    item: str
    training: str
    original: TrainingItem


@dataclass(frozen=True)
class ReleaseFacts:
    out: str
    job: Job
    manifest: Json
    figures: Json
    """Content of report.json."""
    model: ModelFacts
    data: TrainingData
    asked: Provenance | None
    """What files state of their origin; None where they state nothing."""
    found: LabelsFound
    scores: Sequence[ScoreHistogram]
    memorisation: SetMemorisation | None
    memorisation_problem: str
    """Why there is none, in one line."""
    rows: Sequence[SampleRow]
    more_labels: int
    """Labels that have no row."""
    strip: Sequence[str]
    pairs: Sequence[ShownPair]
    made_at: str
    nearest_uri: str | None = None

    @property
    def title(self) -> str:
        """Several of its items, in a sentence."""
        return MODALITIES[self.job.modality].title


def gather(out: str, where: str, request: ReleaseRequest, report: Report = silent) -> ReleaseFacts:
    """Of the finished set at `out`; `nearest.parquet` is written to `where`.

    Raises:
        JobError: the set is not finished or damaged. SpecError: `request.data` is other data.
        DataError, StorageError, CredentialsError.
    """
    out = storage.absolute(out)
    job, manifest = commit.read_job(out), commit.require_manifest(out)
    records = commit.read_records(out)
    commit.require_complete(job, records, out, commit.LOST_RECORD)
    figures = storage.read_json(storage.join(out, "report.json"))
    model = read_model(job)
    data = find_training_data(out, job, manifest, model, request.data)
    elements = PageElements()
    plain = ReleaseFacts(
        out=out,
        job=job,
        manifest=manifest,
        figures=figures or job_report.summarise(out, job, records),
        model=model,
        data=data,
        asked=labels.provenance_of(job),
        found=labels.find_labels(out, job, records, request.roots),
        scores=scores.histograms(out, job, records),
        memorisation=None,
        memorisation_problem=data.problem or "not asked for",
        rows=(),
        more_labels=0,
        strip=_strip(out, job, records),
        pairs=(),
        made_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )
    if data.dataset is not None and request.nearest:
        plain = _with_memorisation(plain, data.dataset, where, records, elements, report)
    return _with_samples(plain, records, elements)


def _with_memorisation(
    plain: ReleaseFacts,
    dataset: Dataset,
    where: str,
    records: Records,
    elements: PageElements,
    report: Report,
) -> ReleaseFacts:
    job, out = plain.job, plain.out
    if dataset.modality != job.modality:
        return replace(plain, memorisation_problem=f"the training data holds {dataset.title}")
    index: list[TrainingIndex] = []

    def load() -> TrainingIndex:
        index.extend([] if index else [TrainingIndex(dataset, MEMORY_BYTES)])
        return index[0]

    try:
        uri = write_nearest(where, out, job, records, plain.manifest, dataset, load, report)
        found = judge(job.count, read_nearest(uri), baseline(dataset, load))
        pairs = _pairs(plain, dataset, records, found, elements)
    except JobError:
        raise
    except AigcError as error:
        return replace(plain, memorisation_problem=str(error))
    return replace(plain, memorisation=found, memorisation_problem="", pairs=pairs, nearest_uri=uri)


def _pairs(
    plain: ReleaseFacts,
    dataset: Dataset,
    records: Records,
    found: SetMemorisation,
    elements: PageElements,
) -> tuple[ShownPair, ...]:
    job = plain.job
    items = read.stored(plain.out, job, records, [pair.index for pair in found.pairs])
    originals = training_items(dataset, [pair.training_index for pair in found.pairs])
    delivery = MODALITIES[dataset.modality].delivery
    form = delivery.form_of(dataset.item, {})
    wanted = delivery.format_of(form)
    shown = []
    for pair in found.pairs:
        original = originals[pair.training_index]
        title = f"training {dataset.kind.noun} {original.id}"
        element = elements.file(delivery, form, wanted, original.file, title)
        mine = elements.item(items[pair.index], f"item {pair.index}")
        shown.append(ShownPair(pair, mine, element, original))
    return tuple(shown)


def _with_samples(plain: ReleaseFacts, records: Records, elements: PageElements) -> ReleaseFacts:
    """The first items of each label, in as many rows as a page can hold."""
    job = plain.job
    columns = columns_of(job)
    groups = read.first_of_each_label(job, columns)
    shown = groups[: max(1, min(_ROWS, _CELLS // columns))]
    rows = []
    for name, indices in shown:
        items = read.stored(plain.out, job, records, indices)
        cells = tuple((at, elements.item(items[at], f"item {at}")) for at in indices)
        rows.append(SampleRow(name, cells))
    return replace(plain, rows=tuple(rows), more_labels=len(groups) - len(shown))


def columns_of(job: Job) -> int:
    """Items next to each other on the page."""
    return min(10, max(3, _WIDTH_PX // job.delivery.cell_px))


def _strip(out: str, job: Job, records: Records) -> tuple[str, ...]:
    """Some items spread evenly over the set, as small pictures."""
    step = max(1, job.count // _STRIP)
    indices = [
        start + at % step for at, start in enumerate(range(0, job.count - step + 1, step)[:_STRIP])
    ]  # not always the same label
    items = read.stored(out, job, records, indices)
    return tuple(strip_picture(items[at], f"item {at}") for at in indices)
