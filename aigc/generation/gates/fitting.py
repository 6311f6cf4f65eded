"""Refuses settings of gates that a job would ignore, and data that do not match its items.

Defaults are never refused: a resolved spec, and the job file, write out every field.
"""

from __future__ import annotations

from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import DataError, SpecError
from aigc.families.config import ModelConfig
from aigc.families.protocol import Scores
from aigc.modalities import MODALITIES, Modality
from aigc.specs import DegenerateGate, DuplicateGate, Gates, RealismGate, Spec


def require_fitting(gates: Gates, config: ModelConfig) -> None:
    """Check the fields and data sets of `gates` against the model.

    Raises:
        SpecError: a field has no effect on its items, the model cannot score them, or a data set is
            missing or holds other content; names the field, its value and what would be right.
    """
    kind, realism = MODALITIES[config.modality], gates.realism
    if gates.degenerate is not None:
        _require_limits(gates.degenerate, kind)
    if gates.duplicates is not None:
        _require_near(gates.duplicates)
    if realism is not None and realism.score == "discriminator":
        _require_own_scores(realism, config)
    opened = {name: open_data(name, uri) for name, uri in gates.data.items() if name != "safety"}
    for name, dataset in opened.items():
        _require_same_kind(f"gates.{name}.data = {dataset.uri}", dataset, config.modality)
    if "realism" in opened:
        _require_comparable(opened["realism"], config)


def open_data(gate: str, uri: str) -> Dataset:
    """The data set that `gate` compares with. Raises SpecError."""
    try:
        return open_dataset(uri)
    except DataError as error:
        raise SpecError(
            f"gates.{gate}.data = {uri}: {str(error).removeprefix(f'{uri}: ')}"
        ) from None


def _require_limits(gate: DegenerateGate, kind: Modality) -> None:
    for name, value in _changed(gate).items():
        if name not in kind.delivery.limits:
            known = " and ".join(kind.delivery.limits) or "none"
            raise SpecError(
                f"gates.degenerate.{name} = {value}: has no effect on {kind.title}, whose limits "
                f"are {known}; leave it out"
            )


def _require_near(gate: DuplicateGate) -> None:
    for name, value in _changed(gate).items():
        if name != "near" and not gate.near:
            raise SpecError(
                f"gates.duplicates.{name} = {value}: has no effect with near = false; leave it "
                "out, or set gates.duplicates.near to true"
            )


def _require_own_scores(gate: RealismGate, config: ModelConfig) -> None:
    if gate.data is not None:
        raise SpecError(
            f"gates.realism.data = {gate.data}: has no effect with score = discriminator; leave "
            "it out, or set gates.realism.score to density"
        )
    if config.origin is not None and Scores not in config.family.able(config):
        raise SpecError(
            f"gates.realism.score = discriminator: the imported model {config.origin.name} has no "
            "discriminator; set gates.realism.score to density and gates.realism.data to a "
            "prepared data set of the items that it imitates"
        )


def _require_same_kind(field: str, dataset: Dataset, modality: str) -> None:
    if dataset.modality != modality:
        made = MODALITIES[modality].title
        raise SpecError(
            f"{field}: holds {dataset.title}, while the model makes {made}; give the data set that "
            "the model was trained on"
        )


def _require_comparable(dataset: Dataset, config: ModelConfig) -> None:
    if found := config.learning.unlike(config.item, dataset.item):
        made, stored, how = found
        raise SpecError(
            f"gates.realism.data = {dataset.uri}: has {stored}, while the model makes {made}; "
            f"prepare the data with {how}"
        )


def _changed(gate: Spec) -> dict[str, object]:
    """The fields that differ from their defaults."""
    fields = type(gate).model_fields
    values = {name: getattr(gate, name) for name in fields}
    return {name: value for name, value in values.items() if value != fields[name].default}
