"""`aigc train`: a spec or a preset, placed on a cluster or this machine, and published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    overrides,
    print_json,
    print_table,
    print_yaml,
    progress,
    say,
)
from aigc.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.presets import DataFacts, Hardware
    from aigc.specs import TrainSpec


def train(
    spec_file: Annotated[
        str | None, typer.Argument(metavar="[SPEC.yaml]", help="YAML spec; options override it.")
    ] = None,
    spec_option: SpecFile = None,
    preset: Annotated[
        str | None, typer.Option(help="A recipe instead of a spec file; see --presets.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set made by `aigc data prepare`.")] = None,
    name: Annotated[str | None, typer.Option(help="Publish the model under this name.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder; default: runs/NAME.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this training time.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the initial weights and the batches.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Worker processes, each with its GPU; default: 1, with all CPU cores."),
    ] = None,
    settings: Settings = None,
    address: Address = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the resolved spec as YAML and exit.")
    ] = False,
    presets: Annotated[bool, typer.Option("--presets", help="List the recipes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a GAN or VAE and publish it. Run the same command again to resume.

    Example: aigc train --data data/shop --name shop --seconds 3600
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
        print_yaml(dump(spec))
        return
    from aigc.data.dataset import open_dataset
    from aigc.distributed.train import run

    for field, reason in spec.reasons.items():
        say(f"{field}{_shown(spec, field)}: {reason}")
    title = open_dataset(spec.data).title
    with progress("train", title) as report:
        made = run(spec, address, report, say)
    if as_json:
        print_json(made)
        return
    if made["health"] == "collapsed":
        say(f"the model is collapsed: {made['health_reason']}")
    rate = f"{made['images_per_s']:,.0f} {title}/s"
    say(f"{made['steps']:,} steps, {made['images']:,} {title}, {rate}")
    if "prior_seconds" in made:
        took_s, known = made["prior_seconds"], made.get("prior_components")
        kind = (
            f"{known} component(s) a class" if known else f"{made['prior_encodings']:,} encodings"
        )
        say(f"prior: {kind}, fitted in {took_s:,.1f} s")
    typer.echo(made.get("model", spec.out))
    say(f"newest samples: {made['sheet']}")


def _shown(spec: TrainSpec, field: str) -> str:
    """' = ' and the value of a dotted field, as YAML shows it on one line; empty where the spec has
    no such field, for a reason may be the user's."""
    value: Any = spec
    for part in field.split("."):
        if not hasattr(value, part):
            return ""
        value = getattr(value, part)
    if isinstance(value, tuple):
        return f" = {', '.join(map(str, value)) or 'none'}"
    return f" = {value:g}" if isinstance(value, float) else f" = {value}"


def resolve(spec_file: str | None, preset: str | None, values: dict[str, Any]) -> TrainSpec:
    """The spec of a file or a preset with `values` (dotted keys) on top. A file that names a
    `preset` changes fields of that.

    Raises:
        SpecError: both are given, the preset is unknown, or a field is missing or wrong.
    """
    from aigc.presets import ADAPTIVE, default_out
    from aigc.specs import TrainSpec, build, load, set_dotted

    if spec_file and preset:
        raise SpecError("give a spec file or --preset, not both")
    if spec_file:
        given = load(TrainSpec, spec_file, values)
        return _complete(given) if given.preset else given
    for field in ("name", "data"):
        if field not in values:
            raise SpecError(f"--{field} is missing (or give a spec file); see aigc train --help")
    fields = {"preset": preset or ADAPTIVE, "out": default_out(str(values["name"]))}
    for key, value in values.items():
        set_dotted(fields, key, value)
    given = build(TrainSpec, fields)
    return _complete(given) if given.preset else given


def _complete(given: TrainSpec) -> TrainSpec:
    """`given` with each field that is not set in it from its preset."""
    from aigc.presets import PRESETS, RULES
    from aigc.specs import TrainSpec, build, set_dotted

    assert given.preset is not None
    if given.preset in RULES:
        recipe = _adapted(RULES[given.preset], given)
    else:
        recipe = PRESETS[given.preset]("name", "data", "out")
    fields = recipe.model_dump(mode="json", exclude={"placement"})
    values = _dotted(given.model_dump(mode="json", exclude_unset=True))
    if "steps" in values and "max_seconds" not in values:
        fields["max_seconds"] = None
    if "max_seconds" in values and "steps" not in values:
        fields["steps"] = None
    fields["reasons"] = _standing(recipe.reasons, values)
    if getattr(given.model, "adversary", None) and not fields["model"].get("adversary"):
        fields["model"]["adversary"] = {}
    for key, value in values.items():
        set_dotted(fields, key, value)
    return build(TrainSpec, fields)


def _standing(reasons: dict[str, str], values: dict[str, Any]) -> dict[str, str]:
    """Those of a recipe's `reasons` whose field, and what it is a part of, is not set otherwise."""
    return {
        field: reason
        for field, reason in reasons.items()
        if not any(f"{field}.".startswith(f"{key}.") for key in values)
    }


def _dotted(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested specs as dotted keys: {"model": {"width": 32}} gives {"model.width": 32}."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ("model", "adversary", "watch", "placement") and isinstance(value, dict):
            found |= _dotted(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _adapted(rule: Callable[..., TrainSpec], given: TrainSpec) -> TrainSpec:
    """The spec that an adaptive rule gives, or gave when the run in the same folder began."""
    from aigc.presets import ADAPTIVE, RULES
    from aigc.specs import TrainSpec, build
    from aigc.training.runs import begun

    facts = facts_of(given.data)
    workers = given.placement.workers or 1
    shares, hardware = workers * given.accumulate, hardware_here(workers)
    place = ("name", given.data, given.out, facts, hardware, given.max_seconds, shares)
    family = _wanted_family(given) if rule is RULES[ADAPTIVE] else None
    spec = rule(*place, family=family) if family else rule(*place)
    earlier = begun(given.out)
    if earlier is None:
        return spec
    return build(TrainSpec, spec.model_dump(mode="json", exclude={"placement"}) | earlier)


def _wanted_family(given: TrainSpec) -> str | None:
    """The family that is named, or whose fields alone are set; None leaves the choice open."""
    from aigc.families import FAMILIES

    if "model" not in given.model_fields_set:
        return None
    fields = given.model.model_fields_set
    trained = [family for family in FAMILIES.values() if family.learner]
    each = (set(family.spec.model_fields) for family in trained)
    shared = set.intersection(*each) - {"family"}
    return given.model.family if fields - shared else None


def facts_of(data: str) -> DataFacts:
    """The training split of the data set at `data`.

    Raises:
        DataError: there is none, it was never finished, or it has too few pictures.
    """
    from aigc.data.dataset import open_dataset
    from aigc.modalities import MODALITIES
    from aigc.presets import DataFacts
    from aigc.training.runs import check_enough

    dataset = open_dataset(data)
    check_enough(dataset)
    counts = dataset.per_class["train"] if dataset.labels else {}
    kind = MODALITIES[dataset.modality]
    channels, height, width = kind.learning.representation(dataset.item).shape
    return DataFacts(
        items=dataset.counts["train"],
        height=height,
        width=width,
        channels=channels,
        per_class=tuple(count for count in counts.values() if count),
        augmentations=kind.learning.usual_augmentations(channels),
        title=kind.title,
        picture=kind.learning.picture,
    )


def hardware_here(workers: int = 1) -> Hardware:
    """The device that training would use on this machine; each worker has one GPU."""

    from aigc.cpus import usable_cpus
    from aigc.presets import Hardware
    from aigc.training.device import has_fast_bf16, training_device

    device = training_device()
    cores = workers if device.type == "cuda" else usable_cpus()
    return Hardware(device.type, cores, has_fast_bf16(device))


def _list_presets() -> None:
    from aigc.presets import PRESETS, RULE_TITLES, summary

    fixed = ((name, summary(name)) for name in PRESETS)
    print_table(("preset", "description"), [*RULE_TITLES.items(), *fixed])
