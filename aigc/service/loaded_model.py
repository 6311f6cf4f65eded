"""One version of a model in memory, checked and ready."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import time
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from aigc import __version__
from aigc.errors import JobError, StoreError
from aigc.families.config import ModelConfig
from aigc.families.protocol import Decodes, Encodes, Generator, InferenceConfig, Precision
from aigc.generation.engine import Engine, best_precision
from aigc.modalities import MODALITIES
from aigc.modalities.delivery import ItemFormat
from aigc.service.known_facts import KnownFacts, facts_of
from aigc.service.origin import ServedOrigin
from aigc.service.render_process import RemoteModel, RenderProcess
from aigc.service.renderer import Renderer, SafetyRules, sample_keys
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore, ModelVersion
from aigc.store.version import CARD
from aigc.types import Json

_SMOOTHING = 0.2
_EXTRA = 32.0
"""At first: a narrow pass costs about so many pictures of a full one."""


@dataclass(eq=False)
class LoadedModel:
    version: ModelVersion
    renderer: Renderer
    size_bytes: int
    """Of the weights: twice where a process of its own holds them, too."""
    figures: Json
    card: str
    origin: ServedOrigin
    identity: str
    """Hex digest of whatever, besides the candidate and the format, decides a file's bytes."""
    facts: KnownFacts
    """What requests are read against."""
    used_at: float = field(default_factory=time.monotonic)
    remote: RemoteModel | None = None
    """The same renderer in a process of its own."""
    seconds_per_item: float = 0.001
    """Rendering and encoding one small picture in a full batch, lately."""
    _extras: dict[str, float] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        config = self.version.config
        return config.labels if config.conditional else ()

    @property
    def generator(self) -> Generator:
        return self.renderer.engine.generator

    @property
    def can(self) -> list[str]:
        """What requests may ask of it."""
        generator = self.generator
        decodes, encodes = isinstance(generator, Decodes), isinstance(generator, Encodes)
        return abilities(self.version.config, decodes, encodes)

    @functools.cached_property
    def native(self) -> ItemFormat:
        """How its items are delivered when nothing is asked of that."""
        return self.renderer.delivery.format_of(self.renderer.form)

    @functools.cached_property
    def sampling(self) -> tuple[str, ...]:
        """Names of the sampling settings of its family."""
        return tuple(self.version.config.family.sampling.model_fields)

    def note_speed(self, rows: int, weight: float, took_s: float) -> None:
        """A batch took so long. Small ones say little: their passes are narrow and not full."""
        if rows * 2 >= self.renderer.micro_batch or weight >= 2 * rows:
            self.seconds_per_item += _SMOOTHING * (took_s / weight - self.seconds_per_item)

    def extra(self, kind: str) -> float:
        """What a request of this kind costs beside its pictures, in small pictures, lately."""
        return float(round(self._extras.get(kind, _EXTRA)))

    def note_extra(self, kind: str, weight: float, took_s: float) -> None:
        """A batch with pictures of `weight` took so long."""
        known = self._extras.get(kind, _EXTRA)
        found = max(0.0, took_s / self.seconds_per_item - weight)
        self._extras[kind] = known + _SMOOTHING * (found - known)


def abilities(config: ModelConfig, decodes: bool, encodes: bool) -> list[str]:
    """The operations that requests may use."""
    if not MODALITIES[config.modality].latent_operations:
        return ["generate"]
    return ["generate", *(["walk"] if decodes else []), *(["vary", "edit"] if encodes else [])]


def expected_abilities(config: ModelConfig) -> list[str]:
    """Of a model that is not loaded."""
    able = config.family.able(config)
    return abilities(config, Decodes in able, Encodes in able)


def load(
    store: ModelStore,
    version: ModelVersion,
    settings: ServiceSettings,
    process: RenderProcess | None = None,
) -> LoadedModel:
    """Read, check, warm up; `process` has it, too.

    Raises:
        StoreError: the weights are damaged, do not fit, or give values that are no numbers.
        StorageError: the store cannot be read.
        CredentialsError, SpecError: its items cannot be marked or signed as the settings ask.
    """
    config = version.config
    tensors = store.load(version)
    inference = InferenceConfig(settings.micro_batch, _precision(settings), settings.device)
    torch.set_num_threads(settings.threads)
    metrics = store.read_extra(version, "metrics.json")
    engine = Engine(config, tensors, inference)
    gate = settings.safety
    safety = SafetyRules(gate, settings.max_draws) if gate is not None else None
    origin = ServedOrigin(settings.provenance, version)
    renderer = Renderer(engine, config, safety=safety, stamps=origin.stamps)
    loaded = LoadedModel(
        version,
        renderer=renderer,
        size_bytes=engine.size_bytes,
        figures=_finite(metrics) if metrics else {},
        card=version.read(CARD).decode(),
        origin=origin,
        identity=_identity(version, inference, origin, renderer),
        facts=facts_of(config, settings.blocked),
    )
    _warm_up(loaded, _held(process, loaded.renderer, tensors))
    return loaded


def _held(
    process: RenderProcess | None, renderer: Renderer, tensors: dict[str, Tensor]
) -> RemoteModel | None:
    """A process that cannot have the model is no reason to be without it."""
    if process is None or not process.alive:
        return None
    try:
        return process.hold(renderer, tensors)
    except (JobError, RuntimeError) as error:
        logging.getLogger("aigc").warning("rendering in this process alone: %s", error)
        return None


def _finite(metrics: bytes) -> Json:
    """JSON in which what is no number is null, as the standard wants it."""
    found: Json = json.loads(metrics, parse_constant=lambda _: None)
    return found


def _precision(settings: ServiceSettings) -> Precision:
    automatic = settings.precision == "auto"
    return best_precision(settings.device) if automatic else cast("Precision", settings.precision)


def _identity(
    version: ModelVersion,
    inference: InferenceConfig,
    origin: ServedOrigin,
    renderer: Renderer,
) -> str:
    """Of a text that never changes its form, for clients keep ETags that follow from it; a safety
    gate, which may choose other candidates, is added to it."""
    how = f"micro_batch={inference.micro_batch}, precision={inference.precision!r}"
    passes = f"Passes({how}, device={inference.device!r})"
    text = f"({version.digest!r}, {passes}, {__version__!r}, {version.ref!r}, {origin.identity})"
    if renderer.safety is not None and renderer.scorer is not None:
        limits = f"{renderer.safety.gate.threshold}, {renderer.safety.max_draws}"
        text += f" safety({renderer.scorer.digest}, {limits})"
    return hashlib.sha256(text.encode()).hexdigest()


def _warm_up(loaded: LoadedModel, remote: RemoteModel | None) -> None:
    """One full batch as requests will ask for it, and one file marked and signed; their times are
    the first estimate of the pace."""
    rows = loaded.renderer.micro_batch
    keys = sample_keys(loaded.version.config, rows, seed=0)
    started = time.perf_counter()
    made = loaded.renderer.make(keys, [(rows, loaded.native)])
    rendered = time.perf_counter()
    loaded.origin.finish(made.files[:1], [loaded.native.codec], made.ids[:1])
    marking_s = time.perf_counter() - rendered
    loaded.seconds_per_item = (rendered - started) / rows + marking_s
    if len(made.unsafe) == rows:
        raise StoreError(f"{loaded.version.ref}: the safety gate refuses all of its first items")
    if len(set(made.files)) == 1 and rows > 1:
        raise StoreError(
            f"{loaded.version.ref}: makes the same item for every input; publish another version"
        )
    if remote is not None and remote.make(keys, [(rows, loaded.native)], behind=math.inf) == made:
        loaded.remote = remote
        loaded.size_bytes += loaded.renderer.engine.size_bytes
