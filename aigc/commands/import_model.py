"""`aigc models import`: a model that was made elsewhere, as a version in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, cast

import typer

from aigc.commands.common import AsJson, place, print_json, say
from aigc.errors import SpecError

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|CLASS", help="An ONNX file or s3:// URI; package.module:Class of a generator."
    ),
]
Name = Annotated[str, typer.Argument(help="The model's name in the store.")]
Licence = Annotated[
    str, typer.Option(help="The model's licence, best an SPDX identifier such as CC-BY-4.0.")
]
Origin = Annotated[str, typer.Option("--source", help="Where it comes from, such as its URL.")]
Labels = Annotated[
    str | None,
    typer.Option(help="Class names in the order of their numbers: cat,dog, or a file of lines."),
]
Noise = Annotated[
    list[str] | None, typer.Option("--noise", metavar="INPUT", help="An input that is noise.")
]
Label = Annotated[
    str | None, typer.Option("--label", metavar="INPUT", help="The input that is the class.")
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="INPUT", help="The input that is a text embedding."),
]
Embeddings = Annotated[
    str | None, typer.Option(metavar="FILE.npy", help="A text embedding for each label.")
]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="INPUT=VALUE", help="An input with one value for all items."),
]
Distribution = Annotated[
    str, typer.Option(help="What noise is drawn from: normal, or uniform in -1..1.")
]
Output = Annotated[
    str | None, typer.Option(metavar="OUTPUT", help="The output, if there are several.")
]
Layout = Annotated[str | None, typer.Option(help="NCHW, NHWC or NHW; of sounds NCT, NTC or NT.")]
Range = Annotated[
    str | None,
    typer.Option("--range", help="0..1, -1..1 or 0..255; of sounds -1..1 or int16."),
]
Rate = Annotated[
    int | None, typer.Option(metavar="HZ", help="The items are sounds of so many samples a second.")
]
StoreUri = Annotated[
    str | None,
    typer.Option(
        "--store",
        callback=place,
        help="Folder or s3:// prefix; default: AIGC_STORE or ./aigc-store.",
    ),
]


def import_model(
    source: Source,
    name: Name,
    licence: Licence = "unknown",
    origin: Origin = "unknown",
    labels: Labels = None,
    noise: Noise = None,
    label: Label = None,
    text: Text = None,
    embeddings: Embeddings = None,
    fixed: Fixed = None,
    distribution: Distribution = "normal",
    output: Output = None,
    layout: Layout = None,
    scale: Range = None,
    rate: Rate = None,
    store: StoreUri = None,
    as_json: AsJson = False,
) -> None:
    """Import an ONNX file, or a generator class of an installed package.

    Example: aigc models import cats.onnx cats --labels tabby,siamese --licence MIT
    """
    from aigc.execution.imports import ImportRequest
    from aigc.execution.imports import import_model as run
    from aigc.families.onnx_import import OnnxOptions
    from aigc.families.onnx_inputs import InputRoles
    from aigc.store import ModelStore

    if distribution not in ("normal", "uniform"):
        raise SpecError(f"--distribution {distribution}: expected normal or uniform")
    roles = InputRoles(tuple(noise or ()), label, text, _values(fixed), cast("Any", distribution))
    options = OnnxOptions(roles=roles, output=output, layout=layout, scale=scale, rate_hz=rate)
    options = replace(options, licence=licence, source=origin)
    request = ImportRequest(source, name, labels, embeddings, options)
    version, notes = run(request, ModelStore(store))
    for remark in notes.remarks:
        say(remark)
    if licence == "unknown":
        say("licence: unknown; state it with --licence, for it stands in every set's manifest")
    if as_json:
        config = version.config.model_dump(mode="json")
        print_json({"model": version.ref, "uri": version.uri, "config": config} | _facts(notes))
        return
    for key, value in notes.facts.items():
        typer.echo(f"{key:<10} {value}")
    typer.echo(f"{'published':<10} {version.ref}")


def _values(fixed: list[str] | None) -> dict[str, float]:
    found = {}
    for text in fixed or []:
        name, _, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            raise SpecError(f"--fix {text}: expected INPUT=NUMBER")
    return found


def _facts(notes: Any) -> dict[str, Any]:
    return {"facts": dict(notes.facts), "remarks": list(notes.remarks)}
