"""Sounds as a kind of content."""

from __future__ import annotations

from aigc.modalities.audio.delivery import AudioDelivery
from aigc.modalities.audio.learning import AudioLearning
from aigc.modalities.audio.source import AudioSource
from aigc.modalities.base import Modality

AUDIO = Modality("sounds", AudioDelivery(), AudioSource(), AudioLearning())
