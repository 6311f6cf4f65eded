from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from aigc.job.keys import SampleKeys
from aigc.service import known_facts, render_requests, request_conditions
from aigc.service.bodies import Edit, parse_form, parse_json
from aigc.service.errors import BadRequestError, NotFoundError
from aigc.service.render_requests import RenderRequest
from aigc.service.service import Service
from aigc.specs.requests import Generation


def ordered(service: Service, model: str = "tiny", **fields: Any) -> RenderRequest:
    asked = Generation(model=model, **fields)
    return asyncio.run(service.generation(asked))


def test_a_prompt_names_labels(service: Service) -> None:
    assert ordered(service, prompt="ONE", n=2).labels == ["one", "one"]
    assert ordered(service, prompt="Twos and a zero", n=3).labels == ["two", "zero", "two"]
    assert set(ordered(service, n=4).labels) == {"zero", "one", "two", "three"}
    assert ordered(service, labels={"one": 3, "two": 1}, n=4).labels.count("one") == 3


def test_shares_are_the_decimals_they_are_written_as(service: Service) -> None:
    shares = {"zero": 0.1234, "one": 0.3456, "two": 0.2345, "three": 0.2965}
    whole = {name: round(share * 10_000) for name, share in shares.items()}
    assert (
        ordered(service, labels=shares, n=64).labels == ordered(service, labels=whole, n=64).labels
    )


def test_the_index_continues_the_pattern(service: Service) -> None:
    whole = ordered(service, n=9, seed=4).labels
    assert ordered(service, n=4, seed=4, index=5).labels == whole[5:]
    source = ordered(service, n=4, seed=4, index=5).job.source
    assert isinstance(source, SampleKeys)
    assert source.counters.tolist() == [5, 6, 7, 8]


def test_labels_win_over_the_prompt(service: Service) -> None:
    assert ordered(service, prompt="one", labels=["two"]).labels == ["two"]


def test_a_model_without_labels_takes_any_prompt(service: Service) -> None:
    assert ordered(service, "plain", prompt="a boat").labels == [None]
    with pytest.raises(BadRequestError, match="has none"):
        ordered(service, "plain", labels=["boat"])


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"prompt": "a boat"}, "prompt", "zero, one, two, three"),
        ({"labels": ["boat"]}, "labels", "zero, one, two, three"),
        ({"n": 65}, "n", "at most 64"),
        ({"size": "3000x10"}, "size", "at most 2048x2048"),
        ({"n": 17, "size": "1024x1024"}, "n", "at most 16 of 1024x1024"),
        ({"labels": {"one": 99_999, "two": 1}}, "labels", "too uneven.*at most 25,000 can be"),
        ({"labels": {"one": 1e-9, "two": 1}}, "labels", "too uneven"),
    ],
)
def test_what_cannot_be_is_told(
    service: Service, fields: dict[str, Any], param: str, told: str
) -> None:
    with pytest.raises(BadRequestError, match=told) as caught:
        ordered(service, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"n": "3"}', "n"),
        (b'{"n": 0}', "n"),
        (b'{"seed": 9223372036854775808}', "seed"),
        (b'{"index": -1}', "index"),
        (b'{"size": "big"}', "size"),
        (b'{"truncation": 0}', "truncation"),
        (b'{"output_format": "raw"}', "output_format"),
        (b'{"labels": []}', "labels"),
        (b'{"colour": "red"}', "colour"),
        (b"[1]", None),
        (b'{"n": 1', None),
        (b"\xff\xfe", None),
    ],
)
def test_a_wrong_field_is_named(body: bytes, param: str | None) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_json(Generation, body)
    assert caught.value.param == param


def test_forms_are_text() -> None:
    asked = parse_form(Edit, {"n": "3", "strength": "0.25", "stream": "true"})
    assert (asked.n, asked.strength, asked.stream) == (3, 0.25, True)


def test_an_unknown_model_lists_those_there_are(service: Service) -> None:
    with pytest.raises(NotFoundError, match="plain, tiny, vae"):
        ordered(service, "tinny")
    with pytest.raises(NotFoundError, match="tiny@v9"):
        ordered(service, "tiny@v9")
    with pytest.raises(BadRequestError, match="name one of"):
        asyncio.run(service.generation(Generation()))


def test_seeds_that_are_drawn_are_new_unless_repeated(service: Service) -> None:
    assert len({ordered(service).seed for _ in range(5)}) == 5
    asked = Generation(model="tiny")
    again = [asyncio.run(service.generation(asked, b"a key")).seed for _ in range(2)]
    assert again[0] == again[1] < 2**53


def test_addresses_say_only_what_differs(service: Service) -> None:
    plain = ordered(service, prompt="two", seed=7, n=2)
    assert render_requests.address(plain, 1) == "/v1/images/tiny@v1/two/7/1.png"
    other = ordered(
        service, prompt="two", seed=7, truncation=0.5, size="32x16", output_format="jpeg",
        output_compression=80,
    )  # fmt: skip
    assert render_requests.address(other, 0) == (
        "/v1/images/tiny@v1/two/7/0.jpg?truncation=0.5&size=32x16&quality=80"
    )
    assert (
        render_requests.address(ordered(service, "plain", seed=1), 0)
        == "/v1/images/plain@v1/_/1/0.png"
    )


def test_patterns_take_bounded_memory(service: Service) -> None:
    facts = known_facts.facts_of(asyncio.run(service.model("tiny")).version.config)
    found = request_conditions.pattern("label", facts, (("one", 0.999), ("two", 0.001)), None)
    longest = request_conditions._LONGEST_PATTERN // 2 * found.itemsize
    most = request_conditions.pattern.cache_info().maxsize
    assert most is not None
    assert most * longest < 64 * 2**20


def test_patterns_are_not_mixed_up(service: Service) -> None:
    """Lists and shares of the same names are different wishes."""
    even = Counter(ordered(service, labels=["one", "two"], n=8).labels)
    uneven = Counter(ordered(service, labels={"one": 1, "two": 3}, n=8).labels)
    assert (even["two"], uneven["two"]) == (4, 6)
    assert isinstance(ordered(service, n=1).job.source, SampleKeys)
    assert ordered(service, n=1).job.source.sampling == {}
