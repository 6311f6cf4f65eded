"""Sets whose model names its training data, as training publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aigc.data.dataset import Dataset, open_dataset
from aigc.data.opening import open_source
from aigc.data.prepare import prepare
from aigc.modalities.image.spec import PrepareImages
from aigc.store import ModelStore
from tests.models_for_tests import tiny_config, tiny_tensors
from tests.sets.conftest import SetMaker


class TrainedMaker(SetMaker):
    """Its model says that it was trained on `data`, by digest and in its card."""

    def __init__(self, data: str, name: str = "tiny-trained", *, says_where: bool = True) -> None:
        digest = open_dataset(data).digest
        config = tiny_config().model_copy(update={"data_digest": digest})
        about = f"Trained on digits.\n\n```yaml\ndata: {data}\nout: run\n```\n"
        self.tensors = tiny_tensors(config)
        self.version = ModelStore().publish(
            name,
            config,
            self.tensors,
            metrics={"kid": 0.02, "kid_floor": 0.001, "memorisation": "none"},
            card=about if says_where else "Trained elsewhere.",
            health="ok",
        )


@dataclass
class Shop:
    out: str
    data: str
    maker: TrainedMaker

    @property
    def dataset(self) -> Dataset:
        return open_dataset(self.data)


@pytest.fixture(scope="session")
def trained(digits_data: str) -> Iterator[TrainedMaker]:
    yield TrainedMaker(digits_data)


@pytest.fixture(scope="session")
def shop(trained: TrainedMaker, digits_data: str, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """100 items with gates and scores."""
    out = str(tmp_path_factory.mktemp("shop") / "set")
    gates = {"degenerate": True, "realism": {"threshold": -1e9}}
    trained.finished(out, gates=gates, include=["scores"])
    return Shop(out, digits_data, trained)


def prepared_from(images: Path, out: Path, **fields: object) -> str:
    """A data set of the files of a set."""
    values = {"source": str(images), "out": str(out), "size": 16, "channels": 1}
    spec = PrepareImages.model_validate(
        values | {"near_duplicates": "keep", "test_fraction": 0.2} | fields
    )
    prepare(spec, open_source(spec))
    return spec.out
