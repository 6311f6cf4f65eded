"""A point to render, for work that starts in latent space."""

from __future__ import annotations

from aigc.families.protocol import Points
from aigc.service.loaded_model import LoadedModel
from aigc.service.renderer import sample_keys


def one_point(loaded: LoadedModel) -> Points:
    return loaded.renderer.engine.points(sample_keys(loaded.version.config, 1, seed=2))
