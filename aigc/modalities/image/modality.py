"""Images as a kind of content."""

from __future__ import annotations

from aigc.modalities.base import Modality
from aigc.modalities.image.delivery import ImageDelivery
from aigc.modalities.image.ingestion import ImageIngestion
from aigc.modalities.image.learning import ImageLearning

IMAGE = Modality("images", "image", ImageDelivery(), ImageIngestion(), ImageLearning())
