"""Images as a kind of content."""

from __future__ import annotations

from aigc.modalities.base import Modality
from aigc.modalities.image.classified import ImageClassified
from aigc.modalities.image.delivery import ImageDelivery
from aigc.modalities.image.learning import ImageLearning
from aigc.modalities.image.source import ImageSource
from aigc.modalities.image.traced import ImageTraced

IMAGE = Modality(
    "images",
    ImageDelivery(),
    ImageSource(),
    ImageLearning(),
    ImageClassified(),
    ImageTraced(),
    latent_operations=True,
)
