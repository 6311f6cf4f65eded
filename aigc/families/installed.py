"""The machine's list of generator classes, and the digests of their files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.errors import StoreError
from aigc.families.package import PackageModel
from aigc.families.protocol import Generator, InferenceConfig
from aigc.installed import InstalledClasses

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig

GENERATORS = InstalledClasses(
    title="generator",
    group="aigc.generators",
    variable="AIGC_GENERATORS",
    parts=("item", "takes", "size_bytes", "__call__"),
    error=StoreError,
)


def load_generator(config: ModelConfig, inference: InferenceConfig) -> Generator:
    """An instance of the class that the model folder names.

    Raises:
        StoreError: it is not on the list, not installed, or has changed since the import.
    """
    model = config.architecture
    assert isinstance(model, PackageModel)
    name = GENERATORS.require_allowed(model.generator)
    found = digest(name)
    if found != model.imported.sha256:
        raise StoreError(
            f"{name}: the installed package (sha256 {found[:12]}…) is not the one that was "
            f"imported ({model.imported.sha256[:12]}…); install that one, or import it again"
        )
    made: Generator = GENERATORS.instance(name, inference)
    if made.item != config.item:
        raise StoreError(f"{name}: its item is {made.item}, config.json has {config.item}")
    if tuple(made.takes) != config.takes:
        raise StoreError(f"{name}: it takes {made.takes}, config.json has {config.takes}")
    return made


def digest(name: str) -> str:
    """SHA-256 over path and content of each file of the top-level package that contains the class,
    sorted by path, without caches.

    Raises:
        StoreError: it is not installed, or has no files.
    """
    total, count = hashlib.sha256(), 0
    for path, file in sorted(_files(name), key=lambda found: found[0]):
        total.update(f"{path}\0{_sha256(file)}\n".encode())
        count += 1
    if not count:
        raise StoreError(f"{name}: its package has no files on this machine")
    return total.hexdigest()


def distribution(name: str) -> str | None:
    """The distribution that contains the class, as `stripes 1.2.0`; None if there is none."""
    top = name.partition(":")[0].partition(".")[0]
    holders = importlib.metadata.packages_distributions().get(top, [])
    return f"{holders[0]} {importlib.metadata.version(holders[0])}" if holders else None


def _files(name: str) -> Iterator[tuple[str, Path]]:
    top = name.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise StoreError(f"{name}: the package {top} is not installed here")
    if not spec.submodule_search_locations:
        yield (f"{top}.py", Path(spec.origin or ""))
        return
    for folder in spec.submodule_search_locations:
        for file in Path(folder).rglob("*"):
            path = file.relative_to(folder)
            if file.is_file() and "__pycache__" not in path.parts and file.suffix != ".pyc":
                yield path.as_posix(), file


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from None
