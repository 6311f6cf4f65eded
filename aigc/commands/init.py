"""`aigc init DIR`: a small project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aigc.commands.common import local_folder
from aigc.commands.spec import example
from aigc.errors import SpecError

_README = """\
# {name}

    aigc data fetch fashion-mnist raw/fashion  # or your own images: raw/fashion/CLASS/*.jpg
    aigc data prepare --spec prepare.yaml      # raw images to a clean, split data set
    aigc train --spec train.yaml               # at most 5 minutes, then the model is published
    aigc evaluate --spec evaluate.yaml         # metrics, next to those of real images
    aigc generate --spec generate.yaml         # 10,000 labelled images in Parquet
    aigc serve --spec serve.yaml               # an HTTP API and the studio
"""
_IGNORED = "/raw/\n/data/\n/runs/\n/evaluation/\n/out/\n/aigc-store/\n"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=local_folder, help="A new or empty folder.")
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into a folder that has files; replaces equal names."),
    ] = False,
) -> None:
    """Write a small commented project: a spec for each command, a README, a .gitignore.

    Example: aigc init my-shop
    """
    from aigc import storage
    from aigc.specs import SPECS

    files = {f"{verb}.yaml": example(verb) for verb in SPECS}
    files |= {"README.md": _README.format(name=folder.absolute().name), ".gitignore": _IGNORED}
    _require_room(folder, force)
    storage.require_writable(str(folder))
    for name, text in files.items():
        storage.write_bytes(str(folder / name), text.encode())
    typer.echo(f"wrote {', '.join(sorted(files))} to {folder}; start with its README.md")


def _require_room(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise SpecError(f"{folder} is a file; name a new or empty folder")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if there and not force:
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""
        raise SpecError(
            f"{folder} is not empty: {', '.join(there[:5])}{more}; name a new one or add --force"
        )
