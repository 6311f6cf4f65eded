"""Imports a class on the machine's list of generators, and verifies it by running it."""

from __future__ import annotations

import torch

from aigc.conditions.base import Conditions
from aigc.errors import SpecError, StoreError, listed
from aigc.families.config import ModelConfig
from aigc.families.imported import ImportNotes, candidates, config_of, require_rows
from aigc.families.independence import RoundingRowsError
from aigc.families.installed import GENERATORS, digest, distribution
from aigc.families.origin import UNKNOWN, Origin
from aigc.families.package import PROTOCOLS, PackageModel
from aigc.families.protocol import Decodes, Generator, InferenceConfig
from aigc.modalities.base import ItemType


def import_package(
    named: str, labels: tuple[str, ...], licence: str = UNKNOWN, source: str = UNKNOWN
) -> tuple[ModelConfig, ImportNotes]:
    """The configuration of the generator `named`: `package.module:Class` or an entry point's name.

    Raises:
        StoreError: it is not on this machine's list, it is not a generator, or its rows depend on
            each other.
        SpecError: it takes a condition that this version does not have, or labels are missing.
    """
    name = GENERATORS.require_allowed(named)
    found, held = digest(name), distribution(name)
    inference = InferenceConfig()
    generator: Generator = GENERATORS.instance(name, inference)
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
    if not _truncates(generator, len(labels) if model.conditional else 0, inference.micro_batch):
        plain = model.model_copy(update={"truncates": False})
        config = config.model_copy(update={"architecture": plain})
    package = held or "not part of an installed distribution"
    return config, ImportNotes(notes.sample, notes.facts | {"package": package}, notes.remarks)


def _truncates(generator: Generator, labels: int, rows: int) -> bool:
    """Whether the setting `truncation` changes items; not if the generator cannot take it."""
    noise, given = candidates(range(rows), labels)
    narrow = Conditions(
        rows, {**given, "truncation": torch.full((rows,), 0.1, dtype=torch.float64)}
    )
    with torch.inference_mode():
        try:
            return not torch.equal(generator(noise, given), generator(noise, narrow))
        except Exception:
            return False


def _conditional(name: str, generator: Generator, labels: tuple[str, ...]) -> bool:
    takes = tuple(generator.takes)
    if unknown := [each for each in takes if each != "label"]:
        raise SpecError(f"{name}: takes {listed(unknown)}, which this version cannot give it")
    if takes and not labels:
        raise SpecError(f"{name}: takes a label; name the labels in order: --labels cat,dog")
    if labels and not takes:
        raise SpecError(f"{name}: takes no label; leave --labels out")
    return bool(takes)
