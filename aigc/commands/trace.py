"""`aigc trace | index`: where a file comes from, and the index that knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.commands.common import AsJson, print_json, progress, say
from aigc.errors import DataError

if TYPE_CHECKING:
    from aigc.provenance.trace import Trace, Tracer

_MOST_BYTES = 2**28
_STANDING = {"valid": "valid, by a signer that no --root vouches for", "not_present": "not present"}


def index(
    sets: Annotated[list[str], typer.Argument(help="Finished content sets.")],
    to: Annotated[Path, typer.Option(help="Folder of the new index, on this machine.")],
    as_json: AsJson = False,
) -> None:
    """Index the items of finished sets, so that `aigc trace` finds them.

    Example: aigc index out/fashion --to published
    """
    from aigc.sets.tracing import index_sets

    with progress("indexing", "images") as report:
        found = index_sets(sets, to, report)
    if as_json:
        print_json(found)
        return
    sets_word = "set" if found["sets"] == 1 else "sets"
    say(f"{found['items']:,} items of {found['sets']} {sets_word} are in {to}")


def trace(
    files: Annotated[list[Path], typer.Argument(help="Image or sound files of any origin.")],
    index: Annotated[
        list[Path] | None, typer.Option("--index", help="Made by aigc index; may be repeated.")
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="PEM file of certificates to trust.")
    ] = None,
    watermark: Annotated[
        list[str] | None,
        typer.Option(help="Method to look for, or package.module:Class; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where files come from, by which evidence and how sure. Exit code 1: unknown.

    Example: aigc trace ad.jpg --index published --root signing/root.pem
    """
    from aigc.provenance.roots import reader_of
    from aigc.provenance.trace import Tracer
    from aigc.provenance.trace_index import TraceIndex
    from aigc.provenance.watermark import DEFAULT, open_watermark
    from aigc.provenance.watermark.keys import key_from
    from aigc.sets.tracing import look_at, mark_finder

    names = [DEFAULT] if watermark is None else watermark
    tracer = Tracer(
        [TraceIndex(folder) for folder in index or ()],
        reader_of([str(each) for each in root or ()]),
        look_at,
        mark_finder([open_watermark(name, key_from()) for name in names]),
    )
    found = [_traced(tracer, file) for file in files]
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        for one in found:
            _show(one)
    if not all(one.is_found for one in found):
        raise typer.Exit(1)


def _traced(tracer: Tracer, path: Path) -> Trace:
    from aigc.provenance.media_types import IN_WORDS, media_type

    file = _bytes(path)
    found = tracer.trace(file, str(path))
    if media_type(file):
        return found
    note = f"not a {IN_WORDS} file: nothing but its digest is compared"
    return replace(found, notes=(*found.notes, note))


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: larger than {_MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def _show(found: Trace) -> None:
    typer.echo(f"{found.file}: {_verdict(found)}")
    for one in found.evidence:
        where = f" in {one.set}" if one.set else ""
        by = f", by {one.model}" if one.model else ""
        bits = f", {one.bits} of 256 bits differ" if one.bits is not None else ""
        chance = f", p = {one.p_value:.1g}" if one.p_value is not None else ""
        typer.echo(f"  {one.certainty:<7} {one.kind:<10} {one.item}{where}{by}{bits}{chance}")
    for note in (*found.problems, *found.notes):
        typer.echo(f"  note    {note}")


def _verdict(found: Trace) -> str:
    credential = f"; credential {_STANDING.get(found.c2pa, found.c2pa)}" if found.c2pa else ""
    if found.is_found:
        return f"found ({found.evidence[0].certainty}){credential}"
    stated = "; its metadata says AI-generated" if found.source_type else ""
    return f"unknown{stated}{credential}"
