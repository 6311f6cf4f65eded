"""Which kind of content a spec or a data set is of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from aigc.errors import DataError
from aigc.modalities import MODALITIES, Source
from aigc.specs import PrepareSpec


def source_of(spec: PrepareSpec) -> Source:
    """How the files of the spec's kind of content are read, compared and stored."""
    return MODALITIES[spec.modality].source


def source_named(modality: str, where: str) -> Source:
    """Raises DataError when this version of aigc does not know the kind of content of `where`."""
    if modality not in MODALITIES:
        raise DataError(
            f"{where}: is of {modality!r}, this aigc knows {', '.join(MODALITIES)}; update aigc"
        )
    return MODALITIES[modality].source


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While entered, no decoder of any kind warns."""
    with contextlib.ExitStack() as stack:
        for modality in MODALITIES.values():
            stack.enter_context(modality.source.quiet())
        yield
