"""A class of an installed package becomes a model: on the operator's list, and proved by a run."""

from __future__ import annotations

from aigc.errors import SpecError, StoreError, listed
from aigc.families.config import ModelConfig
from aigc.families.imported import ImportNotes, config_of, require_rows
from aigc.families.independence import RoundingRowsError
from aigc.families.installed import digest, distribution, instance, require_allowed
from aigc.families.origin import UNKNOWN, Origin
from aigc.families.package import PROTOCOLS, PackageModel
from aigc.families.protocol import Decodes, Generator, InferenceConfig
from aigc.modalities.base import ItemType


def import_package(
    named: str, labels: tuple[str, ...], licence: str = UNKNOWN, source: str = UNKNOWN
) -> tuple[ModelConfig, ImportNotes]:
    """The configuration of the generator `named`: `package.module:Class`, or an entry point's name.

    Raises:
        StoreError: it is not on this machine's list, is no generator, or its rows depend on each
            other.
        SpecError: it takes a condition that this version does not have, or labels are missing.
    """
    name = require_allowed(named)
    found, held = digest(name), distribution(name)
    inference = InferenceConfig()
    generator = instance(name, inference)
    item = generator.item
    if not isinstance(item, ItemType):
        raise StoreError(f"{name}: its item is {item!r}; expected aigc.modalities.ItemType")
    labels = labels or tuple(getattr(generator, "labels", ()))
    model = PackageModel(
        imported=Origin(
            name=name,
            licence=licence,
            source=source if source != UNKNOWN or held is None else held,
            sha256=found,
        ),
        generator=name,
        conditional=_conditional(name, generator, labels),
        latent_dim=generator.latent_dim if isinstance(generator, Decodes) else None,
        able=tuple(key for key, kind in PROTOCOLS.items() if isinstance(generator, kind)),
    )
    try:
        config = config_of(item, model, labels)
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from None
    try:
        notes = require_rows(generator, config, name, inference.micro_batch)
    except RoundingRowsError as error:
        raise StoreError(
            f"{name}: refused: {error}; compute each row alone, or in an order that does not "
            "depend on its place"
        ) from None
    package = held or "no distribution; files next to each other"
    return config, ImportNotes(notes.sample, notes.facts | {"package": package}, notes.remarks)


def _conditional(name: str, generator: Generator, labels: tuple[str, ...]) -> bool:
    takes = tuple(generator.takes)
    if unknown := [each for each in takes if each != "label"]:
        raise SpecError(f"{name}: takes {listed(unknown)}, which this version cannot give it")
    if takes and not labels:
        raise SpecError(f"{name}: takes a label; name the labels in order: --labels cat,dog")
    if labels and not takes:
        raise SpecError(f"{name}: takes no label; leave --labels out")
    return bool(takes)
