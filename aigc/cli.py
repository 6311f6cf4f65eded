"""`aigc VERB`: parse, build the spec, one call. Each verb's options live in `aigc.commands`."""

from __future__ import annotations

import sys
from typing import cast

import typer

from aigc import __version__
from aigc.commands import data, doctor, evaluate, generate, init, models, spec, submit
from aigc.errors import AigcError

app = typer.Typer(
    name="aigc",
    help="Prepare images, train a GAN or VAE, evaluate it, generate content sets in bulk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.command("evaluate")(evaluate.evaluate)
app.command("generate")(generate.generate)
app.command("status")(generate.status)
app.command("verify")(generate.verify)
app.command("regenerate")(generate.regenerate)
app.command("view")(generate.view)
app.add_typer(models.app, name="models")
app.command("submit")(submit.submit)
app.add_typer(submit.jobs, name="jobs")
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("spec")(spec.spec)

_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
"""What typer raises for wrong options; it exports only this class's child by name."""


def main() -> None:
    """Run the command line: 0 done, 1 the job failed, 2 the input was wrong, 130 interrupted."""
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except AigcError as error:
        return _complain(str(error), error.exit_code)
    except _UsageError as error:
        return _complain(error.format_message(), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted; the same command again goes on", 130)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    if message:  # without arguments typer has printed the help already
        print(f"aigc: {message}", file=sys.stderr)  # noqa: T201
    return code


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
