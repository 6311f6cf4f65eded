"""`aigc VERB`: parse, build the spec, one call. Each verb's options live in `aigc.commands`."""

from __future__ import annotations

import sys

import typer

from aigc import __version__
from aigc.errors import AigcError

app = typer.Typer(
    name="aigc",
    help="Prepare images, train a GAN or VAE, evaluate it, generate content sets in bulk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line: 0 done, 1 the job failed, 2 the input was wrong, 130 interrupted."""
    try:
        app()
    except AigcError as error:
        print(f"aigc: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("aigc: interrupted; the same command again goes on", file=sys.stderr)  # noqa: T201
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
