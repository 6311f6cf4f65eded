from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from aigc.conditions import conditions_of
from aigc.families.networks import PriorSampler, load_sampler
from aigc.families.protocol import Encodes
from aigc.modalities.image import decode, to_network, to_pixels
from aigc.modalities.image.reading import decode_file
from aigc.modalities.image.spec import PrepareImages
from aigc.service import latent_operations
from aigc.service.bodies import Edit, Variation, Walk, WalkEnd
from aigc.service.errors import BadRequestError, OverloadedError
from aigc.service.render_requests import RenderRequest
from aigc.service.service import Service
from aigc.specs.requests import Generation
from aigc.store import ModelStore


def files(service: Service, order: RenderRequest) -> list[bytes]:
    async def made() -> list[bytes]:
        return await service.batcher.enter(order.job).files()

    return asyncio.run(made())


def item(service: Service, label: str, seed: int, index: int, model: str = "tiny") -> bytes:
    asked = Generation(model=model, labels=[label], seed=seed, index=index)
    return files(service, asyncio.run(service.generation(asked)))[0]


def walk(service: Service, **fields: object) -> list[bytes]:
    ends = {"from": WalkEnd(label="one", seed=5, index=2), "to": WalkEnd(label="three", seed=6)}
    asked = Walk.model_validate({"model": "tiny"} | ends | fields)
    return files(service, asyncio.run(service.walk(asked)))


@pytest.mark.parametrize("model", ["tiny", "vae"])
def test_a_walk_begins_and_ends_at_its_items(service: Service, model: str) -> None:
    frames = walk(service, steps=7, model=model)
    assert frames[0] == item(service, "one", 5, 2, model)
    assert frames[-1] == item(service, "three", 6, 0, model)
    assert len(set(frames)) == 7


@pytest.mark.parametrize("model", ["tiny", "vae"])
def test_a_walk_has_no_jumps(service: Service, model: str) -> None:
    frames = walk(service, steps=33, model=model)
    pixels = np.stack([decode(frame, 1).astype(float) for frame in frames])
    steps = np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < np.abs(pixels[-1] - pixels[0]).mean() / 2


def test_a_walk_of_one_item_stands_still(service: Service) -> None:
    same = {"from": WalkEnd(label="one", seed=5), "to": WalkEnd(label="one", seed=5)}
    assert len({decode(frame, 1).tobytes() for frame in walk(service, **same)}) == 1


def vary(service: Service, asked: Variation, data: bytes | None = None) -> list[bytes]:
    async def read() -> bytes:
        return picture() if data is None else data

    return files(service, asyncio.run(service.variations(asked, read)))


def picture(size: tuple[int, int] = (16, 16), kind: str = "PNG", mode: str = "L") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def test_variations_leave_the_picture_as_strength_grows(service: Service) -> None:
    first = decode(vary(service, Edit(model="vae", label="one"))[0], 1).astype(float)
    away = []
    for strength in (0.0, 0.2, 0.9):
        asked = Variation(model="vae", label="one", strength=strength, seed=1, n=4)
        made = [decode(file, 1).astype(float) for file in vary(service, asked)]
        away.append(np.mean([np.abs(one - first).mean() for one in made]))
    assert away[0] == 0
    assert 0 < away[1] < away[2]


def test_without_noise_a_variation_is_what_the_decoder_makes_of_the_encoding(
    service: Service,
) -> None:
    [loaded] = [one for one in service.catalogue.loaded() if one.version.name == "vae"]
    generator = loaded.generator
    assert isinstance(generator, Encodes)
    pixels = decode(picture(), 1).copy()
    sampler = load_sampler(
        loaded.version.config, ModelStore(service.settings.store).load(loaded.version)
    )
    assert isinstance(sampler, PriorSampler)
    asked_for = conditions_of({"label": np.array([1])}, 1)
    mean = generator.encode(to_network(pixels[None]), asked_for)
    expected = to_pixels(sampler.decoder(mean, torch.tensor([1])))[0].astype(float)
    asked = Variation(model="vae", label="one", strength=0.0)
    made = decode(vary(service, asked)[0], 1).astype(float)
    assert np.abs(made - expected).mean() < 1
    assert expected.std() > 10


def test_variations_are_reproducible(service: Service) -> None:
    asked = Variation(model="vae", label="one", seed=3, n=3)
    assert vary(service, asked) == vary(service, asked)
    later = Variation(model="vae", label="one", seed=3, index=2)
    assert vary(service, later)[0] == vary(service, asked)[2]


def test_an_edit_turns_a_picture_into_what_the_prompt_names(service: Service) -> None:
    kept = vary(service, Edit(model="vae", label="one"))
    turned = vary(service, Edit(model="vae", label="one", prompt="a two"))
    assert kept != turned
    assert kept == vary(service, Edit(model="vae", label="one", prompt="clean it"))


def test_any_readable_picture_will_do(service: Service) -> None:
    for data in (picture((40, 30), "JPEG", "RGB"), picture((9, 70), "WEBP"), picture(mode="RGBA")):
        assert len(vary(service, Variation(model="vae"), data)) == 1


def sideways() -> bytes:
    upright = Image.Exif()
    upright[0x0112] = 6
    pixels = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40)
    buffer = io.BytesIO()
    Image.fromarray((pixels // 5).astype(np.uint8)).save(buffer, "JPEG", exif=upright)
    return buffer.getvalue()


def wide() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def clear() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 20), (9, 9, 9, 40)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("data", [sideways(), wide(), clear(), picture((90, 30))])
def test_a_picture_is_made_ready_as_the_training_data_were(
    service: Service, data: bytes, fit: str
) -> None:
    loaded = asyncio.run(service.model("vae"))
    ground = {"fit": fit, "background": "#336699"}
    config = loaded.version.config.model_copy(update=ground)
    fitted = replace(loaded, version=replace(loaded.version, config=config))
    spec = PrepareImages(source="in", out="out", size=16, channels=1, **ground)
    read = latent_operations.read_picture(data, fitted, service.settings)
    assert np.array_equal(read, decode_file(data, spec))


def test_what_is_no_picture_is_refused(service: Service) -> None:
    loaded = service.catalogue.loaded()[-1]
    for data in (b"", b"GIF89a", b"%PDF-1.4", picture()[:60]):
        with pytest.raises(BadRequestError, match="not a readable"):
            latent_operations.read_picture(data, loaded, service.settings)


def test_a_bomb_is_refused_by_its_header(service: Service) -> None:
    buffer = io.BytesIO()
    Image.new("1", (5_000, 5_000)).save(buffer, "PNG")
    with pytest.raises(BadRequestError, match="too large"):
        vary(service, Variation(model="vae"), buffer.getvalue())


def test_few_pictures_wait_to_be_read(service: Service) -> None:
    async def crowd() -> list[object]:
        freed = asyncio.Event()

        async def read() -> bytes:
            await freed.wait()
            return picture()

        asked = Variation(model="vae", label="one")
        waiting = [asyncio.create_task(service.variations(asked, read)) for _ in range(30)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused = [task.exception() for task in waiting if task.done()]
        freed.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        await service.variations(asked, read)
        return list(refused)

    refused = asyncio.run(crowd())
    assert len(refused) == 20
    assert all(isinstance(error, OverloadedError) for error in refused)


def test_what_starts_from_points_counts_as_what_it_costs(service: Service) -> None:
    asked = Variation(model="vae", n=3)
    [loaded] = [one for one in service.catalogue.loaded() if one.version.name == "vae"]
    order = latent_operations.variations(loaded, asked, service.settings, 0)
    assert order.job.weight > 3 + 16
    kind = order.job.kind
    for _ in range(50):
        loaded.note_extra(kind, weight=3, took_s=203 * loaded.seconds_per_item)
    assert latent_operations.variations(loaded, asked, service.settings, 0).job.weight == 203
    vary(service, asked)
    assert loaded.extra(kind) != 200
    assert service.batcher.stats.queued == 0


def test_a_gan_says_why_not(service: Service) -> None:
    with pytest.raises(BadRequestError, match="cannot read pictures") as caught:
        vary(service, Variation(model="tiny"))
    assert caught.value.param == "model"
