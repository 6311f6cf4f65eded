from __future__ import annotations

import pytest
from pydantic import ValidationError

from aigc.families.config import ModelConfig
from tests.models_for_tests import LABELS, tiny_config


def with_synonyms(config: ModelConfig, synonyms: dict[str, str]) -> ModelConfig:
    return ModelConfig.model_validate(config.model_dump() | {"synonyms": synonyms})


def test_synonyms_mean_labels() -> None:
    assert with_synonyms(tiny_config(), {"nil": "zero"}).synonyms == {"nil": "zero"}
    for synonyms in ({"nil": "Zero"}, {" ": "zero"}):
        with pytest.raises(ValidationError, match=f"one of the labels: {', '.join(LABELS)}"):
            with_synonyms(tiny_config(), synonyms)


def test_a_model_that_ignores_its_labels_has_no_synonyms() -> None:
    config = tiny_config()
    architecture = config.architecture.model_copy(update={"conditional": False})
    plain = config.model_copy(update={"architecture": architecture})
    with pytest.raises(ValidationError, match=r"'nil' means 'zero', expected .*: none"):
        with_synonyms(plain, {"nil": "zero"})
