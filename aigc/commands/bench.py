"""`aigc bench`: speed and quality compared with baselines and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.bench_provenance import provenance
from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    overrides,
    place,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from aigc.specs import TrainSpec

app = typer.Typer(
    no_args_is_help=True, help="Measure speed and quality against baselines and other programs."
)
app.command()(provenance)

_ROWS = (
    ("roofline", "roofline_items_per_s", None),
    ("aigc generate, steady", "generate_items_per_s", "generate_to_roofline"),
    ("aigc generate, whole command", "generate_wall_items_per_s", "generate_wall_to_roofline"),
    ("Ray Data pipeline, steady", "ray_data_items_per_s", None),
    ("Ray Data pipeline, whole command", "ray_data_wall_items_per_s", None),
)


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="name, name@version, name@alias or a URI.")],
    items: Annotated[int, typer.Option(min=1, help="Images per round.")] = 200_000,
    rounds: Annotated[
        int, typer.Option(min=1, help="Interleaved rounds; medians are reported.")
    ] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: as `aigc generate`.")] = None,
    out: Annotated[
        str | None,
        typer.Option(callback=place, help="Output of generate, for example s3://bucket/bench."),
    ] = None,
    ray_data: Annotated[bool, typer.Option(help="Also run a plain Ray Data pipeline.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compare bulk generation with a roofline and with a plain Ray Data pipeline.

    Example: aigc bench generate fashion --items 200000 --rounds 3
    """
    from aigc.bench.generate import GenerateBench, run
    from aigc.execution.local import local_capacity
    from aigc.specs import Placement

    workers = workers or local_capacity(Placement())
    found = run(GenerateBench(model, items, rounds, workers, out, ray_data), say)
    if as_json:
        print_json(found)
        return
    rows = [
        [name, f"{found[key]:,.0f}", f"{found['ratios'][ratio]:.2f}" if ratio else ""]
        for name, key, ratio in _ROWS
        if key in found
    ]
    print_table(["contender", "items/s", "of the roofline"], rows)
    for name, ratio in found["ratios"].items():
        typer.echo(f"{name.replace('_', ' ')}: {ratio:.2f}")
    typer.echo(
        f"start-up {found['startup_s']:.1f} s, peak memory {found['peak_rss_bytes'] / 2**20:,.0f} "
        f"MiB, {found['bytes_per_item']:,.0f} bytes an item"
    )
    stages = found["rounds"][-1]["stages"]
    whole_s = sum(stages.values())
    shares = [f"{name.removesuffix('_s')} {took / whole_s:.0%}" for name, took in stages.items()]
    typer.echo(f"a roofline process spends its time on: {', '.join(shares)}")


_FIGURES = ("requests_per_s", "images_per_s", "p50_ms", "p95_ms", "p99_ms", "cpu_ms_per_request")


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="name, name@version or name@alias.")],
    rounds: Annotated[
        int, typer.Option(min=1, help="Interleaved rounds; medians are reported.")
    ] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each load.")] = 10.0,
    connections: Annotated[
        int, typer.Option(min=1, help="Connections with one image per request.")
    ] = 32,
    rate: Annotated[
        float | None,
        typer.Option(min=1, help="Open loop, requests/s; default: 0.8 of each capacity."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a server; repeatable. Default: all.")
    ] = None,
    same_network: Annotated[
        bool, typer.Option(help="Run aigc's inference network in the other servers.")
    ] = False,
    bulk: Annotated[bool, typer.Option(help="Also run `aigc generate`.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compare the endpoint with LitServe, FastAPI and Ray Serve, under the load generator wrk.

    Example: aigc bench serve fashion --rounds 3 --json
    """
    from aigc.bench import serve as serving

    bench = serving.ServeBench(
        model,
        rounds,
        seconds,
        connections,
        servers=serving.named(only),
        same_network=same_network,
        rate=rate,
        bulk_items=serving.ServeBench.bulk_items if bulk else 0,
    )
    found = serving.run(bench, say)
    if as_json:
        print_json(found)
        return
    rows = [
        [name, load, *_row(of[load])]
        for load in serving.LOADS
        for name, of in found["servers"].items()
    ]
    heads = ["requests/s", "images/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms/request"]
    print_table(["server", "load", *heads, "MiB", "failed"], rows)
    if "bulk_items_per_s" in found:
        typer.echo(f"aigc generate: {found['bulk_items_per_s']:,.0f} images/s")
    for name, ratio in found["ratios"].items():
        typer.echo(f"{name}: {ratio:.2f}")


def _row(figures: dict[str, float]) -> list[str]:
    memory_mib = figures["memory_bytes"] / 2**20
    shown = [f"{figures[name]:,.1f}" for name in _FIGURES]
    return [*shown, f"{memory_mib:,.0f}", f"{figures['failed']:,.0f}"]


_CONTENDERS = (
    ("aigc train", "train"),
    ("its loop, without Ray", "loop"),
    ("bare PyTorch loop", "bare"),
    ("bare loop, torch.compile", "compiled"),
)


@app.command()
def train(
    spec_file: Annotated[
        str | None, typer.Argument(metavar="[SPEC.yaml]", help="YAML spec; options override it.")
    ] = None,
    spec_option: SpecFile = None,
    preset: Annotated[str | None, typer.Option(help="A recipe instead of a spec file.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set made by `aigc data prepare`.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps per round.")] = 200,
    rounds: Annotated[
        int, typer.Option(min=1, help="Interleaved rounds; medians are reported.")
    ] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of each contender.")] = 1,
    ray: Annotated[bool, typer.Option(help="Also run the complete `aigc train`, on Ray.")] = True,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Also run the bare loop with torch.compile.")
    ] = False,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Compare training with a bare PyTorch loop of one file, for several workers under torchrun.

    Example: aigc bench train --data data/fashion --preset relativistic --steps 200 --rounds 3
    """
    from aigc.bench.train import TrainBench, run
    from aigc.commands.train import resolve

    values = overrides(settings, data=data, name="bench")
    spec = resolve(spec_file or spec_option, preset, values)
    found = run(TrainBench(spec, steps, rounds, workers, ray, compiled), say)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            name,
            f"{found[f'{key}_step_ms']:,.1f}",
            f"{found[f'{key}_images_per_s']:,.0f}",
            f"{found['ratios'].get(f'{key}_to_bare', 1):.3f}",
            f"{found[f'{key}_first_steps_s']:.1f}",
            f"{found[f'{key}_peak_rss_bytes'] / 2**20:,.0f}",
        ]
        for name, key in _CONTENDERS
        if f"{key}_step_ms" in found
    ]
    heads = [
        "contender",
        "ms per step",
        "images/s",
        "step to the bare loop",
        "first steps s",
        "MiB",
    ]
    print_table(heads, rows)


_TITLES = ("Fréchet distance", "KID", "precision", "recall", "coverage")


@app.command()
def recipes(
    data: Annotated[str, typer.Argument(help="Data set made by `aigc data prepare`.")],
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset or YAML spec; repeatable. Default: adaptive, relativistic and dcgan."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Training time of each run.")] = 1800.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each recipe.")] = 3,
    samples: Annotated[int, typer.Option(min=100, help="Images to compare.")] = 10_000,
    pictures: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Images of another program; repeatable."),
    ] = None,
    out: Annotated[str, typer.Option(help="Local folder of runs, models and metrics.")] = "bench",
    settings: Settings = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Compare training recipes on the same data, time and seeds; prints medians and ranges.

    Example: aigc bench recipes data/shop --recipe adaptive --recipe dcgan --seconds 1800
    """
    from aigc.bench.recipes import FIGURES, RecipesBench, run

    names = recipe or ["adaptive", "relativistic", "dcgan"]
    specs = {
        Path(name).stem: [_timed(name, data, out, seconds, seed, settings) for seed in range(seeds)]
        for name in names
    }
    found = run(RecipesBench(data, specs, out, samples, _folders(pictures)), address, say)
    if as_json:
        print_json(found)
        return
    rows = [
        [name, str(of["runs"]), *(_range(of[figure]) for figure in FIGURES), str(of["collapsed"])]
        for name, of in found["summary"].items()
    ]
    print_table(["recipe", "runs", *_TITLES, "collapsed"], rows)


def _timed(
    recipe: str, data: str, out: str, seconds: float, seed: int, settings: list[str] | None
) -> TrainSpec:
    """A recipe that time alone limits, so that all have the same; a collapsed model counts, too."""
    from aigc.commands.train import resolve
    from aigc.errors import SpecError

    file = recipe if Path(recipe).suffix in (".yaml", ".yml") else None
    name = f"{Path(recipe).stem}-{seed}"
    fields: dict[str, Any] = {
        "data": data,
        "name": name,
        "out": str(Path(out, "runs", name)),
        "seed": seed,
        "max_seconds": seconds,
        "steps": None,
        "publish": True,
        "watch.publish_collapsed": True,
    }
    spec = resolve(file, None if file else recipe, overrides(settings) | fields)
    if spec.steps is not None:
        raise SpecError(f"{recipe}: steps = {spec.steps}; recipes are compared at the same time")
    return spec


def _folders(pictures: list[str] | None) -> dict[str, list[str]]:
    from aigc.errors import SpecError

    folders: dict[str, list[str]] = {}
    for each in pictures or []:
        name, _, folder = each.partition("=")
        if not name or not Path(folder).is_dir():
            raise SpecError(f"--pictures {each}: expected NAME=FOLDER of pictures")
        folders.setdefault(name, []).append(folder)
    return folders


def _range(figure: list[float]) -> str:
    middle, low, high = figure
    return f"{middle:.4g}" if low == high else f"{middle:.4g} ({low:.4g}-{high:.4g})"
