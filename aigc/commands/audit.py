"""`aigc audit`: check the log of refusals and releases."""

from __future__ import annotations

from typing import Annotated

import typer

from aigc.commands.common import AsJson, place, print_json, say
from aigc.errors import SpecError

_SHOWN = 20

app = typer.Typer(help="Check the log of refusals and releases.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    """Check the log of refusals and releases."""


@app.command()
def verify(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="The file or s3:// prefix.", callback=place)
    ],
    head: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:SHA256", help="A head that an earlier check printed, kept elsewhere."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find lines that were edited, removed or reordered. Exit code 1 if there are any.

    Example: aigc audit verify audit.jsonl
    """
    from aigc.audit import Head
    from aigc.audit import verify as check

    kept = None if head is None else Head.parse(head)
    if head is not None and kept is None:
        raise SpecError(f"--head {head[:100]!r}: expected NUMBER:SHA256, as this command prints it")
    verdict = check(log, kept)
    if as_json:
        problems = [str(problem) for problem in verdict.problems]
        print_json({"lines": verdict.lines, "head": str(verdict.head), "problems": problems})
    else:
        for problem in verdict.problems[:_SHOWN]:
            typer.echo(f"{log}: {problem}")
        if len(verdict.problems) > _SHOWN:
            say(f"and {len(verdict.problems) - _SHOWN:,} more")
        typer.echo(f"{verdict.lines:,} lines, head {verdict.head}")
    if verdict.problems:
        raise typer.Exit(1)
