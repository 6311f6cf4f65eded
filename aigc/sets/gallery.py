"""A content set as one self-contained page: labels, items, where each came from."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from aigc.job.plan import Job
from aigc.modalities import MODALITIES
from aigc.sets.read import first_of_each_label, stored
from aigc.sets.stored import StoredItem
from aigc.types import Json, ShardRecord

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --muted: #767676; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 0 auto; padding: 24px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 28px 0 8px; }
.note { color: var(--muted); margin: 0 0 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 6px; margin: 20px 0; }
nav a { border: 1px solid var(--line); border-radius: 99px; padding: 2px 12px; color: inherit;
  text-decoration: none; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 6px;
  grid-template-columns: repeat(auto-fill, minmax(var(--cell), 1fr)); }
img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  border: 1px solid var(--line); border-radius: 6px; background: #fff; display: block; }
img.sound { aspect-ratio: auto; image-rendering: auto; }
audio { width: 100%; height: 36px; margin-top: 4px; }
li span { font-size: 11px; color: var(--muted); }
"""


def page(out: str, job: Job, records: Mapping[int, ShardRecord], each: int, status: Json) -> str:
    """HTML with the first `each` items of every label in it, nothing loaded from elsewhere."""
    groups = first_of_each_label(job, each)
    wanted = [index for _, indices in groups for index in indices]
    made = [index for index in wanted if job.shard_of(index) in records]
    found = stored(out, job, records, made)
    modality = MODALITIES[job.modality]
    title = f"{status['items']:,} {modality.title} by {job.model}"
    links = "".join(
        f'<a href="#g{at}">{html.escape(name)}</a>' for at, (name, _) in enumerate(groups) if name
    )
    sections = "".join(
        f'<h2 id="g{at}">{html.escape(name)}</h2><ul>{_cells(indices, found)}</ul>'
        for at, (name, indices) in enumerate(groups)
    )
    facts = {
        "Model": f"{job.model} ({job.model_digest[:12]})",
        **({"Licence of the model": job.origin.licence} if job.origin else {}),
        "Items": f"{status['items']:,} of {job.count:,}",
        "Seed": job.seed,
        "Form": job.delivery.described(job.form)
        if job.briefs_digest is None
        else "as each brief asks",
        "Where": out,
    }
    rows = "".join(
        f"<dt>{key}</dt><dd>{html.escape(str(value))}</dd>" for key, value in facts.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}:root {{ --cell: {job.delivery.cell_px}px; }}</style></head>
<body><h1>{html.escape(title)}</h1>
<p class="note">Every {modality.source.noun} on this page is AI-generated.</p>
<dl>{rows}</dl><nav aria-label="Labels">{links}</nav><main>{sections}</main></body></html>
"""


def _cells(indices: Sequence[int], found: Mapping[int, StoredItem]) -> str:
    return "".join(
        f"<li>{found[index].element(f'item {index}')}<span>{index}</span></li>"
        for index in indices
        if index in found
    )
