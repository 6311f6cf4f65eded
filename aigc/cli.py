"""`aigc VERB`: parse, build the spec, one call. Each verb's options live in `aigc.commands`."""

from __future__ import annotations

import typer

from aigc import __version__
from aigc.commands import (
    audit,
    bench,
    data,
    demo,
    doctor,
    evaluate,
    forget,
    generate,
    init,
    keys,
    models,
    report,
    serve,
    sets,
    spec,
    submit,
    trace,
    train,
)
from aigc.commands.common import exit_code, leave

app = typer.Typer(
    name="aigc",
    help="Train a GAN or VAE on images; generate content sets in bulk and serve models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data.app.command("forget")(forget.forget)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("generate")(generate.generate)
app.command("append")(generate.append)
app.command("merge")(generate.merge)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("status")(sets.status)
app.command("verify")(sets.verify)
app.command("regenerate")(sets.regenerate)
app.command("view")(sets.view)
app.command("report")(report.report)
app.command("index")(trace.index)
app.command("trace")(trace.trace)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.command("submit")(submit.submit)
app.add_typer(submit.jobs, name="jobs")
app.add_typer(bench.app, name="bench")
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("spec")(spec.spec)


def main() -> None:
    """Run the command line: 0 done, 1 the job failed, 2 the input was wrong, 130 interrupted."""
    leave(exit_code(app))


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
