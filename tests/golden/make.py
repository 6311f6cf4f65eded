"""Making golden sets. With `models.py` the only module that knows `aigc` by name: where a
refactoring moves what is called here, this file follows, and nothing recorded may change."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from aigc.data.fingerprints import fingerprint
from aigc.distributed import generate, job_request, prepare
from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.execution.backend import WorkerEvent
from aigc.families.networks.sampling import load_prior
from aigc.families.noise import Noise
from aigc.families.protocol import InferenceConfig
from aigc.generation.engine import Engine
from aigc.job.keys import SampleKeys
from aigc.modalities import MODALITIES
from aigc.modalities.image.spec import PrepareImages
from aigc.output import commit
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.sets import read
from aigc.sets.merge import merge
from aigc.sets.verify import verify
from aigc.specs import AppendSpec, GenerateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.types import Finalizer
from tests.endpoint.conftest import serving
from tests.golden import cases
from tests.golden.cases import Case
from tests.golden.models import EXACT, Model, write_store
from tests.keys_for_tests import keys, labels_of

Pixels = npt.NDArray[np.uint8]


class Here:
    """A crew of one worker, which is this process: a set takes a fraction of a second."""

    grows = False

    def __init__(self, setup: Any, placement: Any, on_cluster: bool) -> None:
        self._run, self._events = setup(1), list[WorkerEvent]()

    def capacity(self) -> int:
        return 1

    def nodes(self) -> int:
        return 1

    def start(self) -> object:
        worker = object()
        self._events.append(WorkerEvent(worker, "ready"))
        return worker

    def assign(self, worker: object, unit: Any) -> None:
        result = self._run(unit, lambda items: None)
        if isinstance(result, Finalizer):
            result = result.close(lambda sent: None)
        self._events.append(WorkerEvent(worker, "done", result, str(unit)))

    def wait(self, workers: Sequence[object], timeout_s: float) -> list[WorkerEvent]:
        events, self._events = self._events, []
        return events

    def stop(self, worker: object) -> None:
        pass


@contextlib.contextmanager
def _in_this_process() -> Iterator[None]:
    with contextlib.ExitStack() as patches:
        for module in (generate, job_request):
            patches.enter_context(mock.patch.object(module, "make_backend", Here))
        nowhere = mock.patch.object(
            generate, "job_runtime", lambda address: contextlib.nullcontext(False)
        )
        patches.enter_context(nowhere)
        yield


class Golden:
    """A folder with the models' store, briefs and training pictures, and the sets made so far."""

    def __init__(self, root: Path) -> None:
        """AIGC_STORE names the folder's store from now on."""
        self.root = root
        os.environ["AIGC_STORE"] = str(write_store(root / "store"))
        cases.write_inputs(root)
        self._write_data()

    def made(self, name: str) -> Path:
        """The set of case `name`, made when it is first asked for."""
        out = self.root / "sets" / name
        if not (out / "manifest.json").exists():
            self.generate(cases.CASES[name], out)
        return out

    def generate(self, case: Case, out: Path) -> None:
        with _in_this_process():
            generate.run(GenerateSpec.model_validate(case.spec(self.root, out)))

    def append(self, out: Path, to: int) -> None:
        with _in_this_process():
            generate.append(AppendSpec.model_validate({"out": str(out), "to": to}))

    def merge(self, out: Path, parts: Sequence[Path]) -> None:
        merge(str(out), [str(part) for part in parts])

    def published(self, model: Model) -> str:
        """The digest that `model` gets when it is published today; see `grown.json`."""
        version, published = self._version(model), ModelStore(str(self.root / "published"))
        return published.publish(model.name, version.config, ModelStore().load(version)).digest

    def rendered(
        self, model: Model, count: int, precision: str = "fp32", threads: int = 1
    ) -> Pixels:
        """The first `count` items of seed 7, labels in turn, uint8 (N, H, W, C)."""
        engine = self._engine(model, precision)
        torch.set_num_threads(threads)
        return engine.render(_keys(model, count)).items

    def noise_of(
        self, model: Model, count: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
        """What the network sees of those items: noise (N, latent_dim), mapped by the prior where
        there is one, and classes (N,)."""
        asked, version = _keys(model, count), self._version(model)
        noise, labels = Noise(asked.seeds, asked.counters), labels_of(asked)
        vectors = noise.normal((model.size.latent_dim,))
        prior = load_prior(version.config, ModelStore().load(version))
        if prior is not None and labels is not None:
            vectors = prior(vectors, torch.from_numpy(labels))
        return vectors.numpy(), labels

    @contextlib.contextmanager
    def endpoint(self) -> Iterator[httpx.Client]:
        """A client of a service that offers the exact models, in fp32 and passes of eight."""
        models = tuple(f"{model.name}@v1" for model in EXACT)
        settings = ServiceSettings(
            models, str(self.root / "store"), precision="fp32", micro_batch=8
        )
        app = create_app(Service(settings), EndpointSettings(access_log=False))
        with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield client

    def shorten(self, text: str) -> str:
        """`text` without the place where the test ran."""
        return text.replace(str(self.root), "ROOT")

    def _version(self, model: Model) -> ModelVersion:
        return ModelStore().resolve(f"{model.name}@v1")

    def _engine(self, model: Model, precision: Any) -> Engine:
        version = self._version(model)
        passes = InferenceConfig(8, precision, "cpu")
        return Engine(version.config, ModelStore().load(version), passes)

    def _write_data(self) -> None:
        """A prepared data set. Three of its pictures are items of the set gan/cut, one is nearly
        an item, and one is an item only to who looks at coarse averages."""
        pictures = cases.training_pictures()
        known = [picture[..., 0] for picture in pixels_of(self.made("gan/cut"))]
        pictures[:3] = [known[at] for at in (3, 5, 9)]
        pictures[3] = np.clip(known[11].astype(int) + 3, 0, 255)
        ripple = 40 * (np.indices(known[0].shape).sum(0) % 2) - 20
        pictures[4] = np.clip(known[10].astype(int) + ripple, 0, 255)
        for at, picture in enumerate(pictures):
            path = self.root / "raw" / f"class {at % 2}" / f"{at:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        spec = {"source": str(self.root / "raw"), "out": str(self.root / "data")}
        sizes = {"size": "16x20", "channels": 1, "test_fraction": 0.0}
        prepare.run(PrepareImages.model_validate(spec | sizes))


def pixels_of(out: Path) -> list[Pixels]:
    """Every item of a finished set, decoded, uint8 (H, W, C)."""
    job, records = commit.read_job(str(out)), commit.read_records(str(out))
    found = read.stored(str(out), job, records, range(job.count))
    return [found[index].values() for index in range(job.count)]


def files_of(out: Path) -> list[bytes]:
    """Every item's file."""
    job, records = commit.read_job(str(out)), commit.read_records(str(out))
    found = read.items(str(out), job, records, range(job.count))
    return [found[index] for index in range(job.count)]


def hashes(pixels: Sequence[Pixels]) -> list[str]:
    """The perceptual hash of each picture, by which near duplicates are found."""
    return [
        f"{value:016x}"
        for value in fingerprint(np.stack(pixels), MODALITIES["image"].source).phash.tolist()
    ]


def verified(out: Path) -> dict[str, Any]:
    """What `aigc verify` finds, every item decoded."""
    return verify(str(out), decode_items=1000)


def regenerated(out: Path, indices: Sequence[int], model: str | None = None) -> dict[int, bytes]:
    return generate.regenerate(str(out), list(indices), model)


def _keys(model: Model, count: int) -> SampleKeys:
    numbers = np.arange(count, dtype=np.int64)
    return keys(numbers, numbers % model.size.classes if model.size.classes else None, seed=7)
