"""`aigc bench`: how fast, compared with what."""

from __future__ import annotations

from typing import Annotated

import typer

from aigc.commands.common import AsJson, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, help="Measure speed, each figure beside a yardstick.")

_ROWS = (
    ("roofline", "roofline_items_per_s", None),
    ("aigc generate, steady", "generate_items_per_s", "generate_to_roofline"),
    ("aigc generate, whole command", "generate_wall_items_per_s", "generate_wall_to_roofline"),
    ("Ray Data pipeline, steady", "ray_data_items_per_s", None),
    ("Ray Data pipeline, whole command", "ray_data_wall_items_per_s", None),
)


@app.callback()
def _group() -> None:
    """Keeps `generate` a sub-command while it is the only one."""


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="name, name@version, name@alias or a URI.")],
    items: Annotated[int, typer.Option(min=1, help="Images a round.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds; medians count.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a core.")] = None,
    out: Annotated[
        str | None, typer.Option(help="Where generate writes, for example s3://bucket/bench.")
    ] = None,
    ray_data: Annotated[
        bool, typer.Option(help="Also run the pipeline a user would write with Ray Data.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Bulk generation against the machine's limit and a plain Ray Data pipeline.

    Example: aigc bench generate fashion --items 200000 --rounds 3
    """
    import os

    from aigc.orchestration.bench.generate import Bench, run

    workers = workers or os.cpu_count() or 1
    found = run(Bench(model, items, rounds, workers, out, ray_data), say)
    if as_json:
        print_json(found)
        return
    rows = [
        [name, f"{found[key]:,.0f}", f"{found['ratios'][ratio]:.2f}" if ratio else ""]
        for name, key, ratio in _ROWS
        if key in found
    ]
    print_table(["what", "items/s", "of the roofline"], rows)
    for name, ratio in found["ratios"].items():
        typer.echo(f"{name.replace('_', ' ')}: {ratio:.2f}")
    typer.echo(
        f"start-up {found['startup_s']:.1f} s, peak memory {found['peak_rss_bytes'] / 2**20:,.0f} "
        f"MiB, {found['bytes_per_item']:,.0f} bytes an item"
    )
