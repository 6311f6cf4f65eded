"""`aigc evaluate`: metrics of a model, next to those of real images."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aigc.commands.common import (
    Address,
    AsJson,
    Settings,
    SpecFile,
    overrides,
    print_json,
    progress,
    say,
)


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="name, name@version, name@alias, or a model folder's URI.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A data set made by `aigc data prepare`.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Report folder or s3:// prefix; default: evaluation/MODEL.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Number of items to generate and compare.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the samples.")] = None,
    inception_weights: Annotated[
        str | None,
        typer.Option(help="Inception-v3 weights (torchvision's format) for the classic FID."),
    ] = None,
    publish: Annotated[bool | None, typer.Option(help="Store the report with the model.")] = None,
    spec_file: SpecFile = None,
    settings: Settings = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Compare a model's samples with test images; the floor is the metric of real training images.

    Example: aigc evaluate fashion --data data/fashion-mnist
    """
    from aigc.data.dataset import open_dataset
    from aigc.distributed.evaluate import run
    from aigc.specs import EvaluateSpec, load

    values = overrides(
        settings,
        model=model,
        data=data,
        out=out,
        samples=samples,
        seed=seed,
        inception_weights=inception_weights,
        publish=publish,
    )
    if "out" not in values and model and not spec_file:
        values["out"] = f"evaluation/{model.rstrip('/').rsplit('/', 1)[-1]}"
    spec = load(EvaluateSpec, spec_file, values)
    with progress("evaluate", open_dataset(spec.data).title) as report:
        found = run(spec, address, report, say)
    if as_json:
        print_json(found)
        return
    _print(found)
    say(f"report: {spec.out}/report.png, {spec.out}/report.json")


def _print(found: dict[str, Any]) -> None:
    from aigc.evaluation.table import as_text

    typer.echo(as_text(found))
