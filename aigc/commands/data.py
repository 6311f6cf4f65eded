"""`aigc data`: fetch a public data set, prepare your own, show one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    Workers,
    local_folder,
    overrides,
    print_json,
    progress,
    say,
)
from aigc.errors import listed

if TYPE_CHECKING:
    from aigc.data.dataset import Dataset
    from aigc.types import Json

_RECORD = "forgotten.json"
_SHOWN_CREATORS = 5
_MANY_CLASSES = 100
_SHOWN_CAPTIONS = 5
_READ_CAPTIONS = 1000
_CAPTION_WIDTH = 100

app = typer.Typer(help="Fetch, prepare and show data sets.", no_args_is_help=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="fashion-mnist, digits, emoji, furniture or drums.")],
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", parser=local_folder, help="Folder for the files."),
    ],
    background: Annotated[
        str | None,
        typer.Option(help="Colour behind transparent images: a name or '#rrggbb'."),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", parser=local_folder, help="Folder with archives downloaded earlier."
        ),
    ] = None,
    turntable: Annotated[
        int | None,
        typer.Option(metavar="N", help="furniture: render N views of each 3D model by VTK."),
    ] = None,
    licences: Annotated[
        str | None,
        typer.Option(help="drums: free (CC0, CC BY, MIT) or all (CC BY-SA and GPL, too)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public data set.

    Example: aigc data fetch emoji raw/emoji --background '#f4efe6'

    Each download is checked against a fixed sha256; a rerun checks the files and fetches only if
    one is missing or damaged. Credits: fashion-mnist is Zalando's (MIT), digits is UCI's (CC BY
    4.0), emoji is Microsoft's Fluent design (MIT); each image of furniture and each sound of drums
    names its creator and its licence in metadata.csv.
    """
    from aigc.data.fetch import FetchOptions
    from aigc.data.fetch import fetch as fetch_set

    options = FetchOptions(background, archives, turntable, licences)
    fetched = fetch_set(name, str(folder), say, options)
    if as_json:
        print_json({"name": name, "folder": str(folder), "fetched": fetched})
    else:
        state = "fetched" if fetched else "already there, nothing to do"
        say(f"{name}: {state}. Next: aigc data prepare {folder} DATASET")


@app.command()
def prepare(
    source: Annotated[
        str | None,
        typer.Argument(help="Folder, Parquet, IDX, ZIP, tar or WebDataset; may be s3://."),
    ] = None,
    out: Annotated[
        str | None, typer.Argument(help="Folder or s3:// prefix for the data set.")
    ] = None,
    spec_file: SpecFile = None,
    modality: Annotated[
        str | None, typer.Option(help="image or audio; unset: by the names of the files.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Images, in pixels: 64, or 64x96 for height x width.")
    ] = None,
    fit: Annotated[
        str | None, typer.Option(help="Images of other aspect ratios: crop, pad or stretch.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Sounds: length of every clip.")] = None,
    rate: Annotated[int | None, typer.Option(help="Sounds: samples a second.")] = None,
    channels: Annotated[
        int | None, typer.Option(help="1 (grey, mono), 2 (stereo) or 3 (RGB).")
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="Share to test on, if the source has no test split.")
    ] = None,
    max_rejects: Annotated[
        float | None, typer.Option(help="Rejected inputs to allow: a share below 1, or a number.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the split and the order.")] = None,
    workers: Workers = None,
    address: Address = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Check, decode, bring to one shape, deduplicate, split and shard images or sounds.

    Example: aigc data prepare photos/ shop64 --size 64

    Classes are the sub-folders, or the column label of a metadata.csv or metadata.jsonl (file_name,
    text, label, licence, creator).
    """
    from aigc.data.requested import load
    from aigc.distributed.prepare import run
    from aigc.modalities import MODALITIES

    flags = {
        "source": source,
        "out": out,
        "modality": modality,
        "size": size,
        "fit": fit,
        "seconds": seconds,
        "rate": rate,
        "channels": channels,
        "test_fraction": test_fraction,
        "max_rejects": max_rejects,
        "seed": seed,
        "placement__workers": workers,
    }
    spec = load(spec_file, overrides(settings, **flags))
    with progress("prepare", MODALITIES[spec.modality].title) as report:
        made = run(spec, address, report, say)
    if as_json:
        print_json(made)
        return
    _tell(made)


@app.command()
def show(
    uri: Annotated[str, typer.Argument(help="A prepared data set.")], as_json: AsJson = False
) -> None:
    """Show counts, labels, licences and captions of a prepared data set.

    Example: aigc data show shop64
    """
    from aigc.data.dataset import open_dataset

    dataset = open_dataset(uri)
    info, kind, counts = dataset.info, dataset.kind, dataset.counts
    if as_json:
        print_json(info)
        return
    _table(
        [
            (f"{kind.noun}s", f"{counts['train']:,} train, {counts['test']:,} test"),
            ("size", kind.in_words(dataset.item)),
            ("source", f"{info['source']} ({info['licence'] or 'licence not stated'})"),
            ("read as", info.get("reading", "")),
            ("rejected", f"{info['rejects']:,}"),
            ("duplicates", _duplicates(info)),
            *_forgotten(info),
            ("mean, std", f"{info['mean']}, {info['std']}"),
            ("files", f"{sum(len(files) for files in info['files'].values()):,}"),
            ("digest", info["digest"]),
            *_credits(info),
            *_captions(dataset),
        ]
    )
    if info["labels"]:
        train, test = info["per_class"]["train"], info["per_class"]["test"]
        rows = [(n, train[n], test[n]) for n in info["labels"]]
        _table([("class", "train", "test"), *rows])


def _tell(made: Json) -> None:
    from aigc.modalities import MODALITIES
    from aigc.specs.evaluate import MIN_IMAGES

    if made["reused"]:
        kept = ", whose files are gone" if made["source_gone"] else ""
        say(f"{made['uri']}: already prepared from this source{kept} with this spec; nothing to do")
    seconds = f", {made['wall_s']:g} s" if not made["reused"] else ""
    items = MODALITIES[made["modality"]].title
    say(
        f"{made['uri']}: {made['train']:,} train and {made['test']:,} test {items}, "
        f"{len(made['labels'])} classes, {made['rejects']:,} rejected, "
        f"duplicates dropped: {_duplicates(made)}{seconds}"
    )
    if not made["test"]:
        say(
            f"no test {items}: evaluate needs some, and train compares with those it trains on; "
            "raise test_fraction, or give the source a split to test on"
        )
    elif made["test"] < MIN_IMAGES:
        fraction = math.ceil(20 * MIN_IMAGES / (made["train"] + made["test"])) / 20
        larger = f"raise test_fraction to {fraction:g} or add" if fraction <= 0.5 else "add"
        say(f"aigc evaluate needs at least {MIN_IMAGES} test {items}; {larger} {items}")
    if made["untrained"]:
        missing = listed([f"{name} ({why})" for name, why in made["untrained"].items()])
        say(f"no training {items} of {missing}; a model makes these labels only when named")
    if len(made["labels"]) > _MANY_CLASSES and made["train"] < 2 * len(made["labels"]):
        say("most classes have one item: set label_column = '' if these are not classes")


def _forgotten(info: Json) -> Iterator[tuple[str, str]]:
    if found := info.get("forgotten"):
        yield "removed", f"{found['items']:,} of {found['from_data']} ({_RECORD})"


def _credits(info: Json) -> Iterator[tuple[str, str]]:
    """Counts of licences and creators; of many creators the most frequent."""
    if info.get("licences"):
        yield "licences", ", ".join(_frequent(info["licences"]))
    if info.get("creators"):
        named = _frequent(info["creators"])
        more = [f"{info['creator_count']:,} in all"] if len(named) > _SHOWN_CREATORS else []
        yield "creators", ", ".join([*named[:_SHOWN_CREATORS], *more])


def _frequent(counts: dict[str, int]) -> list[str]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{name}: {count:,}" for name, count in ordered]


def _captions(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The first few captions of the training split."""
    if "caption" in dataset.columns:
        found = [text for text in dataset.texts("train", "caption", _READ_CAPTIONS) if text]
        for number, text in enumerate(found[:_SHOWN_CAPTIONS]):
            yield "" if number else "captions", repr(text[:_CAPTION_WIDTH])


def _duplicates(made: Json) -> str:
    return f"{made['duplicates']['exact']:,} exact, {made['duplicates']['near']:,} near"


def _table(rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        table.add_row(*map(Text, cells))
    Console().print(table)
