"""How many of 1,000 modes a generator finds: stacked Fashion-MNIST (after stacked MNIST, Metz and
others 2017, table 3; 26,000 samples as there).

    python -m tests.evaluation.modes stack FASHION STACKED
    aigc train --data STACKED --name NAME --preset dcgan --seconds 600
    python -m tests.evaluation.modes count FASHION STACKED NAME [NAME ...]

FASHION is Fashion-MNIST prepared at 28 x 28 in grey. Each channel of a stacked image is an image of
it drawn at random, so the classes of the three channels give 1,000 modes. A classifier that is
trained on FASHION reads them; real stacked images are counted beside the samples.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from aigc.data.dataset import open_dataset
from aigc.distributed.prepare import run as prepare
from aigc.families.protocol import InferenceConfig
from aigc.generation.engine import Engine
from aigc.modalities.image import encode
from aigc.modalities.image.spec import PrepareImages
from aigc.service.renderer import sample_keys
from aigc.store import ModelStore
from aigc.types import UInt8Images
from tests.saying import say

MODES, SAMPLES = 1000, 26_000
_EPOCHS, _BATCH, _RATE = 3, 128, 1e-3


def stack(fashion: str, out: str, items: int) -> None:
    """A data set of `items` stacked images without labels; a seventh is held out."""
    images, _ = open_dataset(fashion).read("train")
    random = np.random.default_rng(0)
    chosen = images[..., 0][random.integers(len(images), size=(items, 3))].transpose(0, 2, 3, 1)
    files = encode(np.ascontiguousarray(chosen), "png")
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.table({"image": files}), Path(folder) / "stacked.parquet")
        asked = {"source": folder, "out": out, "label_column": "", "test_fraction": 1 / 7}
        prepare(PrepareImages.model_validate(asked | {"size": 28, "channels": 3}))


class Reader(nn.Module):
    """The class of each grey image, uint8 (N, 28, 28), as logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(images[:, None].float() / 127.5 - 1)
        return found


def trained_reader(fashion: str) -> Reader:
    torch.manual_seed(0)
    reader, dataset = Reader(), open_dataset(fashion)
    images, labels = (torch.from_numpy(each) for each in dataset.read("train"))
    optimizer = torch.optim.Adam(reader.parameters(), _RATE)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(images)).split(_BATCH):
            optimizer.zero_grad()
            F.cross_entropy(reader(images[rows, ..., 0]), labels[rows]).backward()
            optimizer.step()
    images, labels = (torch.from_numpy(each) for each in dataset.read("test"))
    right = float((classes(reader, images[..., 0]) == labels.numpy()).mean())
    say(f"the classifier reads {100 * right:.1f} % of the test images right")
    return reader.eval()


@torch.no_grad()
def classes(reader: Reader, images: torch.Tensor) -> npt.NDArray[np.int64]:
    return torch.cat([reader(part).argmax(1) for part in images.split(1000)]).numpy()


def histogram(reader: Reader, items: UInt8Images) -> npt.NDArray[np.float64]:
    """(1000,) share of each mode among stacked images (N, 28, 28, 3)."""
    each = [classes(reader, torch.from_numpy(items[..., channel])) for channel in range(3)]
    mode = each[0] * 100 + each[1] * 10 + each[2]
    return np.bincount(mode, minlength=MODES) / len(items)


def report(name: str, found: npt.NDArray[np.float64], real: npt.NDArray[np.float64]) -> None:
    seen = found > 0
    # Of modes that no real image shows in this sample, half an image.
    known = np.maximum(real, 0.5 / SAMPLES)
    divergence = float((found[seen] * np.log(found[seen] / known[seen])).sum())
    say(f"{name}: {seen.sum():,} of {MODES:,} modes, KL(model || data) {divergence:.3f} nats")


def samples(name: str) -> UInt8Images:
    store = ModelStore()
    version = store.resolve(name)
    engine = Engine(version.config, store.load(version), InferenceConfig(256))
    made: UInt8Images = engine.render(sample_keys(version.config, SAMPLES, 0)).items
    return made


def count(fashion: str, stacked: str, names: list[str]) -> None:
    reader = trained_reader(fashion)
    items, _ = open_dataset(stacked).read("train")
    random = np.random.default_rng(1).permutation(len(items))
    first, second = items[random[:SAMPLES]], items[random[-SAMPLES:]]
    real = histogram(reader, first)
    report("real images", histogram(reader, second), real)
    for name in names:
        report(name, histogram(reader, samples(name)), real)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("stack", "count"):
        verbs.add_parser(verb).add_argument("fashion")
        verbs.choices[verb].add_argument("stacked")
    verbs.choices["stack"].add_argument("--items", type=int, default=70_000)
    verbs.choices["count"].add_argument("names", nargs="+")
    asked = parser.parse_args()
    if asked.verb == "stack":
        stack(asked.fashion, asked.stacked, asked.items)
    else:
        count(asked.fashion, asked.stacked, asked.names)


if __name__ == "__main__":
    main()
