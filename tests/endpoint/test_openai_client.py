"""The unmodified `openai` client, sync and async, for each call."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator

import httpx
import openai
import pytest

from aigc.modalities.image import decode
from aigc.service.settings import ServiceSettings

Client = openai.OpenAI
LIMITS = ("max_n", "max_side", "max_pixels", "max_steps")

pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
"""Of `create_variation`, in the client."""


@pytest.fixture(scope="module")
def sync(client: httpx.Client) -> Iterator[Client]:
    with openai.OpenAI(api_key="unused", base_url=f"{client.base_url}/v1", max_retries=0) as made:
        yield made


@pytest.fixture
def picture(client: httpx.Client) -> bytes:
    return client.get("/v1/images/vae@v1/one/5/0.png").content


def aio(client: httpx.Client) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="unused", base_url=f"{client.base_url}/v1", max_retries=0)


def test_generate(sync: Client, client: httpx.Client) -> None:
    made = sync.images.generate(model="tiny", prompt="a two", n=3, extra_body={"seed": 5})
    assert made.data is not None
    assert [image.revised_prompt for image in made.data] == ["two"] * 3
    for at, image in enumerate(made.data):
        assert image.b64_json is not None
        expected = client.get(f"/v1/images/tiny@v1/two/5/{at}.png").content
        assert base64.b64decode(image.b64_json) == expected


def test_generate_addresses(sync: Client) -> None:
    made = sync.images.generate(
        model="tiny", prompt="one", n=2, response_format="url", output_format="webp",
        output_compression=50, size="32x32",
    )  # fmt: skip
    assert made.data is not None
    for image in made.data:
        assert image.url is not None
        assert decode(httpx.get(image.url).content, 1).shape == (32, 32, 1)


def test_generate_streamed(sync: Client) -> None:
    stream = sync.images.generate(
        model="tiny", prompt="one and two", n=5, stream=True, extra_body={"seed": 1}
    )
    events = list(stream)
    assert [event.type for event in events] == ["image_generation.completed"] * 5
    plain = sync.images.generate(model="tiny", prompt="one and two", n=5, extra_body={"seed": 1})
    assert plain.data is not None
    assert [event.b64_json for event in events] == [image.b64_json for image in plain.data]


def test_variation_and_edit(sync: Client, picture: bytes) -> None:
    varied = sync.images.create_variation(image=picture, model="vae", n=2)
    edited = sync.images.edit(image=[("a.png", picture)], prompt="a three", model="vae")
    assert varied.data is not None
    assert edited.data is not None
    files = [base64.b64decode(each.b64_json or "") for each in (*varied.data, *edited.data)]
    assert len(set(files)) == 3
    assert {decode(file, 1).shape for file in files} == {(16, 16, 1)}
    assert edited.data[0].revised_prompt == "three"


def test_edit_streamed(sync: Client, picture: bytes) -> None:
    stream = sync.images.edit(image=picture, prompt="clean", model="vae", n=2, stream=True)
    assert [event.type for event in stream] == ["image_edit.completed"] * 2


def test_models(sync: Client) -> None:
    assert {model.id for model in sync.models.list()} == {"plain", "tiny", "vae"}
    one = sync.models.retrieve("tiny").model_dump()
    assert one["labels"] == ["zero", "one", "two", "three"]
    assert (one["width"], one["height"], one["can"]) == (16, 16, ["generate", "walk"])
    settings = ServiceSettings()
    assert one["limits"] == {name: getattr(settings, name) for name in LIMITS}
    assert one["version"] == "tiny@v1"
    assert one["card"].startswith("---")
    assert one["health"] == "unknown"
    assert sync.models.retrieve("tiny@v1").id == "tiny@v1"


def test_errors(sync: Client, picture: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        sync.images.generate(model="tiny", prompt="a boat")
    assert bad.value.code == "unknown_label"
    assert bad.value.param == "prompt"
    assert "zero, one, two, three" in bad.value.message
    with pytest.raises(openai.NotFoundError) as missing:
        sync.images.generate(model="tinny", prompt="one")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="cannot read pictures"):
        sync.images.create_variation(image=picture, model="tiny")


def test_async(client: httpx.Client, picture: bytes) -> None:
    async def calls() -> None:
        async with aio(client) as own:
            made, varied, edited, listed, one = await asyncio.gather(
                own.images.generate(model="tiny", prompt="two", n=2),
                own.images.create_variation(image=picture, model="vae"),
                own.images.edit(image=picture, prompt="one", model="vae"),
                own.models.list(),
                own.models.retrieve("vae"),
            )
            assert [len(each.data or []) for each in (made, varied, edited)] == [2, 1, 1]
            assert len(listed.data) == 3
            assert one.id == "vae"
            stream = await own.images.generate(model="tiny", prompt="two", n=3, stream=True)
            assert len([event async for event in stream]) == 3

    asyncio.run(calls())
