"""Closing a job: completeness, clean-up, a preview, a card, and the manifest last of all."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping

import torch

import aigc
from aigc import storage
from aigc.generation import rounds
from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.modalities.image import contact_sheet
from aigc.output import commit
from aigc.output.records import totals, unstamped
from aigc.output.schema import add_digests
from aigc.output.writers import SUFFIX
from aigc.provenance.statement import TRAINED_ALGORITHMIC_MEDIA
from aigc.sets import origin, read, report, shard_list, training_data
from aigc.sets.training_data import Released
from aigc.threads import each
from aigc.types import Json, ShardRecord

_PREVIEW_COLUMNS = 12
_READ = {
    "parquet": 'Read it with `datasets.load_dataset("parquet", data_files="data/**/*.parquet")`, '
    "DuckDB, Polars, pandas or Spark.",
    "webdataset": 'Read it with `webdataset.WebDataset` or `datasets.load_dataset("webdataset", '
    'data_files="data/**/*.tar")`.',
    "files": "The {title} lie under `{folder}/`; the Parquet files under `data/` say what each is.",
}


def finish(out: str, job: Job, released: Released = lambda manifest: None) -> Json:
    """Write manifest.json once every shard is committed; returns it. `released` gets it before it
    is written.

    Raises:
        JobError: a shard is missing.
    """
    records = commit.settle(out)
    commit.require_complete(job, records, out)
    orphans = commit.remove_orphans(out, records.values())
    pixels, names = read.sample_by_label(out, job, records, _PREVIEW_COLUMNS)
    trained_on, credits = training_data.of_model(job)
    manifest = _manifest(job, records, orphans) | shard_list.write(out, records.values())
    manifest |= {} if trained_on is None else {"training_data": trained_on}
    beside = report.files(out, job, records, pixels) | {
        "preview.png": contact_sheet(pixels, _PREVIEW_COLUMNS, names),
        "README.md": card(job, manifest).encode(),
        **training_data.beside(credits),
    }
    each(lambda name: storage.write_bytes(storage.join(out, name), beside[name]), list(beside))
    released(manifest)
    storage.write_bytes(commit.manifest_uri(out), json.dumps(manifest, indent=1).encode())
    shard_list.remove_others(out, manifest)
    return manifest


def tidy(out: str, job: Job) -> int:
    """Remove what attempts left that came after the set at `out` was finished; returns how many.

    Raises:
        JobError: the set is not complete.
    """
    records = commit.read_records(out)
    commit.require_complete(job, records, out, commit.LOST_RECORD)
    return commit.remove_orphans(out, records.values())


def status(out: str) -> Json:
    """How far a job is, from its records and rounds alone: no cluster is asked."""
    job = commit.read_job(out)
    records = commit.read_records(out)
    done = sum(record.rows for record in records.values())
    ended = [record.started_at + record.wall_s for record in records.values()]
    return {
        "out": out,
        "model": job.model,
        "complete": commit.read_manifest(out) is not None and len(records) == job.shards,
        "items": done,
        "count": job.count,
        "shards": len(records),
        "planned_shards": job.shards,
        "size_bytes": sum(record.size_bytes for record in records.values()),
        "last_commit_age_s": round(time.time() - max(ended), 1) if ended else None,
        "rounds": rounds.how_far(job, out) if job.gates.duplicates else None,
    }


def _manifest(job: Job, records: Mapping[int, ShardRecord], orphans: int) -> Json:
    return {
        "format": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "job": job.model_dump(mode="json"),
        **totals(records.values()),
        "content_digest": add_digests([record.content for record in records.values()]),
        "digital_source_type": TRAINED_ALGORITHMIC_MEDIA,
        "provenance": origin.described(job, unstamped(records.values())),
        "orphans_removed": orphans,
        "made_with": {
            "aigc": aigc.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    }


def _knobs(job: Job) -> list[str]:
    return [f"{name}: {value or 'none'}" for name, value in job.sampling.items()]


def _as_made(job: Job, title: str) -> str:
    if job.briefs_digest is not None:
        said = job.delivery.described(job.form, by_briefs=True)
        return f"- Made from briefs: each row says its seed, {said}"
    return (
        f"- Seed: {'; '.join([str(job.seed), *_knobs(job)])}\n"
        f"- {title.capitalize()}: {job.delivery.described(job.form)}"
    )


def _origin(job: Job) -> str:
    """A line for models that were imported."""
    if job.origin is None:
        return ""
    found = job.origin
    return (
        f"- The model was imported: `{found.name}`, licence {found.licence}, source "
        f"{found.source}, sha256 `{found.sha256}`\n"
    )


def card(job: Job, manifest: Json) -> str:
    """The data set card: a README that the Hugging Face hub and people can read."""
    counts = "\n".join(f"| {name} | {count:,} |" for name, count in manifest["labels"].items())
    title, one = MODALITIES[job.modality].title, MODALITIES[job.modality].source.noun
    stated = manifest["provenance"]
    how = _READ[job.writer].format(title=title, folder=job.delivery.folder)
    table = f"\n| label | items |\n|---|---|\n{counts}\n" if counts else ""
    return f"""---
configs:
- config_name: default
  data_files: data/**/*{SUFFIX[job.writer]}
tags: [synthetic, ai-generated]
---
# {manifest["items"]:,} {title} generated by {job.model}

**Every {one} here is AI-generated** (IPTC digital source type `trainedAlgorithmicMedia`), which
the column `digital_source_type`{f" and each {one} file" if stated["metadata"] else ""} states.

![preview](preview.png)

- Model: `{job.model}`, digest `{job.model_digest}`
{_origin(job)}{_as_made(job, title)}
{origin.line(stated, one)}
- Content digest: `{manifest["content_digest"]}`
{training_data.card(manifest)}{table}
{how} `aigc verify` checks it; `aigc regenerate --item N` makes any item again.
"""
