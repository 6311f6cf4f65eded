"""How a spec wants the items of a model delivered."""

from __future__ import annotations

from aigc.families.config import ModelConfig
from aigc.modalities import MODALITIES
from aigc.modalities.delivery import Form
from aigc.specs import GenerateSpec


def form_of(spec: GenerateSpec, config: ModelConfig) -> Form:
    """How `spec` wants the items of the model delivered. Raises SpecError."""
    return MODALITIES[config.modality].delivery.form_of(config.item, spec.delivered)
