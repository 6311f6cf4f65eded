"""`aigc data forget`: opt-out of training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.commands.common import AsJson, place, print_json, progress, say
from aigc.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.specs import TrainSpec
    from aigc.store import ModelVersion
    from aigc.types import Json


def forget(
    data: Annotated[str, typer.Argument(help="A prepared data set.", callback=place)],
    out: Annotated[
        str, typer.Option(metavar="NEW", help="Empty folder or s3:// prefix.", callback=place)
    ],
    ids: Annotated[
        list[str] | None,
        typer.Option(help="Ids (column id), divided by commas; may be repeated."),
    ] = None,
    ids_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text file of ids, one a line.")
    ] = None,
    near: Annotated[
        bool, typer.Option("--near", help="Also remove near duplicates of these.")
    ] = False,
    plain_ids: Annotated[
        bool, typer.Option("--plain-ids", help="Record the ids themselves, not salted hashes.")
    ] = False,
    missing_ok: Annotated[
        bool, typer.Option("--missing-ok", help="Pass over ids that the set does not have.")
    ] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option(metavar="ROOT", help="List content sets below this folder; may be repeated."),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the listed models again, each name once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a new version of a data set without some items; list what was made from the old one.

    Example: aigc data forget data/shop --ids cats/0012.png --near --out data/shop-2 --sets out

    The old data set, models and sets stay as they are: delete them when you have replaced them.
    """
    from aigc.data.dataset import open_dataset
    from aigc.data.entries import first_of_meaning
    from aigc.data.forget import Request, given_ids
    from aigc.data.forget import forget as run
    from aigc.sets import derived
    from aigc.store import ModelStore

    named = (*given_ids(ids or ()), *(_of_file(ids_file) if ids_file else ()))
    if not named:
        raise SpecError("ids: none are given; name them by --ids or --ids-file")
    for root in sets or ():
        if not first_of_meaning(root):
            raise SpecError(f"--sets {root}: nothing is there; name a folder of content sets")
    dataset = open_dataset(data)
    asked = Request(named, near, plain_ids, missing_ok)
    with progress("forget", dataset.title) as report:
        made = run(dataset, asked, out, report)
    models = derived.models_of(dataset.digest, ModelStore())
    made_with = derived.sets_of(models, sets or ())
    specs = _specs(models, out, made["digest"])
    if as_json:
        about = {name: made["forgotten"][name] for name in ("from", "items", "copies", "near")}
        found = {
            "digest": made["digest"],
            "counts": made["counts"],
            "models": [model.ref for model in models],
            "sets": [one.uri for one in made_with],
            "retrain": [spec.model_dump(mode="json") for spec in specs.values()],
        }
        print_json(about | found)
    else:
        _tell(out, made, dataset.title, [model.ref for model in models])
        for one in made_with:
            typer.echo(f"set {one.uri}: {one.items:,} items by {one.model}")
        if not sets:
            say("sets were not looked for; name their folders by --sets ROOT")
    _train_again(models, specs, out, retrain, say if as_json else typer.echo)


def _of_file(file: str) -> tuple[str, ...]:
    from aigc.data.forget import read_ids

    try:
        return read_ids(Path(file).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SpecError(f"--ids-file {file}: {reason}") from None


def _tell(out: str, made: Json, title: str, models: list[str]) -> None:
    counts, forgotten = made["counts"], made["forgotten"]
    say(
        f"{out}: {counts['train']:,} train and {counts['test']:,} test {title}, "
        f"{forgotten['items']:,} removed, {forgotten['copies']:,} of them copies and "
        f"{forgotten['near']:,} near duplicates of those named"
    )
    say(f"digest {made['digest']} (before: {forgotten['from']})")
    for ref in models:
        typer.echo(f"model {ref}")
    if not models:
        say("no model of the store was trained on the old data set")


def _specs(models: list[ModelVersion], data: str, digest: str) -> dict[str, TrainSpec]:
    """The spec of the newest version of each name, by name."""
    from aigc import storage
    from aigc.sets import derived

    newest = {model.name: model for model in models}
    found = {
        name: derived.retraining(model, storage.absolute(data), digest)
        for name, model in newest.items()
    }
    return {name: spec for name, spec in found.items() if spec is not None}


def _train_again(
    models: list[ModelVersion],
    specs: dict[str, TrainSpec],
    out: str,
    run_it: bool,
    tell: Callable[[str], None],
) -> None:
    """Train each name's newest version again, or tell the command that does."""
    from aigc import storage
    from aigc.specs import dump

    for name in dict.fromkeys(model.name for model in models):
        if name not in specs:
            say(f"{name}: keeps no training spec; train it again with --data {out}")
    for name, spec in specs.items():
        folder = Path() if storage.is_s3(out) else Path(storage.absolute(out))
        file = folder / f"retrain-{name}.yaml"
        file.write_text(dump(spec), "utf-8")
        if not run_it:
            tell(f"aigc train {file}")
            continue
        from aigc.distributed.train import run

        with progress("train", "items") as report:
            made = run(spec, None, report, say)
        tell(f"model {made.get('model', spec.out)}")
