"""`aigc spec COMMAND`: the fields of a command's spec."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.specs import Spec

Verb = Annotated[str, typer.Argument(help="prepare, train, evaluate, generate or serve.")]


def spec(
    verb: Verb,
    schema: Annotated[bool, typer.Option("--schema", help="JSON Schema, for editors.")] = False,
    default: Annotated[bool, typer.Option("--default", help="A commented YAML to edit.")] = False,
    modality: Annotated[
        str, typer.Option(help="prepare: the fields for this kind of content, image or audio.")
    ] = "image",
) -> None:
    """Show the fields of a command's spec, its JSON Schema or an example.

    Example: aigc spec train --default > train.yaml
    """
    from aigc.specs import SPECS

    if verb not in SPECS:
        raise SpecError(f"verb {verb!r} has no spec; choose one of {', '.join(SPECS)}")
    if schema:
        typer.echo(json.dumps(_spec(verb, modality).model_json_schema(), indent=2))
    elif default:
        typer.echo(example(verb), nl=False)
    else:
        _print_fields(_spec(verb, modality))


def example(verb: str) -> str:
    """The commented YAML spec of `verb` that comes with the package."""
    return (resources.files("aigc") / "examples" / f"{verb}.yaml").read_text(encoding="utf-8")


def _spec(verb: str, modality: str) -> type[Spec]:
    from aigc.modalities import MODALITIES
    from aigc.specs import SPECS

    if verb != "prepare":
        return SPECS[verb]
    if modality not in MODALITIES:
        raise SpecError(f"modality = {modality!r}: expected one of {', '.join(MODALITIES)}")
    return MODALITIES[modality].source.spec


def _print_fields(spec: type[Spec]) -> None:
    from aigc.commands.common import print_table

    rows = []
    for name, field in spec.model_fields.items():
        value = (
            "required"
            if field.is_required()
            else _shown(field.get_default(call_default_factory=True))
        )
        rows.append((name, value, field.description or ""))
    print_table(("field", "default", "meaning"), rows)


def _shown(value: Any) -> str:
    from aigc.specs import Spec

    return f"{type(value).__name__}, see --schema" if isinstance(value, Spec) else str(value)
