"""`aigc models list|show|import|promote|rollback`: versions in the store and their aliases."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.commands.common import AsJson, print_json, print_table
from aigc.commands.import_model import StoreUri, import_model

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig
    from aigc.store import ModelStore, ModelVersion

Ref = Annotated[str, typer.Argument(help="name, name@version, name@alias, or a folder's URI.")]
Alias = Annotated[str, typer.Option(help="The alias to move.")]

app = typer.Typer(help="List, show, import and promote models of the store.", no_args_is_help=True)


@app.command("list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Only this model's versions.")] = None,
    store: StoreUri = None,
    as_json: AsJson = False,
) -> None:
    """List published versions, newest first, with their aliases.

    Example: aigc models list fashion
    """
    from aigc.store import ModelStore

    models = ModelStore(store)
    if name is not None:
        models.resolve(name)
    rows = [row for each in ([name] if name else models.names()) for row in _rows(models, each)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo(f"no models in {models.uri} yet; aigc train publishes one")
        return
    columns = ("model", "aliases", "family", "items", "labels", "health", "digest", "created")
    print_table(columns, [_cells(row) for row in rows])


@app.command()
def show(ref: Ref, store: StoreUri = None, as_json: AsJson = False) -> None:
    """Show the labels, metrics and files of one version.

    Example: aigc models show fashion@production
    """
    from aigc.store import ModelStore

    models = ModelStore(store)
    version = models.resolve(ref)
    metrics = _metrics(models, version)
    if as_json:
        config = version.config.model_dump(mode="json")
        print_json(_row(version, []) | {"uri": version.uri, "config": config, "metrics": metrics})
        return
    row = _row(version, [])
    lines = {
        "model": row["ref"],
        "family": row["family"],
        "shape": row["items"],
        "labels": ", ".join(row["labels"]) or "none",
        **({"untrained": ", ".join(row["untrained"])} if row["untrained"] else {}),
        "health": row["health"],
        "latents": version.config.latent_dim or "none",
        "digest": version.digest,
        "data": version.config.data_digest or "unknown",
        **_origin(version.config),
        "files": version.uri,
    }
    for key, value in (lines | _flat(metrics)).items():
        typer.echo(f"{key:<10} {value}")


app.command("import")(import_model)


@app.command()
def promote(
    ref: Annotated[str, typer.Argument(help="name@version; a bare name means its latest.")],
    alias: Alias = "production",
    store: StoreUri = None,
) -> None:
    """Point an alias at a version.

    Example: aigc models promote fashion@v3
    """
    from aigc.store import ModelStore

    name, _, version = ref.partition("@")
    target = ModelStore(store).promote(name, version or "latest", alias)
    typer.echo(f"{name}@{alias} is {target.version}")


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    alias: Alias = "production",
    store: StoreUri = None,
) -> None:
    """Point an alias at the version it had before its last promotion.

    Example: aigc models rollback fashion
    """
    from aigc.store import ModelStore

    target = ModelStore(store).rollback(name, alias)
    typer.echo(f"{name}@{alias} is {target.version}")


def _origin(config: ModelConfig) -> dict[str, str]:
    if config.origin is None:
        return {}
    found = config.origin
    return {"licence": found.licence, "source": found.source, "imported": found.name} | {
        "sha256": found.sha256
    }


def _rows(models: ModelStore, name: str) -> list[dict[str, Any]]:
    standing = models.aliases(name)
    versions = list(reversed(models.versions(name)))
    rows = []
    for index, version in enumerate(versions):
        aliases = [alias for alias, target in standing.items() if target == version.version]
        rows.append(_row(version, aliases if index else ["latest", *aliases]))
    return rows


def _row(version: ModelVersion, aliases: list[str]) -> dict[str, Any]:
    from aigc.modalities import MODALITIES

    config = version.config
    kind = MODALITIES[config.modality]
    return {
        "ref": version.ref,
        "name": version.name,
        "version": version.version,
        "aliases": aliases,
        "family": config.architecture.family,
        "items": kind.source.in_words(config.item),
        "labels": list(config.labels),
        "untrained": list(config.untrained),
        "health": version.health,
        "digest": version.digest,
        "created_at": version.created_at,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created_at"]))
    labels, digest = str(len(row["labels"])), row["digest"][:12]
    shown = (row["family"], row["items"], labels, row["health"], digest, made)
    return (row["ref"], ", ".join(row["aliases"]), *shown)


def _metrics(models: ModelStore, version: ModelVersion) -> dict[str, Any]:
    data = models.read_extra(version, "metrics.json")
    found: dict[str, Any] = json.loads(data) if data else {}
    return found


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: f"{value:.4g}" if isinstance(value, float) else value
        for key, value in values.items()
        if isinstance(value, int | float | str)
    }
