"""Which spec `aigc train` makes of a preset, a file and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc.commands.train import resolve
from aigc.errors import SpecError
from aigc.specs import PrepareSpec


@pytest.fixture(scope="module")
def large_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared data set of 24 noisy colour pictures at 40 x 40, in two classes."""
    from aigc.orchestration.prepare import run

    folder = tmp_path_factory.mktemp("large")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        path = folder / "raw" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    run(PrepareSpec(source=str(folder / "raw"), out=str(folder / "data"), size=40, channels=3))
    return str(folder / "data")


@pytest.mark.parametrize(
    ("settings", "family"),
    [
        ({}, "vae"),
        ({"model.width": 24}, "vae"),
        ({"model.beta": 2}, "vae"),
        ({"model.adversary.weight": 0.5}, "vae"),
        ({"model.r1_gamma": 2}, "gan"),
        ({"model.family": "gan"}, "gan"),
        ({"model.family": "gan", "model.width": 24}, "gan"),
    ],
)
def test_the_adaptive_recipe_chooses_the_family_whose_fields_are_set(
    large_data: str, tmp_path: Path, settings: dict[str, Any], family: str
) -> None:
    spec = resolve(
        None, None, {"name": "n", "data": large_data, "out": str(tmp_path / "run")} | settings
    )
    assert spec.model.family == family
    for field, value in settings.items():
        found: Any = spec
        for part in field.split("."):
            found = getattr(found, part)
        assert found == value
    assert spec.reasons


def test_a_file_that_names_the_recipe_is_read_in_the_same_way(
    large_data: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(
        f"preset: adaptive\nname: n\ndata: {large_data}\nout: {tmp_path / 'run'}\n"
        "model: {width: 24}\n"
    )
    spec = resolve(str(path), None, {})
    assert (spec.model.family, spec.model.width) == ("vae", 24)


def test_a_part_of_the_adversary_keeps_the_rest_of_the_recipe(
    large_data: str, tmp_path: Path
) -> None:
    values = {"name": "n", "data": large_data, "out": str(tmp_path), "model.adversary.start": 0.25}
    spec = resolve(None, None, values)
    assert spec.model.family == "vae"
    assert spec.model.adversary is not None
    assert spec.model.adversary.start == 0.25
    assert spec.model.adversary.penalty == "finite_difference"


def test_fields_of_two_families_are_refused_in_one_line(large_data: str, tmp_path: Path) -> None:
    values = {"name": "n", "data": large_data, "out": str(tmp_path)}
    with pytest.raises(SpecError) as caught:
        resolve(None, None, values | {"model.r1_gamma": 1, "model.beta": 2})
    assert "\n" not in str(caught.value)
    assert "r1_gamma" in str(caught.value)
