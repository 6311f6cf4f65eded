"""Generators of published networks: noise and a class to network tensors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from aigc.conditions.base import Conditions
from aigc.families.config import ModelConfig
from aigc.families.networks import (
    DISCRIMINATOR_PREFIX,
    ENCODER_PREFIX,
    build_discriminator,
    build_encoder,
    load_discriminator,
    load_encoder,
    load_sampler,
)
from aigc.families.networks.inference import for_inference
from aigc.families.networks.prior import blended
from aigc.families.networks.sampling import PriorInference
from aigc.families.networks.settings import settings_of
from aigc.families.noise import Noise
from aigc.families.protocol import InferenceConfig, Points, Tensors

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class LatentGenerator:
    """Decodes latents drawn from the standard normal. See `families.protocol.Decodes`."""

    def __init__(self, config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> None:
        self.config, self.item, self.takes = config, config.item, config.takes
        self.representation = config.representation
        self.latent_dim = settings_of(config).latent_dim
        self.device = inference.device
        sampler = load_sampler(config, tensors)
        self.network = for_inference(sampler, DTYPES[inference.precision], inference.device)

    @property
    def size_bytes(self) -> int:
        held = [*self.network.parameters(), *self.network.buffers()]
        return sum(tensor.nbytes for tensor in held)

    def __call__(self, noise: Noise, given: Conditions) -> Tensor:
        return self.decode(self.latents(noise, given))

    def latents(self, noise: Noise, given: Conditions) -> Points:
        cut = given.get("truncation")
        return Points(noise.normal((self.latent_dim,), cut=cut), given.get("label"))

    def decode(self, points: Points) -> Tensor:
        vectors = points.vectors.to(self.device, non_blocking=True)
        pictures: Tensor = self.network(vectors, self._placed(points.context))
        return self.representation.restored(pictures)

    def between(self, points: Points) -> Points:
        vectors, label = points.vectors.to(self.device), self._placed(points.context)
        if isinstance(self.network, PriorInference):
            return _on_cpu(*self.network.points(vectors, label))
        return self._plain(vectors, label)

    def _plain(self, vectors: Tensor, label: Tensor | None) -> Points:
        """The point of a model without a prior."""
        if label is None:
            return Points(vectors.cpu())
        known: Tensor = self.network.embeddings(label)  # type: ignore[operator]
        return _on_cpu(vectors, known.float())

    def _placed(self, tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(self.device, non_blocking=True)


class EncodingGenerator(LatentGenerator):
    """With an encoder, see `families.protocol.Encodes`."""

    def __init__(self, config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> None:
        super().__init__(config, tensors, inference)
        self._encoder = _OnUse(ENCODER_PREFIX, build_encoder, load_encoder, config, tensors)

    @property
    def size_bytes(self) -> int:
        return super().size_bytes + self._encoder.size_bytes

    def encode(self, items: Tensor, given: Conditions) -> Tensor:
        """Posterior means."""
        pictures = self.representation.pictures(items.to(self.device))
        label = self._placed(given.get("label"))
        mean: Tensor = self._encoder.on(self.device)(pictures, label)[0]
        return mean.float().cpu()

    def locate(self, encoded: Tensor, given: Conditions) -> Points:
        vectors, label = encoded.to(self.device), self._placed(given.get("label"))
        if isinstance(self.network, PriorInference):
            return _on_cpu(*self.network.locate(vectors, label))
        return self._plain(vectors, label)

    def turned(self, encoded: Tensor, given: Conditions, becomes: Conditions) -> Points:
        vectors, label = encoded.to(self.device), self._placed(given.get("label"))
        other = self._placed(becomes.get("label"))
        if isinstance(self.network, PriorInference):
            return _on_cpu(*self.network.turned(vectors, label, other))
        return self._plain(vectors, other)

    def near(self, point: Points, noise: Noise, given: Conditions, strength: float) -> Points:
        """With a mixture as prior the points stay in the component that `point` belongs to."""
        drawn, mean, context = self.latents(noise, given), point.vectors, point.context
        if isinstance(self.network, PriorInference):
            at, label = drawn.vectors.to(self.device), self._placed(drawn.context)
            vectors = self.network.prior.near(mean.to(self.device), at, label, strength).cpu()
        else:
            vectors = blended(mean, drawn.vectors, strength)
        return Points(vectors, None if context is None else context.expand(len(vectors), -1))


class _Scoring(LatentGenerator):
    """With a discriminator, see `families.protocol.Scores`."""

    def __init__(self, config: ModelConfig, tensors: Tensors, inference: InferenceConfig) -> None:
        super().__init__(config, tensors, inference)
        self._discriminator = _OnUse(
            DISCRIMINATOR_PREFIX, build_discriminator, load_discriminator, config, tensors
        )

    @property
    def size_bytes(self) -> int:
        return super().size_bytes + self._discriminator.size_bytes

    def score(self, items: Tensor, given: Conditions) -> Tensor:
        """The discriminator's logits."""
        label = self._placed(given.get("label"))
        pictures = self.representation.pictures(items.to(self.device))
        logits: Tensor = self._discriminator.on(self.device)(pictures, label)
        return logits.float().cpu()


class ScoringGenerator(_Scoring):
    pass


class EncodingScoringGenerator(EncodingGenerator, _Scoring):
    pass


def load_generator(
    config: ModelConfig, tensors: Tensors, inference: InferenceConfig
) -> LatentGenerator:
    """A generator with the protocols whose tensors the model folder has. Raises StoreError."""
    encodes = any(name.startswith(ENCODER_PREFIX) for name in tensors)
    scores = any(name.startswith(DISCRIMINATOR_PREFIX) for name in tensors)
    kinds = {
        (False, False): LatentGenerator,
        (False, True): ScoringGenerator,
        (True, False): EncodingGenerator,
        (True, True): EncodingScoringGenerator,
    }
    return kinds[encodes, scores](config, tensors, inference)


class _OnUse:
    """A network that is built on its first use, because most bulk jobs do not use it."""

    def __init__(
        self,
        prefix: str,
        build: Callable[[ModelConfig], nn.Module],
        load: Callable[[ModelConfig, Tensors], nn.Module],
        config: ModelConfig,
        tensors: Tensors,
    ) -> None:
        """Raises StoreError when the tensors do not fit."""
        own = {name: each for name, each in tensors.items() if name.startswith(prefix)}
        with torch.device("meta"), _WithoutValues():
            wanted = build(config).state_dict()
        if {prefix + name: each.shape for name, each in wanted.items()} != _shapes(own):
            load(config, own)  # which reports what does not fit
        self._make: Callable[[], nn.Module] = lambda: load(config, own)
        self.size_bytes = sum(tensor.nbytes for tensor in own.values())
        self._lock = threading.Lock()
        self._network: nn.Module | None = None

    def on(self, device: str) -> nn.Module:
        with self._lock:
            if self._network is None:
                self._network = self._make().to(device)
            return self._network


class _WithoutValues(TorchFunctionMode):
    """Skips the initialisation by normal values. On the meta device it makes PyTorch import its
    compiler, which takes more than a second in each worker and replica."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (nn.init.normal_, Tensor.normal_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _shapes(tensors: Tensors) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _on_cpu(vectors: Tensor, context: Tensor) -> Points:
    return Points(vectors.cpu(), context.cpu())
