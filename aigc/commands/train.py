"""`aigc train`: a spec or a preset, placed on a cluster or this machine, and published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    Workers,
    overrides,
    print_json,
    print_table,
    progress,
    say,
)
from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.specs import TrainSpec


def train(
    spec_file: Annotated[
        str | None, typer.Argument(metavar="[SPEC.yaml]", help="YAML spec; flags override it.")
    ] = None,
    spec_option: SpecFile = None,
    preset: Annotated[
        str | None, typer.Option(help="A recipe instead of a spec file; see --presets.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set made by `aigc data prepare`.")] = None,
    name: Annotated[str | None, typer.Option(help="Publish the model under this name.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder; default: runs/NAME.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so much training time.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same start and batches.")] = None,
    workers: Workers = None,
    settings: Settings = None,
    address: Address = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the whole spec as YAML; train nothing.")
    ] = False,
    presets: Annotated[bool, typer.Option("--presets", help="List the recipes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a GAN or VAE and publish it. The same command again resumes.

    Example: aigc train --preset relativistic --data data/fashion --name fashion --seconds 300
    """
    if presets:
        _list_presets()
        return
    from aigc.specs import dump

    values = overrides(
        settings,
        data=data,
        name=name,
        out=out,
        steps=steps,
        max_seconds=seconds,
        seed=seed,
        placement__workers=workers,
    )
    spec = resolve(spec_file or spec_option, preset, values)
    if show:
        typer.echo(dump(spec), nl=False)
        return
    from aigc.orchestration.train import run

    with progress("train", "images") as report:
        made = run(spec, address, report, say)
    if as_json:
        print_json(made)
        return
    say(f"{made['steps']:,} steps, {made['images']:,} images, {made['images_per_s']:,.0f} images/s")
    if "prior_components" in made:
        count, took_s = made["prior_components"], made["prior_seconds"]
        say(f"prior: {count} component(s) a class, fitted in {took_s:,.1f} s")
    typer.echo(made.get("model", spec.out))


def resolve(spec_file: str | None, preset: str | None, values: dict[str, Any]) -> TrainSpec:
    """The spec of a file or a preset with `values` (dotted keys) on top.

    Raises:
        SpecError: both are given, the preset is unknown, or a field is missing or wrong.
    """
    from aigc.presets import PRESETS, default_out
    from aigc.specs import TrainSpec, build, load, set_dotted

    if spec_file and preset:
        raise SpecError("give a spec file or --preset, not both")
    if spec_file:
        return load(TrainSpec, spec_file, values)
    preset = preset or "relativistic"
    if preset not in PRESETS:
        raise SpecError(f"preset {preset!r}: choose one of {', '.join(PRESETS)}")
    for field in ("name", "data"):
        if field not in values:
            raise SpecError(f"--{field} is missing (or give a spec file); see aigc train --help")
    recipe = PRESETS[preset]("name", "data", "out")
    fields = recipe.model_dump(mode="json", exclude={"placement"})
    fields["out"] = default_out(str(values["name"]))
    if "steps" in values and "max_seconds" not in values:
        fields["max_seconds"] = None
    if "max_seconds" in values and "steps" not in values:
        fields["steps"] = None
    for key, value in values.items():
        set_dotted(fields, key, value)
    return build(TrainSpec, fields)


def _list_presets() -> None:
    from aigc.presets import PRESETS, summary

    print_table(("preset", "what it is"), [(name, summary(name)) for name in PRESETS])
