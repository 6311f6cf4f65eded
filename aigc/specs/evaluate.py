"""`aigc evaluate`."""

from __future__ import annotations

from pydantic import Field

from aigc.strict import Location, Placement, Seed, Spec

MIN_IMAGES = 50
"""Images that the test and the train split need each, for any metric."""


class EvaluateSpec(Spec):
    model: str
    """NAME, NAME@VERSION, NAME@ALIAS or the URI of a model folder."""
    data: Location
    """Data set made by `aigc data prepare`, local or s3://. Samples are compared with its test
    split."""
    out: Location
    """Folder for report.json and report.png."""
    samples: int = Field(10_000, ge=100)
    """Images to generate, at least 100. Fréchet distances depend on this number, so compare only
    results with equal `samples`."""
    seed: Seed = 0
    """Seed of the samples and of the choice of real images."""
    neighbours: int = Field(5, ge=1)
    """k of the k nearest neighbours in precision, recall, density and coverage."""
    prdc_samples: int = Field(5_000, ge=MIN_IMAGES)
    """Images on each side for precision, recall, density and coverage, at least 50. The default is
    lowered where there are fewer samples, test or train images."""
    memory_bytes: int = Field(2 * 2**30, ge=0)
    """Memory in bytes for the decoded samples, and again for the real images. Above it they are
    kept in a file in the temporary folder (TMPDIR); the results are the same."""
    inception_weights: str | None = None
    """Path of Inception-v3 weights in torchvision's format. Without it Inception FID is not
    reported."""
    publish: bool = True
    """Also write the results next to the model in the store."""
    placement: Placement = Placement(workers=1)
    """Where evaluation is executed. Default: one worker."""
