from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from aigc.generation.gates import classifiers
from aigc.provenance.watermark.keys import VARIABLE
from aigc.service.loaded_model import load
from aigc.service.settings import ServiceSettings
from aigc.service.stamps import Stamps
from aigc.store import ModelStore
from tests.classifiers_for_tests import bright


def test_weights_of_a_classifier_are_read_once_for_all_models(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, read = bright(tmp_path, threshold=1.0), []
    weights = classifiers._weights

    def counted(gate):
        read.append(gate)
        return weights(gate)

    monkeypatch.setattr(classifiers, "_weights", counted)
    settings = ServiceSettings(store=store.uri, micro_batch=8, safety=gate)
    found = [load(store, store.resolve(name), settings) for name in ("tiny", "plain")]
    assert len(read) == 1
    assert len({model.identity for model in found}) == 2
    other = ServiceSettings(store=store.uri, micro_batch=8)
    assert load(store, store.resolve("tiny"), other).identity != found[0].identity


def test_the_key_of_a_watermark_is_read_once_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(os.urandom(16).hex())
    monkeypatch.setenv(VARIABLE, str(file))
    stamps = Stamps("d" * 64, None, "spread")
    mark = stamps.mark
    file.unlink()
    for _ in range(2):
        overlay = stamps.overlay(["a-0", "a-1", "a-2"])
        assert overlay.watermark is mark
        assert len(overlay.payloads) == 3
    sent = pickle.loads(pickle.dumps(stamps))
    assert sent == stamps
    assert "mark" not in vars(sent), "a render process reads the key itself"
