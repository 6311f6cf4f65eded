"""`aigc submit` and `aigc jobs list|logs|stop`: commands as jobs on a running Ray cluster."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import AsJson, Settings, overrides, print_json, print_table, say
from aigc.commands.generate import MetricsPort
from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.distributed.submit import Cluster

Dashboard = Annotated[
    str | None,
    typer.Option(help="The cluster's dashboard, http://HEAD:8265; default: RAY_ADDRESS."),
]
JobId = Annotated[
    str, typer.Argument(help="Job id, as printed by `aigc submit` and `aigc jobs list`.")
]

jobs = typer.Typer(help="List, follow and stop jobs on a Ray cluster.", no_args_is_help=True)


def submit(
    verb: Annotated[str, typer.Argument(help="prepare, train, evaluate or generate.")],
    spec_file: Annotated[str, typer.Argument(metavar="SPEC", help="YAML spec of the command.")],
    address: Dashboard = None,
    settings: Settings = None,
    follow: Annotated[bool, typer.Option(help="Stream the log until the job ends.")] = True,
    ship: Annotated[
        bool,
        typer.Option(
            "--ship", help="Send this version of aigc with the job, if the cluster has none."
        ),
    ] = False,
    metrics_port: MetricsPort = None,
    forward_aws_credentials: Annotated[
        bool,
        typer.Option(
            "--forward-aws-credentials",
            help="Pass AWS keys to the job. Everyone who may list the cluster's jobs can then "
            "read them; prefer a role on the cluster's machines.",
        ),
    ] = False,
    forward_signing_key: Annotated[
        bool,
        typer.Option(
            "--forward-signing-key",
            help="Pass AIGC_SIGNING_CERTIFICATE, AIGC_SIGNING_KEY and AIGC_SIGNER to the job, "
            "files as their text. Everyone who may list the cluster's jobs can then read them.",
        ),
    ] = False,
) -> None:
    """Run a command as a job on a Ray cluster. Ctrl-C leaves the job running.

    Example: aigc submit generate generate.yaml --address http://10.0.0.1:8265
    """
    from aigc.data import requested
    from aigc.distributed.submit import VERBS, Cluster
    from aigc.provenance import secrets
    from aigc.specs import SPECS, Spec, load

    if verb not in VERBS:
        raise SpecError(f"verb {verb!r} cannot be submitted; choose one of {', '.join(VERBS)}")
    if metrics_port is not None and verb != "generate":
        raise SpecError(f"--metrics-port: {verb} has no metrics; leave it out")
    options = [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    values = overrides(settings)
    spec: Spec = (
        requested.load(spec_file, values)
        if verb == "prepare"
        else load(SPECS[verb], spec_file, values)
    )
    cluster = Cluster(address)
    signing_key = secrets.of_environment(os.environ) if forward_signing_key else {}
    job, warnings = cluster.submit(
        verb,
        spec,
        options,
        ship=ship,
        forward_credentials=forward_aws_credentials,
        signing_key=signing_key,
    )
    for warning in warnings:
        say(f"warning: {warning}")
    if not follow:
        typer.echo(job)
        _say_how_to_go_on(cluster, job)
        return
    say(f"job {job} at {cluster.address}; Ctrl-C leaves it running")
    _follow(cluster, job)


@jobs.command("list")
def list_jobs(address: Dashboard = None, as_json: AsJson = False) -> None:
    """List the jobs submitted to the cluster, newest first.

    Example: aigc jobs list --address http://10.0.0.1:8265
    """
    from aigc.distributed.submit import Cluster

    found = Cluster(address).submitted()
    if as_json:
        print_json(found)
        return
    print_table(
        ("job", "verb", "status", "exit", "started", "took", "out"), [_cells(job) for job in found]
    )


@jobs.command("logs")
def show_logs(
    job: JobId,
    address: Dashboard = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stream the log until the job ends.")
    ] = False,
) -> None:
    """Print the log of a job; with --follow until it ends, then exit with its exit code.

    Example: aigc jobs logs generate-20260301-120000-ab12 --follow
    """
    from aigc.distributed.submit import Cluster

    cluster = Cluster(address)
    cluster.details(job)
    if follow:
        _follow(cluster, job)
    else:
        typer.echo(cluster.logs(job), nl=False)


@jobs.command("stop")
def stop(job: JobId, address: Dashboard = None) -> None:
    """Stop a job. Committed work stays; submit the same spec again to continue.

    Example: aigc jobs stop generate-20260301-120000-ab12
    """
    from aigc.distributed.submit import Cluster

    stopped = Cluster(address).stop(job)
    typer.echo(f"{job}: {'stopping' if stopped else 'had already ended'}")


def _cells(job: dict[str, Any]) -> tuple[str, ...]:
    started = time.strftime("%d %b %H:%M:%S", time.localtime(job["started_at"]))
    code = "" if job["exit_code"] is None else str(job["exit_code"])
    took = f"{job['seconds']:,.0f} s"
    return (job["job"], job["verb"], job["status"], code, started, took, job["out"])


def _follow(cluster: Cluster, job: str) -> None:
    try:
        code = cluster.follow(job, _write, say)
    except KeyboardInterrupt:
        say(f"\ndetached; job {job} keeps running")
        _say_how_to_go_on(cluster, job)
        sys.exit(130)  # the job was not interrupted, so nothing more is said
    if code:
        raise typer.Exit(code)


def _write(text: str) -> None:
    typer.echo(text, nl=False)


def _say_how_to_go_on(cluster: Cluster, job: str) -> None:
    say(f"follow: aigc jobs logs {job} --follow --address {cluster.address}")
    say(f"stop:   aigc jobs stop {job} --address {cluster.address}")
