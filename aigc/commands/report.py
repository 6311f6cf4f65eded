"""`aigc report`: the page that a reviewer signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import AsJson, place, print_json, progress
from aigc.commands.sets import Out
from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.sets.release.facts import ReleaseFacts, ReleaseRequest


def report(
    out: Out,
    to: Annotated[
        str | None, typer.Option(callback=place, help="Folder or s3:// prefix; default: OUT.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            callback=place, help="Current location of the training data, if it was moved."
        ),
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="PEM file of certificates to trust.")
    ] = None,
    nearest: Annotated[
        bool, typer.Option(help="Find the nearest training item of each item.")
    ] = True,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print it to PDF by Chromium.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write release.html, one self-contained page about a finished set, for a reviewer to sign.

    Example: aigc report out/fashion --pdf
    """
    from aigc import storage
    from aigc.sets.merge import merged_sets
    from aigc.sets.release.facts import ReleaseRequest
    from aigc.sets.release.pdf import find_browser

    if to and Path(to).is_file():
        raise SpecError(f"--to {to}: is a file; name a folder")
    browser = find_browser() if pdf else None
    request = ReleaseRequest(data, tuple(map(str, root or ())), nearest)
    parts = merged_sets(out)
    places = {part: storage.join(to, f"{at:02d}") if to else part for at, part in enumerate(parts)}
    found = [
        _write(part, where, request, browser)
        for part, where in (places or {out: to or out}).items()
    ]
    if as_json:
        print_json(found if parts else found[0])
        return
    for one in found:
        for uri in one["files"]:
            typer.echo(uri)


def _write(out: str, where: str, request: ReleaseRequest, browser: str | None) -> dict[str, Any]:
    from aigc import storage
    from aigc.sets.release.facts import gather
    from aigc.sets.release.page import render
    from aigc.sets.release.pdf import print_pdf

    with progress("nearest training items", "items") as told:
        found = gather(out, where, request, told)
    page = render(found).encode()
    files = [storage.join(where, "release.html")]
    storage.write_bytes(files[0], page)
    if browser is not None:
        files.append(storage.join(where, "release.pdf"))
        storage.write_bytes(files[1], print_pdf(page, browser))
    return {"out": out, "files": [*files, *filter(None, [found.nearest_uri])], **_figures(found)}


def _figures(found: ReleaseFacts) -> dict[str, Any]:
    near = found.memorisation
    return {
        "items": found.manifest["items"],
        "content_digest": found.manifest["content_digest"],
        "labelled": {"files": found.found.files, "with_label": found.found.labelled},
        "credentials": dict(found.found.credentials),
        "memorisation": {"problem": found.memorisation_problem}
        if near is None
        else {
            "suspected": near.is_suspected,
            "share": near.share,
            "copies": near.copies,
            "compared": near.compared,
            "median_distance": near.median,
        },
    }
