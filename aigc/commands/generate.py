"""`aigc generate | append | merge`: make, extend and combine content sets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    Workers,
    overrides,
    print_json,
    progress,
    say,
)
from aigc.errors import SpecError
from aigc.execution.loading import loading

MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Serve Prometheus metrics at 127.0.0.1:PORT on the machine that runs the job.",
    ),
]


def generate(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|BRIEFS]",
            help="name, name@version, name@alias or a model folder's URI; or a file of briefs.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model, if the argument is a file of briefs.")
    ] = None,
    briefs: Annotated[
        str | None,
        typer.Option(help="CSV, JSON Lines, Parquet, Excel or OpenAI batch; one brief per row."),
    ] = None,
    count: Annotated[int | None, typer.Option(help="Number of items.")] = None,
    out: Annotated[str | None, typer.Option(help="Empty folder or s3:// prefix.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the set; equal seeds give equal items.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Comma-separated, 'bag,dress', or with shares, 'bag=3,dress=1'."),
    ] = None,
    truncation: Annotated[float | None, typer.Option(help="Cut latents at ± this value.")] = None,
    codec: Annotated[str | None, typer.Option(help="png, jpeg, webp or raw.")] = None,
    writer: Annotated[str | None, typer.Option(help="parquet, webdataset or files.")] = None,
    workers: Workers = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Estimate time, size and cost by a short probe; write nothing."
        ),
    ] = False,
    metrics_port: MetricsPort = None,
    spec_file: SpecFile = None,
    settings: Settings = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Generate a content set. Run the same command again to make what is missing.

    Example: aigc generate fashion --count 100000 --out out/fashion --seed 7
    Example: aigc generate briefs.csv --model fashion --out out/campaign

    Sizes, gates, budget and more: `aigc spec generate`, then --set FIELD=VALUE or --spec.
    """
    with _engine_loading(address):
        from aigc.job.briefs import looks_like_briefs
        from aigc.specs import GenerateSpec, load

        if what is not None and looks_like_briefs(what):
            briefs = _one("briefs", what, briefs)
        elif what is not None:
            model = _one("model", what, model)
        values = overrides(
            settings,
            model=model,
            briefs=briefs,
            count=count,
            out=out,
            seed=seed,
            labels=None if labels is None else parse_labels(labels),
            truncation=truncation,
            codec=codec,
            writer=writer,
            placement__workers=workers,
        )
        spec = load(GenerateSpec, spec_file, values)
        from aigc.distributed.generate import dry_run as estimate
        from aigc.distributed.generate import run
    if dry_run:
        import psutil

        since = psutil.Process().create_time()
        _show_estimate(estimate(spec, address, say, since), as_json)
        return
    with progress("generate", "items") as report:
        manifest = run(spec, address, report, say, metrics_port)
    _show_manifest(manifest, spec.out, as_json)


def append(
    out: Annotated[str, typer.Argument(help="A finished content set.")],
    to: Annotated[int, typer.Option(min=1, help="Number of items of the extended set.")],
    workers: Workers = None,
    metrics_port: MetricsPort = None,
    settings: Settings = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Add items to a finished set. Run the same command again to make what is missing.

    Example: aigc append out/fashion --to 150000

    --set accepts the fields `placement` and `budget` of `aigc generate`.
    """
    with _engine_loading(address):
        from aigc.specs import AppendSpec, load

        values = overrides(settings, out=out, to=to, placement__workers=workers)
        spec = load(AppendSpec, None, values)
        from aigc.distributed.generate import append as run_append
    with progress("append", "items") as report:
        manifest = run_append(spec, address, report, say, metrics_port)
    _show_manifest(manifest, out, as_json)


def merge(
    out: Annotated[str, typer.Argument(help="Empty folder or s3:// prefix.")],
    sets: Annotated[list[str], typer.Argument(help="Finished content sets.")],
    as_json: AsJson = False,
) -> None:
    """Copy finished sets into one. Run the same command again to copy what is missing.

    Example: aigc merge out/all out/spring out/autumn
    """
    from aigc.sets.merge import merge as run_merge

    with progress("merge", "files") as report:
        manifest = run_merge(out, sets, report)
    if not manifest.get("same_labels", True):
        say("the sets number their labels differently; use label_name, not label")
    _show_manifest(manifest, out, as_json)


@contextlib.contextmanager
def _engine_loading(address: str | None) -> Iterator[None]:
    """While entered, workers of this machine import the engine at the same time. An error ends
    them."""
    from aigc.execution import forking

    if address is None:
        forking.warm()
    try:
        with loading():
            yield
    except BaseException:
        forking.cool()
        raise


def _one(field: str, argument: str, option: str | None) -> str:
    """Raises SpecError when a field is given as argument and as option, and they differ."""
    if option not in (None, argument):
        raise SpecError(f"--{field} {option}: {argument} is given before it; give one of the two")
    return argument


def parse_labels(text: str) -> tuple[str, ...] | dict[str, float]:
    """'a,b' as labels in equal shares; 'a=3,b=1' as shares. Raises SpecError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not any("=" in part for part in parts):
        return tuple(parts)
    try:
        pairs = [part.rsplit("=", 1) for part in parts]
        if percent := next((share.strip() for _, share in pairs if share.strip()[-1:] == "%"), ""):
            raise SpecError(
                f"--labels {text[:60]!r}: {percent[:20]} is not a number; shares are ratios, so "
                f"leave the % out: {percent[:20].rstrip('% ')}"
            )
        shares = [(name.strip(), float(share)) for name, share in pairs]
    except ValueError:
        raise SpecError(
            f"--labels {text[:60]!r}: give every label a share, like bag=3,dress=1"
        ) from None
    found: dict[str, float] = {}
    for name, share in shares:
        if name in found and found[name] != share:
            raise SpecError(f"--labels {text[:60]!r}: {name[:60]} has two shares; give it one")
        found[name] = share
    return found


def _show_manifest(manifest: dict[str, Any], out: str, as_json: bool) -> None:
    if as_json:
        print_json({key: value for key, value in manifest.items() if key != "shards"})
        return
    size_mb = manifest["size_bytes"] / 1e6
    say(f"{manifest['items']:,} items, {size_mb:,.1f} MB")
    if manifest.get("refused"):
        counts = ", ".join(f"{reason} {count:,}" for reason, count in manifest["refused"].items())
        say(f"refused by gates and replaced: {counts}")
    say(f"content digest {manifest['content_digest']}")
    typer.echo(out)


def _show_estimate(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{found['items']:,} items in {found['shards']:,} shards of up to "
        f"{found['items_per_shard']:,}, about {found['size_bytes'] / 1e6:,.1f} MB"
    )
    if found["items_made"]:
        typer.echo(f"{found['items_made']:,} of them are there already")
    typer.echo(
        f"about {found['seconds']:,.0f} s at {found['items_per_s']:,.0f} items/s with "
        f"{found['workers']} worker(s) on {found['nodes']} node(s), "
        f"{found['startup_s']:,.1f} s to start and {found['closing_s']:,.1f} s to close included"
    )
    probe = found["probe"]
    typer.echo(
        f"measured on {probe['items']:,} items that {probe['workers']} worker(s) made in "
        f"{probe['seconds']:,.1f} s"
    )
    if found["refused_share"]:
        typer.echo(f"gates refuse about {found['refused_share']:.1%} of the candidates")
    if found["cost"] is not None:
        typer.echo(f"about {found['cost']:,.4g} at the price of budget.price_per_node_hour")
    typer.echo("nothing was written")
