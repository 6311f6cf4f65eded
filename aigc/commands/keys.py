"""`aigc keys create|list|revoke`: who may use an endpoint; `certify`: a certificate for tests."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.commands.common import AsJson, place, print_json, print_table, say
from aigc.errors import SpecError

if TYPE_CHECKING:
    from aigc.service.keys import Key

File = Annotated[
    str | None,
    typer.Option(
        "--file",
        callback=place,
        help="Key file, a path or s3:// URI; default: AIGC_KEYS or keys.jsonl.",
    ),
]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="generate, batch, verify or admin; may be repeated. Default: generate."
    ),
]
_DEFAULT = "keys.jsonl"

app = typer.Typer(
    help="Create, list and revoke API keys; only hashes are stored.", no_args_is_help=True
)


@app.command()
def create(
    scope: Scope = None,
    images_per_day: Annotated[int | None, typer.Option(help="Image quota per UTC day.")] = None,
    rpm: Annotated[int | None, typer.Option(help="Requests per minute, on average.")] = None,
    note: Annotated[str, typer.Option(help="Free text, such as the user of the key.")] = "",
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It cannot be shown again.

    Example: aigc keys create --scope generate --images-per-day 10000 --note shop
    """
    from aigc.service import keys

    where = _file(file)
    secret, key = keys.create(
        where,
        scope or ["generate"],
        images_per_day=images_per_day,
        requests_per_minute=rpm,
        note=note,
    )
    if as_json:
        print_json({"key": secret, "file": where} | _shown(dataclasses.asdict(key)))
        return
    say(f"key {key.id} ({', '.join(key.scopes)}) is in {where}; this is the only time it is shown:")
    typer.echo(secret)


@app.command("list")
def list_keys(file: File = None, as_json: AsJson = False) -> None:
    """List the keys of a file. Their secrets are not stored.

    Example: aigc keys list
    """
    from aigc.service import keys

    where = _file(file)
    found = keys.read(where)
    if warning := keys.exposed(where):
        say(warning)
    if as_json:
        print_json([_shown(dataclasses.asdict(key)) for key in found])
        return
    columns = ("id", "scopes", "images a day", "requests a minute", "created", "revoked", "note")
    print_table(columns, [_cells(key) for key in found])


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as listed.")], file: File = None
) -> None:
    """Revoke a key. Running endpoints notice within seconds.

    Example: aigc keys revoke 1f2e3d4c
    """
    from aigc.service import keys

    where = _file(file)
    found = keys.revoke(where, key)
    typer.echo(f"{found.id} was revoked at {found.revoked}")


@app.command()
def certify(
    out: Annotated[Path, typer.Option(help="Folder for the three files.")] = Path("signing"),
    organization: Annotated[str, typer.Option(help="Name in the certificate.")] = "Test",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires.")] = 90,
) -> None:
    """Make a test certificate to sign Content Credentials with. Nobody else trusts it.

    Example: aigc keys certify --organization Acme
    """
    from aigc.provenance.extra import require_credentials

    require_credentials()
    if not organization.isprintable() or not 1 <= len(organization.strip()) <= 64:
        raise SpecError(
            f"--organization {organization[:80]!r}: expected 1 to 64 printable characters (X.520)"
        )
    from aigc.provenance import chains

    chain, key, root = chains.write_test_chain(out, organization, days)
    say(f"certificate {chain}, private key {key}, root for readers {root}; for tests only")
    typer.echo(f"export AIGC_SIGNING_CERTIFICATE={shlex.quote(str(chain.resolve()))}")
    typer.echo(f"export AIGC_SIGNING_KEY={shlex.quote(str(key.resolve()))}")


def _cells(key: Key) -> tuple[str, ...]:
    limits = (str(limit or "") for limit in (key.images_per_day, key.requests_per_minute))
    return (key.id, ", ".join(key.scopes), *limits, key.created, key.revoked or "", key.note)


def _file(given: str | None) -> str:
    from aigc.service import keys

    where = given or keys.from_environment() or _DEFAULT
    if where.lstrip().startswith("{"):
        raise SpecError("file: AIGC_KEYS holds the keys themselves; name a file with --file")
    return where


def _shown(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name != "hash"}
