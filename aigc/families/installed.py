"""The machine's list of generator classes, and the digests of their files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc import installed
from aigc.errors import StoreError, listed
from aigc.families.package import PackageModel
from aigc.families.protocol import Generator, InferenceConfig

if TYPE_CHECKING:
    from aigc.families.config import ModelConfig

GROUP = "aigc.generators"
"""The entry point group in which packages declare their generators."""
VARIABLE = "AIGC_GENERATORS"
"""Additional generators, `package.module:Class`, separated by commas or blanks."""
_BLOCK = 2**20


def allowed() -> dict[str, str]:
    """The machine's list of generators: `package.module:Class` by its own name and by that of its
    entry point."""
    return installed.allowed(GROUP, VARIABLE, os.environ)


def require_allowed(name: str) -> str:
    """`package.module:Class` for `name`. Raises StoreError if it is not on the list."""
    known = allowed()
    if name not in known:
        there = listed(sorted(set(known.values()))) or "none"
        raise StoreError(
            f"{name}: not on this machine's list of generators; install the package that declares "
            f"it in the entry point group {GROUP}, or add it to {VARIABLE}; listed: {there}"
        )
    return known[name]


def load_generator(config: ModelConfig, inference: InferenceConfig) -> Generator:
    """An instance of the class that the model folder names.

    Raises:
        StoreError: it is not on the list, not installed, or has changed since the import.
    """
    model = config.architecture
    assert isinstance(model, PackageModel)
    name = require_allowed(model.generator)
    found = digest(name)
    if found != model.imported.sha256:
        raise StoreError(
            f"{name}: the installed package (sha256 {found[:12]}…) is not the one that was "
            f"imported ({model.imported.sha256[:12]}…); install that one, or import it again"
        )
    made = instance(name, inference)
    if made.item != config.item:
        raise StoreError(f"{name}: its item is {made.item}, config.json has {config.item}")
    if tuple(made.takes) != config.takes:
        raise StoreError(f"{name}: it takes {made.takes}, config.json has {config.takes}")
    return made


def instance(name: str, inference: InferenceConfig) -> Generator:
    """`Class(inference)` for a generator on the list. Raises StoreError."""
    kind = _class(name)
    try:
        made = kind(inference)
    except Exception as error:
        raise StoreError(f"{name}: cannot be made: {installed.one_line(error)}") from error
    if not isinstance(made, Generator):
        missing = [part for part in _PARTS if not hasattr(made, part)]
        raise StoreError(f"{name}: is not a generator, it lacks {listed(missing)}")
    return made


_PARTS = ("item", "takes", "size_bytes", "__call__")


def _class(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise StoreError(f"{name}: cannot be imported: {installed.one_line(error)}") from None
    except AttributeError:
        raise StoreError(f"{name}: the module {module} has no {attribute}") from None
    except Exception as error:
        raise StoreError(
            f"{name}: fails when it is imported: {installed.one_line(error)}"
        ) from error


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
