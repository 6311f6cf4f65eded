"""Which spec `aigc train` makes of a preset, a file and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc.commands.train import _shown, resolve
from aigc.errors import SpecError
from aigc.families.gan import GanModel
from aigc.families.vae import VaeModel
from aigc.modalities.image.spec import PrepareImages
from tests.models_for_tests import settings


@pytest.fixture(scope="module")
def large_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared data set of 24 noisy colour pictures at 40 x 40, in two classes."""
    from aigc.distributed.prepare import run

    folder = tmp_path_factory.mktemp("large")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        path = folder / "raw" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    run(PrepareImages(source=str(folder / "raw"), out=str(folder / "data"), size=40, channels=3))
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
    assert (spec.model.family, settings(spec).width) == ("vae", 24)


def test_a_part_of_the_adversary_keeps_the_rest_of_the_recipe(
    large_data: str, tmp_path: Path
) -> None:
    values = {"name": "n", "data": large_data, "out": str(tmp_path), "model.adversary.start": 0.25}
    spec = resolve(None, None, values)
    assert spec.model.family == "vae"
    assert settings(spec).adversary is not None
    assert settings(spec).adversary.start == 0.25
    assert settings(spec).adversary.penalty == "finite_difference"


def test_fields_of_two_families_are_refused_in_one_line(large_data: str, tmp_path: Path) -> None:
    values = {"name": "n", "data": large_data, "out": str(tmp_path)}
    with pytest.raises(SpecError) as caught:
        resolve(None, None, values | {"model.r1_gamma": 1, "model.beta": 2})
    assert "\n" not in str(caught.value)
    assert "model.beta: a field of family vae" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"model.adversary": None}, "model.adversary.start"),
        ({"model.width": 8}, "model.width"),
        ({"batch_size": 8}, "batch_size"),
        ({"model.family": "gan", "model.r1_gamma": 1}, "model.r1_gamma"),
    ],
)
def test_a_field_that_is_set_has_no_reason_of_the_recipe(
    large_data: str, tmp_path: Path, settings: dict[str, Any], gone: str
) -> None:
    place = {"name": "n", "data": large_data, "out": str(tmp_path / "run"), "max_seconds": 9}
    family = {key: value for key, value in settings.items() if key == "model.family"}
    assert gone in resolve(None, None, place | family).reasons
    chosen = resolve(None, None, place | settings)
    assert gone not in chosen.reasons
    assert chosen.reasons
    assert all(_shown(chosen, field) for field in chosen.reasons)


def test_a_reason_of_ones_own_may_be_about_anything(large_data: str, tmp_path: Path) -> None:
    place = {"name": "n", "data": large_data, "out": str(tmp_path / "run")}
    spec = resolve(None, None, place | {"reasons": {"colour": "ours", "model.beta.x": "no field"}})
    assert [_shown(spec, field) for field in spec.reasons] == ["", ""]


def test_no_recipe_at_all_is_the_defaults(large_data: str, tmp_path: Path) -> None:
    place = {"name": "n", "data": large_data, "out": str(tmp_path / "run"), "preset": None}
    assert resolve(None, None, place | {"steps": 3}).model == GanModel()
    with pytest.raises(SpecError, match="set steps or max_seconds"):
        resolve(None, None, place)


@pytest.mark.parametrize("settings", [{"model.adversary": {}}, {"model.adversary.start": 0.2}])
def test_an_adversary_is_never_left_out_in_silence(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    place = {"name": "n", "data": "nowhere", "out": str(tmp_path / "run")}
    with pytest.raises(SpecError, match=r"needs networks residual.* model.adversary to null"):
        resolve(None, "vae", place | settings)
    fitting = {"model.networks": "residual", "model.likelihood": "laplace"}
    model = resolve(None, "vae", place | fitting | settings).model
    assert isinstance(model, VaeModel)
    assert model.adversary is not None


@pytest.mark.parametrize(
    ("preset", "settings", "told"),
    [
        ("adaptive", {"model.family": "diffusion"}, "model.family = 'diffusion': .* 'gan', 'vae'"),
        ("vae", {"model.family": "GAN"}, "model.family = 'GAN': .* 'gan', 'vae'"),
        ("adaptive", {"model.family": None}, "model.family = 'None'"),
        ("adaptive-vae", {"model.family": "gan"}, "trains a model of family vae.* adaptive-gan"),
        ("dcgan", {"model.family": "vae"}, "trains a model of family gan.* adaptive-vae"),
        (
            "adaptive",
            {"model.r1_gamma": 1, "model.beta": 2},
            "model.beta: a field of family vae, while the other fields define a model of "
            "family gan",
        ),
        ("adaptive-gan", {"model.beta": 2}, "model.beta: a field of family vae"),
        ("adaptive", {"model.bete": 2}, "unknown field model.bete; the fields of model are"),
        ("adaptive", {"model.adversary.bete": 2}, "unknown field model.adversary.bete"),
    ],
)
def test_a_family_that_does_not_fit_is_named(
    tmp_path: Path, preset: str, settings: dict[str, Any], told: str
) -> None:
    place = {"name": "n", "data": "nowhere", "out": str(tmp_path / "run")}
    with pytest.raises(SpecError, match=told) as caught:
        resolve(None, preset, place | settings)
    assert "\n" not in str(caught.value)
