"""Signed addresses: good for one picture, one key, a while."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from aigc.service import keys, signing
from aigc.service.errors import KeyRefusedError
from aigc.service.keys import Key, KeyRing

ADDRESS = "/v1/images/shop@v1/T-shirt%2Ftop%20%C3%A9/7/42.jpg?truncation=0.7&size=20x20"
NOW, LATER = 1_000_000.0, 1_003_600


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "keys.jsonl")


@pytest.fixture
def key(file: str) -> Key:
    return keys.create(file, ["generate"])[1]


def check(ring: KeyRing, address: str, now: float = NOW) -> Key:
    path, _, query = address.partition("?")
    return signing.check(ring, unquote(path), query.encode(), now)


def test_a_signed_address_opens_for_its_key(file: str, key: Key) -> None:
    signed = signing.sign(ADDRESS, key, LATER)
    assert check(KeyRing(file), signed) == key
    assert signing.is_signed(signed.encode()) and not signing.is_signed(ADDRESS.encode())
    bare = signing.sign(ADDRESS.partition("?")[0], key, LATER)
    assert check(KeyRing(file), bare) == key
    assert key.hash not in signed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/42.jpg", "/43.jpg"),
        ("/7/", "/8/"),
        ("shop@v1", "shop@v2"),
        ("T-shirt", "Coat"),
        ("truncation=0.7", "truncation=0.8"),
        ("truncation=0.7&", ""),
        ("size=20x20", "size=900x900"),
        ("expires=1003600", "expires=9003600"),
        ("expires=1003600", "expires=never"),
        ("expires=1003600&", ""),
        ("&signature=", "&quality=1&signature="),
        ("&signature=", "&expires=9003600&signature="),
        ("signature=", "signature=0"),
        ("signature=", "signed="),
        ("key=", "key=x"),
    ],
)
def test_whoever_changes_it_breaks_it(file: str, key: Key, old: str, new: str) -> None:
    signed = signing.sign(ADDRESS, key, LATER)
    assert old in signed
    with pytest.raises(KeyRefusedError) as caught:
        check(KeyRing(file), signed.replace(old, new, 1))
    assert caught.value.code == "invalid_signature"


def test_it_expires(file: str, key: Key) -> None:
    signed = signing.sign(ADDRESS, key, LATER)
    check(KeyRing(file), signed, LATER - 0.5)
    with pytest.raises(KeyRefusedError, match="expired"):
        check(KeyRing(file), signed, LATER)


def test_it_goes_with_its_key(file: str, key: Key) -> None:
    signed, ring = signing.sign(ADDRESS, key, LATER), KeyRing(file)
    keys.revoke(file, key.id)
    ring.refresh()
    with pytest.raises(KeyRefusedError, match="signature"):
        check(ring, signed)


def test_another_key_or_another_scope_is_none(file: str, key: Key) -> None:
    _, other = keys.create(file, ["batch", "admin"])
    ring = KeyRing(file)
    with pytest.raises(KeyRefusedError):
        check(ring, signing.sign(ADDRESS, other, LATER))
    swapped = signing.sign(ADDRESS, key, LATER).replace(key.id, other.id)
    with pytest.raises(KeyRefusedError):
        check(ring, swapped)
