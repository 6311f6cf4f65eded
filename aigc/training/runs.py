"""What can be known of a run without training: whether it may start, whether it is finished."""

from __future__ import annotations

from aigc import storage
from aigc.conditions.names import class_name
from aigc.data import attribution
from aigc.data.dataset import Dataset, open_dataset
from aigc.errors import DataError, SpecError, listed
from aigc.families.config import ModelConfig
from aigc.families.networks.shapes import pyramid
from aigc.modalities import MODALITIES
from aigc.specs import TrainSpec, build, dump
from aigc.training import checkpoint
from aigc.training.schedule import progress
from aigc.types import Json

MIN_IMAGES = 20
"""Training images below which a run is refused."""


def model_config(spec: TrainSpec, dataset: Dataset) -> ModelConfig:
    """What the run's model folder will say of itself.

    Raises:
        SpecError: a synonym means none of the data's labels, or a field of `spec` is not for this
            kind of content.
    """
    check_fitting(spec, dataset)
    values = {
        "modality": dataset.modality,
        "architecture": spec.model,
        **_sizes(dataset),
        "labels": dataset.labels,
        "untrained": dataset.untrained,
        "synonyms": {word: class_name(label) for word, label in spec.synonyms.items()},
        "data_digest": dataset.digest,
    }
    return build(ModelConfig, values)


def _sizes(dataset: Dataset) -> Json:
    """What a model folder says of the shape of its items."""
    own = MODALITIES[dataset.modality].learning.sizes.of(dataset.item).model_dump()
    of_pictures = {"fit": dataset.fit, "background": dataset.background}
    return own | {name: value for name, value in of_pictures.items() if name in own}


def check_fitting(spec: TrainSpec, dataset: Dataset) -> None:
    """Raises SpecError when `spec` changes items in a way that this kind of content does not
    take."""
    kind = MODALITIES[dataset.modality]
    if spec.flip and not kind.learning.mirrors:
        raise SpecError(f"flip = true: {kind.title} cannot be mirrored; leave it out")
    adversary = getattr(spec.model, "adversary", None)
    for field, terms in (("model", spec.model), ("model.adversary", adversary)):
        for policy in getattr(terms, "augment", ()):
            if policy not in kind.learning.augmentations:
                known = ", ".join(kind.learning.augmentations)
                raise SpecError(
                    f"{field}.augment = {policy}: not for {kind.title}; choose from {known}"
                )


def untrained_note(config: ModelConfig) -> str:
    """What the user has to know about labels without training items; "" if there are none."""
    if not (config.conditional and config.untrained):
        return ""
    title = MODALITIES[config.modality].title
    return (
        f"no training {title} of {listed(config.untrained)}: they remain labels of the model, but "
        "are made only when they are named"
    )


def check_enough(dataset: Dataset) -> None:
    """Raises DataError when no model can be learnt from so few items."""
    items = dataset.counts.get("train", 0)
    if items < MIN_IMAGES:
        raise DataError(
            f"{dataset.uri}: {items} training {dataset.title}; training needs at least "
            f"{MIN_IMAGES}, and a few hundred for varied results"
        )


def is_finished(spec: TrainSpec) -> bool:
    """Whether the run in `spec.out` has reached the limits of `spec`, or its watch has ended it.

    Raises:
        DataError, SpecError, StorageError: the run could not start; `spec.out` is marked as this
            run's otherwise.
    """
    dataset = open_dataset(spec.data)
    check_enough(dataset)
    pyramid(*model_config(spec, dataset).picture[1:])
    checkpoint.claim(spec, dataset.digest)
    state = checkpoint.newest_state(spec)
    if state is None:
        return False
    return stop_reason(spec) is not None or progress(spec, state["step"], state["elapsed_s"]) >= 1


def stop_reason(spec: TrainSpec) -> str | None:
    """Why the watch of the run in `spec.out` ended it before its limits; None if it did not."""
    state = checkpoint.newest_state(spec) or {}
    reason: str | None = state.get("supervisor", {}).get("watch", {}).get("stopped")
    return reason


def begun(out: str) -> Json | None:
    """The settings that the run in `out` began with, without its limits; None if there is none."""
    found = checkpoint.read_json(storage.join(out, "run.json"))
    return None if found is None else {k: v for k, v in found.items() if k != "data_digest"}


def recipe_card(spec: TrainSpec, dataset: Dataset, metrics: Json) -> str:
    """The part of a model card that only training knows: the data and the recipe, in Markdown."""
    licence = f", licence {dataset.licence}" if dataset.licence else ""
    items = f"{dataset.counts.get('train', 0):,} {dataset.title}"
    rights = ""
    if dataset.info.get("licences") or dataset.info.get("creators"):
        rights = f"{attribution.in_words(attribution.summary(dataset.info))}\n"
    return (
        f"Trained on {items} of `{dataset.source}`{licence} "
        f"for {metrics['steps']:,} steps of {spec.batch_size} {dataset.title} in "
        f"{metrics['train_seconds']:,.0f} s on {metrics['workers']} worker(s) "
        f"({metrics['device']}).\n\n{rights}{_reasons(spec)}```yaml\n{dump(spec)}```\n"
    )


def _reasons(spec: TrainSpec) -> str:
    lines = [f"- `{name}`: {reason}\n" for name, reason in spec.reasons.items()]
    return f"Chosen by the adaptive recipe:\n\n{''.join(lines)}\n" if lines else ""
