"""The models a service offers: which version each name stands for, and which are in memory.

A name is watched in the store, and so is every alias that a request named. When it moved, the new
version is loaded beside the old one and checked; only then does the name stand for it. A version
that fails stays out, and `failures` says why. Whoever renders holds the version it renders with, so
the old one goes when nobody does. A name of which nothing is fit is offered as unfit, for the
others shall be served.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time

from aigc.errors import StorageError, StoreError, listed
from aigc.service.errors import NotFoundError, UnhealthyModelError
from aigc.service.loaded_model import LoadedModel, load
from aigc.service.render_process import RenderProcess
from aigc.service.served_models import MissingModels, ModelFailure, ServedModel, before, failed
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore, ModelVersion
from aigc.store.standing import StoreWatch
from aigc.types import Notice, no_notice


class Catalogue:
    """Reads are for any thread; loading happens in worker threads, one model at a time."""

    def __init__(self, settings: ServiceSettings, notice: Notice = no_notice) -> None:
        self._settings, self._notice = settings, notice
        self._process: RenderProcess | None = None
        self.store = ModelStore(settings.store)
        self._names = StoreWatch(self.store)
        self._offers: dict[str, ServedModel] = {}
        self._aliased: dict[str, ServedModel] = {}
        """Other references that move and were asked for: `name@alias`."""
        self._refs: dict[str, ModelVersion] = {}
        """Those that do not: `name@version`."""
        self._loaded: dict[str, LoadedModel] = {}
        self._missing = MissingModels()
        self._failures: dict[str, ModelFailure] = {}
        self._unread: dict[str, ModelFailure] = {}
        """Names in the store of which it cannot even be read what they stand for."""
        self._loading = threading.RLock()
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None

    def start(self, process: RenderProcess | None = None) -> None:
        """Load what is offered, as far as memory allows, and begin to watch.

        Models are rendered in `process`, too.

        Raises:
            StoreError, StorageError: a model that was named is missing, or none is fit.
        """
        self._process = process
        for asked in self._settings.models:
            version = self.store.named(asked)
            if version.name in self._offers:
                raise StoreError(f"{asked}: {version.name} is named more than once; name each once")
            self._offers[version.name] = self._first_offer(asked, version)
        if not self._settings.models:
            self._offer_new()
        self._require_one()
        self._watch = threading.Thread(target=self._watch_store, name="watch", daemon=True)
        self._watch.start()

    def close(self) -> None:
        self._ended.set()
        if self._watch is not None:
            self._watch.join()

    def offers(self) -> list[ServedModel]:
        return [self._told(offer) for offer in list(self._offers.values())]

    def offer(self, name: str) -> ServedModel | None:
        offer = self._offers.get(name)
        return offer and self._told(offer)

    def loaded(self) -> list[LoadedModel]:
        return list(self._loaded.values())

    def failures(self) -> list[ModelFailure]:
        """Of the versions that the store would have here, each once."""
        offers = (*self._offers.values(), *self._aliased.values())
        found = (*(self._told(offer).failure for offer in offers), *self._unread.values())
        return list({failure.ref: failure for failure in found if failure is not None}.values())

    async def get(self, ref: str) -> LoadedModel:
        """The model that `ref` (name, name@version, name@alias) stands for, loaded if need be.

        Raises:
            NotFoundError: it is not offered, or the store has no such version.
            UnfitError: it cannot be used.
        """
        offer = self._standing(ref)
        version = offer.version if offer else self._refs.get(ref)
        found = None if version is None else self._loaded.get(version.ref)
        if found is None:
            found = await asyncio.to_thread(self._fetch, ref)
        found.used_at = time.monotonic()
        return found

    def refresh(self) -> None:
        """Ask the store once what the names stand for. Called every few seconds."""
        for name, offer in list(self._offers.items()):
            try:
                self._follow(name, offer)
            except Exception as error:  # the others shall be followed, and this be told
                found = dataclasses.replace(self._offers[name], failure=failed(name, error))
                self._offers[name] = found
                self._notice(f"{name}: the store cannot be read: {error or repr(error)}")
        self._refs = {ref: known for ref, known in self._refs.items() if ref in self._loaded}
        known = {failure.ref for failure in self.failures()}
        for failure in list(self._failures.values()):
            if failure.ref not in known and not failure.left_s:
                self._failures.pop(failure.ref, None)
        if not self._settings.models:
            self._offer_new()

    def _first_offer(self, asked: str, wanted: ModelVersion) -> ServedModel:
        offer = ServedModel(wanted.name, asked, wanted, self._names.look(wanted.name).aliases)
        return self._fit(offer) if self._fits() else offer

    def _fit(self, offer: ServedModel) -> ServedModel:
        """A start while a bad version is promoted takes the one before, as those running did."""
        asked, wanted = offer.asked, offer.version
        if self._is_fit(wanted):
            return offer
        failure = self._failures[wanted.ref]
        for version in before(self.store, asked, wanted):
            if self._is_fit(version):
                self._notice(f"{asked}: {wanted.ref} is unhealthy, {version.ref} is served instead")
                return dataclasses.replace(offer, version=version, failure=failure)
        self._notice(f"{asked}: {failure.error()}")
        return offer

    def _told(self, offer: ServedModel) -> ServedModel:
        """With what is wrong with the version itself, which may be known since it was asked for."""
        failure = self._failures.get(offer.version.ref)
        return dataclasses.replace(offer, failure=failure) if failure else offer

    def _require_one(self) -> None:
        """Raises StoreError where nothing could be made of anything."""
        if any(not offer.unhealthy for offer in self.offers()):
            return
        reasons = [str(failure.error()) for failure in self.failures()]
        none = f"there are no models in {self.store.uri}; aigc train publishes one"
        raise StoreError("; ".join(reasons) or none)

    def _follow(self, name: str, offer: ServedModel) -> None:
        standing = self._names.look(name)
        version, known = self._names.version(standing, offer.asked), standing.aliases
        self._offers[name] = self._moved(dataclasses.replace(offer, aliases=known), version)
        for ref, other in list(self._aliased.items()):
            if other.name == name:
                self._follow_alias(ref, other, known.get(ref.partition("@")[2]))
        self._drop_unused()

    def _follow_alias(self, ref: str, offer: ServedModel, wanted: str | None) -> None:
        """To version `wanted`; None when the alias is no more."""
        if wanted is None:
            self._aliased.pop(ref, None)
            return
        try:
            stays = wanted == offer.version.version
            version = offer.version if stays else self.store.named(f"{offer.name}@{wanted}")
            self._aliased[ref] = self._moved(offer, version)
        except Exception as error:
            self._aliased[ref] = dataclasses.replace(offer, failure=failed(ref, error))

    def _moved(self, offer: ServedModel, version: ModelVersion) -> ServedModel:
        """To what the store would have now, unless that is unfit and what stands is not."""
        failure, standing = None, offer.version
        moved = version.ref != standing.ref
        if moved or version.ref in self._failures:
            if self._is_fit(version):
                self._notice(f"{offer.asked} is now {version.ref}")
            elif moved and standing.ref not in self._failures:
                failure, version = self._failures.get(version.ref), standing
                if failure and offer.failure != failure:
                    self._notice(f"{offer.asked} remains {standing.ref}: {failure.error()}")
        return dataclasses.replace(offer, version=version, failure=failure)

    def _offer_new(self) -> None:
        unread = {}
        for name in self._names.new_names(self._offers):
            try:
                self._offers[name] = self._first_offer(name, self.store.named(name))
            except Exception as error:
                unread[name] = failed(name, error)
                if name not in self._unread:
                    self._notice(f"{name}: {error}")
        self._unread = unread

    def _fetch(self, ref: str) -> LoadedModel:
        name = ref.partition("@")[0]
        offer = self._offers.get(name)
        if offer is None:
            if name in self._unread:
                raise self._unread[name].error()
            raise NotFoundError(
                f"model {ref[:80]!r} is not served here; available: {listed(self._offers)}",
                param="model",
                code="model_not_found",
            )
        standing = self._standing(ref)
        return self._load(standing.version if standing else self._resolve(ref, offer))

    def _standing(self, ref: str) -> ServedModel | None:
        offer = self._offers.get(ref.partition("@")[0])
        return offer if offer and ref in (offer.name, offer.asked) else self._aliased.get(ref)

    def _resolve(self, ref: str, offer: ServedModel) -> ModelVersion:
        """What `ref` stands for, which is not what is offered and was not asked for before."""
        if ref not in self._missing:
            try:
                version = self.store.named(ref)
            except StoreError:
                self._missing.add(ref)
            else:
                if ref == version.ref:
                    self._refs[ref] = version
                    return version
                found = dataclasses.replace(offer, asked=ref, version=version, failure=None)
                self._aliased[ref] = found = self._fit(found)
                return found.version
        raise NotFoundError(
            f"model {ref[:80]!r} does not exist; GET /v1/models lists the available ones",
            param="model",
            code="model_not_found",
        )

    def _load(self, version: ModelVersion) -> LoadedModel:
        """From memory or the store; of several callers one loads. Raises UnfitError."""
        with self._loading:
            if version.ref in self._loaded:
                return self._loaded[version.ref]
            failure = self._failures.get(version.ref)
            if failure is None or not failure.left_s:
                failure = self._try(version)
            if failure is not None:
                raise failure.error()
            return self._loaded[version.ref]

    def _is_fit(self, version: ModelVersion) -> bool:
        try:
            self._load(version)
        except UnhealthyModelError:
            return False
        return True

    def _try(self, version: ModelVersion) -> ModelFailure | None:
        try:
            loaded = load(self.store, version, self._settings, self._process)
        except StorageError:
            raise
        except Exception as error:  # whatever a damaged model breaks, others are served
            self._failures[version.ref] = failure = failed(version.ref, error)
            return failure
        self._failures.pop(version.ref, None)
        self._make_room(loaded.size_bytes)
        self._loaded = self._loaded | {version.ref: loaded}
        return None

    def _fits(self) -> bool:
        """Whether there is room for one more as large as those loaded; the first always fits."""
        sizes = [loaded.size_bytes for loaded in self._loaded.values()]
        return sum(sizes) + max(sizes, default=0) <= self._settings.model_memory_bytes

    def _make_room(self, size_bytes: int) -> None:
        used = sum(loaded.size_bytes for loaded in self._loaded.values())
        for loaded in sorted(self._loaded.values(), key=lambda loaded: loaded.used_at):
            if used + size_bytes <= self._settings.model_memory_bytes:
                return
            used -= loaded.size_bytes
            self._drop(loaded.version.ref)

    def _drop_unused(self) -> None:
        """Versions that no name stands for and nobody asked for lately."""
        standing = {offer.version.ref for offer in self._offers.values()}
        limit = time.monotonic() - max(60.0, 2 * self._settings.poll_interval_s)
        for ref, loaded in list(self._loaded.items()):
            if ref not in standing and loaded.used_at < limit:
                self._drop(ref)

    def _drop(self, ref: str) -> None:
        with self._loading:
            self._loaded = {key: value for key, value in self._loaded.items() if key != ref}

    def _watch_store(self) -> None:
        while not self._ended.wait(self._settings.poll_interval_s):
            try:
                self.refresh()
            except Exception as error:  # a watch that died would leave old models standing
                self._notice(f"watching the store: {type(error).__name__}: {error}")
