"""The model store: immutable, numbered versions of a model and aliases that move between them.

    <store>/models/<name>/v3/claim.json          reserves the number; a number is never used twice
                             config.json         all that is needed to run the weights
                             model.safetensors   the weights (model.onnx: an imported graph)
                             samples.png  README.md  metrics.json
                             version.json        written last: until it exists nobody sees v3
    <store>/models/<name>/_aliases/production/000007.json    the alias's seventh move

Whatever must be decided among racing writers is one `storage.create`, so the same code holds on a
disk and on any S3 with If-None-Match. The digest of a model is the sha256 of its config.json
followed by its weights: `cat config.json model.safetensors | sha256sum`.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from aigc import storage
from aigc.audit import open_log
from aigc.errors import StoreError, listed
from aigc.families.config import ModelConfig
from aigc.store import weights
from aigc.store.aliases import (
    AliasMove,
    alias_history,
    last_move,
    move_at,
    newest_moves,
    promote_alias,
    rollback_alias,
)
from aigc.store.card import model_card
from aigc.store.version import (
    CARD,
    CLAIM,
    CONFIG,
    MARKER,
    METRICS,
    SAMPLES,
    Health,
    ModelVersion,
    checksums,
    marker_bytes,
    pretty,
    read_version,
)
from aigc.store.writing import reserve, write_all
from aigc.types import Json

if TYPE_CHECKING:
    from torch import Tensor

LATEST = "latest"
"""The alias nobody sets: the newest published version."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_VERSION = re.compile(r"v[1-9][0-9]*")


def named_store() -> str | None:
    """AIGC_STORE without blanks and line ends around it; None where it is not set."""
    return os.environ.get("AIGC_STORE", "").strip() or None


class ModelStore:
    """The store at `uri`; by default AIGC_STORE, else ./aigc-store."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = storage.absolute(uri or named_store() or "./aigc-store")
        self._models = storage.join(self.uri, "models")

    def publish(
        self,
        name: str,
        config: ModelConfig,
        tensors: dict[str, Tensor],
        *,
        metrics: Json | None = None,
        samples_png: bytes | None = None,
        card: str | None = None,
        health: Health = "unknown",
        beside: Mapping[str, bytes] | None = None,
    ) -> ModelVersion:
        """Store a new version of `name`; it becomes visible whole, as the last act.

        Args:
            tensors: The weights by name (`sampler.*`, `encoder.*`), any dtype, on any device.
            metrics: Figures known by now; evaluation may replace them later.
            card: Markdown about data and recipe. The store puts identity, figures, intended use
                and limits around it, because it alone knows the version and the digest.
            health: How training judged it; stands in the version's marker for ever.
            beside: Further files by name that never change, such as `attribution.csv`.

        Raises:
            StoreError: `name` is no model name.
            StorageError, AuditError: the store or the audit log cannot be written; what was
                written is removed again.
        """
        self.require_name(name)
        settings, held = pretty(config.model_dump(mode="json")), weights.to_files(tensors)
        digest = weights.digest(settings, held)
        version = self._claim(name)
        text = model_card(
            name, version, digest, config, metrics, about=card, has_samples=samples_png is not None
        )
        files = {**(beside or {}), CONFIG: settings, **held, CARD: text.encode()}
        if samples_png is not None:
            files[SAMPLES] = samples_png
        uri = storage.join(self._models, name, version)
        published = ModelVersion(
            name, version, uri, digest, config, time.time(), checksums(files), health
        )
        extras = {} if metrics is None else {METRICS: pretty(metrics)}
        about = {"model": published.ref, "digest": digest, "data_digest": config.data_digest}
        released = functools.partial(open_log().record, "model.published", uri=uri, **about)
        write_all(uri, files | extras, marker_bytes(published), released)
        return published

    def require_name(self, name: str) -> None:
        """Raises StoreError when `name` is no model name."""
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"model name {name!r}: use 1 to 63 of a-z, 0-9, '.', '_' and '-', "
                "the first a letter or digit"
            )

    def resolve(self, ref: str) -> ModelVersion:
        """The version `ref` stands for: NAME, NAME@VERSION, NAME@ALIAS or a model folder's URI.

        A bare NAME means NAME@latest. A reference with a slash is a folder or s3:// URI.

        Raises:
            StoreError: nothing is there; the message lists what is.
        """
        if "/" in ref or ref.startswith((".", "~")):
            return read_version(storage.absolute(ref))
        return self.named(ref)

    def named(self, ref: str) -> ModelVersion:
        """As `resolve`, of this store's own models only: what a stranger may say."""
        name, _, wanted = ref.partition("@")
        version = self._version(name, wanted)
        if version is not None:
            return read_version(storage.join(self._models, name, version))
        versions = self._published(name)
        if not versions:
            raise StoreError(_missing(f"model {name!r} in {self.uri}", name, self.names()))
        known = [*self.aliases(name), LATEST, *reversed(versions)]
        raise StoreError(_missing(f"version or alias {wanted!r} of {name}", wanted, known))

    def load(self, version: ModelVersion) -> dict[str, Tensor]:
        """The weights by name, on the CPU, checked against the digest.

        Raises:
            StoreError: a file is missing, truncated or changed since it was published.
        """
        settings, held = version.read(CONFIG), weights.read(version.files, version.read)
        if weights.digest(settings, held) != version.digest:
            raise StoreError(f"{version.uri}: damaged, the weights do not match the digest")
        return weights.from_files(held, version.uri)

    def names(self, but: Collection[str] = ()) -> list[str]:
        """Every model with at least one published version, sorted; those in `but` left out."""
        folders = storage.folders(self._models)
        return [name for name in folders if name not in but and self.latest(name) is not None]

    def latest(self, name: str, known: Collection[str] = ()) -> str | None:
        """The newest published version of `name`; those `known` to be published are not asked."""
        if not _NAME.fullmatch(name):
            return None
        there = filter(_VERSION.fullmatch, storage.folders(storage.join(self._models, name)))
        newest_first = sorted(there, key=lambda version: -int(version[1:]))
        return next((v for v in newest_first if v in known or self._has(name, v)), None)

    def versions(self, name: str) -> list[ModelVersion]:
        """The published versions of `name`, oldest first; empty when there are none."""
        folder = storage.join(self._models, name)
        return [read_version(storage.join(folder, version)) for version in self._published(name)]

    def promote(self, name: str, version: str, alias: str = "production") -> ModelVersion:
        """Let `alias` stand for `version` (which may itself be an alias) from now on.

        Raises:
            StoreError: no such model or version, or `alias` is reserved.
        """
        _require_alias(alias)
        target = self.resolve(f"{name}@{version}")
        open_log().record("model.promoted", model=target.ref, alias=alias, store=self.uri)
        promote_alias(self._alias(name, alias), target.version)
        return target

    def rollback(self, name: str, alias: str = "production") -> ModelVersion:
        """Let `alias` stand for what it stood for before its last promotion.

        Repeated calls walk further back, they do not swap the last two.

        Raises:
            StoreError: the alias was never promoted twice.
        """
        open_log().record("model.rolled_back", model=name, alias=alias, store=self.uri)
        version = rollback_alias(self._alias(name, alias), f"{name}@{alias}")
        return self.resolve(f"{name}@{version}")

    def history(self, name: str, alias: str = "production") -> list[AliasMove]:
        """Every move of `alias`, oldest first; empty when it was never set."""
        return alias_history(self._alias(name, alias))

    def aliases(self, name: str) -> dict[str, str]:
        """The version each alias of `name` stands for, `latest` left out."""
        moves = newest_moves(self.aliases_uri(name)).items()
        return {alias: move_at(uri).version for alias, uri in moves}

    def aliases_uri(self, name: str) -> str:
        """The folder of folders that hold the moves of each alias."""
        return storage.join(self._models, name, "_aliases")

    def write_extra(self, version: ModelVersion, filename: str, data: bytes) -> None:
        """Add or replace a file beside the model, such as metrics.json or report.png.

        Raises:
            StoreError: `filename` is one of the version's immutable files.
        """
        if filename in {*version.files, MARKER, CLAIM} or "/" in filename:
            raise StoreError(f"{filename}: a published version's own files never change")
        storage.write_bytes(storage.join(version.uri, filename), data)

    def read_extra(self, version: ModelVersion, filename: str) -> bytes | None:
        """A file beside the model; None when it is not there."""
        return storage.read_if_there(storage.join(version.uri, filename))

    def _claim(self, name: str) -> str:
        folder = storage.join(self._models, name)
        taken = [int(v[1:]) for v in storage.folders(folder) if _VERSION.fullmatch(v)]
        numbers = itertools.count(max(taken, default=0) + 1)
        return next(f"v{number}" for number in numbers if reserve(f"{folder}/v{number}"))

    def _published(self, name: str) -> list[str]:
        if not _NAME.fullmatch(name):
            return []
        keys = (e.key.split("/") for e in storage.listing(storage.join(self._models, name)))
        found = {parts[0] for parts in keys if parts[1:] == [MARKER]}
        return sorted((v for v in found if _VERSION.fullmatch(v)), key=lambda v: int(v[1:]))

    def _version(self, name: str, wanted: str) -> str | None:
        """What `wanted` of `name` stands for; None when there is no such version or alias."""
        if wanted in ("", LATEST):
            return self.latest(name)
        if not (_NAME.fullmatch(name) and _NAME.fullmatch(wanted)):
            return None
        if _VERSION.fullmatch(wanted):
            return wanted if self._has(name, wanted) else None
        last = last_move(self._alias(name, wanted))
        return last[1].version if last else None

    def _has(self, name: str, version: str) -> bool:
        return storage.exists(storage.join(self._models, name, version, MARKER))

    def _alias(self, name: str, alias: str) -> str:
        return storage.join(self.aliases_uri(name), alias)


def _require_alias(alias: str) -> None:
    if alias == LATEST or _VERSION.fullmatch(alias) or not _NAME.fullmatch(alias):
        raise StoreError(
            f"alias {alias!r}: choose a name such as production or staging; latest and v1, v2, … "
            "are the store's own"
        )


def _missing(what: str, wanted: str, known: Iterable[str]) -> str:
    known = list(dict.fromkeys(known))
    if not known:
        return f"there is no {what}: nothing was published there yet"
    close = get_close_matches(wanted, known, n=5, cutoff=0.5)
    nearest = [*close, *(name for name in known if name not in close)]
    return f"there is no {what}; there is: {listed(nearest)}"
