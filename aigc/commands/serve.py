"""`aigc serve`: models behind an HTTP endpoint with OpenAI's image API, and the studio."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from aigc.commands.common import Address, Settings, SpecFile, overrides, say


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(help="name, name@alias or name@version; default: all.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: 8000.")] = None,
    keys: Annotated[str | None, typer.Option(help="Key file made by `aigc keys create`.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Listen beyond this machine without keys.")
    ] = None,
    export_config: Annotated[
        bool, typer.Option("--export-config", help="Print the config for `serve deploy` and exit.")
    ] = False,
    export_environment: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Print the environment that a cluster's node needs before `ray start` and exit; "
            "the files it refers to are written to FOLDER.",
        ),
    ] = None,
    spec_file: SpecFile = None,
    settings: Settings = None,
    address: Address = None,
) -> None:
    """Serve models over HTTP until Ctrl-C.

    Example: aigc serve fashion --port 8000
    """
    from aigc.distributed import proxy
    from aigc.distributed.runtime import is_on_cluster
    from aigc.specs import ServeSpec, load

    values = overrides(
        settings,
        models=tuple(models) if models else None,
        host=host,
        port=port,
        keys=keys,
        insecure=insecure,
    )
    spec = load(ServeSpec, spec_file, values)
    if export_environment:
        typer.echo(proxy.export_environment(spec, Path(export_environment)), nl=False)
        return
    with proxy.chosen(spec, say, is_on_cluster(address)):
        from aigc.distributed import serve as serving

        if export_config:
            typer.echo(serving.export_config(spec, say), nl=False)
            return
        with serving.running(spec, address, say) as url:
            say(f"Studio     {url}/")
            say(f"API        {url}/v1   (OpenAPI: {url}/docs)")
            say(f"Access log {serving.access_logs()}/aigc-access-*.jsonl")
            say("Ctrl-C stops it once the requests in progress are answered.")
            threading.Event().wait()
