"""The user's settings of the networks here."""

from __future__ import annotations

from aigc.families.config import ModelConfig
from aigc.families.gan import GanModel
from aigc.families.vae import VaeModel


def settings_of(config: ModelConfig) -> GanModel | VaeModel:
    settings = config.architecture
    assert isinstance(settings, GanModel | VaeModel), f"{settings.family} has other networks"
    return settings
