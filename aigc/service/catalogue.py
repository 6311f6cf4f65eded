"""The models a service serves: the version of each name, and the versions in memory.

The store is polled for every served name and every alias that a request used. When one moves, the
new version is loaded in addition to the present one and checked, and only then served. A version
that fails the check is not served; `failures` has the reason. Batches hold a reference to their
version, so the old one is freed after its last batch. A name without any healthy version is listed
as unhealthy, and the other names are served.
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
    """Thread-safe for reading. Models are loaded in worker threads, one at a time."""

    def __init__(self, settings: ServiceSettings, notice: Notice = no_notice) -> None:
        self._settings, self._notice = settings, notice
        self._process: RenderProcess | None = None
        self.store = ModelStore(settings.store)
        self._store_names = StoreWatch(self.store)
        self._served: dict[str, ServedModel] = {}
        self._aliased: dict[str, ServedModel] = {}
        """Requested references that may move: `name@alias`."""
        self._refs: dict[str, ModelVersion] = {}
        """Requested references that never move: `name@version`."""
        self._loaded: dict[str, LoadedModel] = {}
        self._missing = MissingModels()
        self._failures: dict[str, ModelFailure] = {}
        self._unreadable: dict[str, ModelFailure] = {}
        """Names in the store whose version cannot be read."""
        self._loading = threading.RLock()
        self._ended = threading.Event()
        self._poller: threading.Thread | None = None

    def start(self, process: RenderProcess | None = None) -> None:
        """Load the served models, as far as memory allows, and start polling the store.

        Models are also loaded in `process`, if one is given.

        Raises:
            StoreError, StorageError: a model named in the settings is missing, or no model is
                healthy.
        """
        self._process = process
        for asked in self._settings.models:
            version = self.store.named(asked)
            if version.name in self._served:
                raise StoreError(f"{asked}: {version.name} is named more than once; name each once")
            self._served[version.name] = self._initial(asked, version)
        if not self._settings.models:
            self._add_new_names()
        self._require_one()
        self._poller = threading.Thread(target=self._poll_store, name="poll-store", daemon=True)
        self._poller.start()

    def close(self) -> None:
        self._ended.set()
        if self._poller is not None:
            self._poller.join()

    def offers(self) -> list[ServedModel]:
        return [self._with_failure(offer) for offer in list(self._served.values())]

    def offer(self, name: str) -> ServedModel | None:
        offer = self._served.get(name)
        return offer and self._with_failure(offer)

    def loaded(self) -> list[LoadedModel]:
        return list(self._loaded.values())

    def failures(self) -> list[ModelFailure]:
        """Failures of the versions that served names and aliases refer to, without duplicates."""
        offers = (*self._served.values(), *self._aliased.values())
        of_versions = [self._with_failure(offer).failure for offer in offers]
        found = [*of_versions, *self._unreadable.values()]
        return list({failure.ref: failure for failure in found if failure is not None}.values())

    async def get(self, ref: str) -> LoadedModel:
        """The model of `ref` (NAME, NAME@VERSION, NAME@ALIAS), loaded if necessary.

        Raises:
            NotFoundError: it is not served, or the store has no such version.
            UnhealthyModelError: it failed its check.
        """
        offer = self._resolved(ref)
        version = offer.version if offer else self._refs.get(ref)
        found = None if version is None else self._loaded.get(version.ref)
        if found is None:
            found = await asyncio.to_thread(self._fetch, ref)
        found.used_at = time.monotonic()
        return found

    def refresh(self) -> None:
        """Update names and aliases from the store. Called every `poll_interval_s`."""
        for name, offer in list(self._served.items()):
            try:
                self._update(name, offer)
            except Exception as error:  # reported; the other names are still updated
                found = dataclasses.replace(self._served[name], failure=failed(name, error))
                self._served[name] = found
                self._notice(f"{name}: the store cannot be read: {error or repr(error)}")
        self._refs = {ref: known for ref, known in self._refs.items() if ref in self._loaded}
        known = {failure.ref for failure in self.failures()}
        for failure in list(self._failures.values()):
            if failure.ref not in known and not failure.left_s:
                self._failures.pop(failure.ref, None)
        if not self._settings.models:
            self._add_new_names()

    def _initial(self, asked: str, wanted: ModelVersion) -> ServedModel:
        offer = ServedModel(wanted.name, asked, wanted, self._store_names.look(wanted.name).aliases)
        return self._healthy_version(offer) if self._has_memory() else offer

    def _healthy_version(self, offer: ServedModel) -> ServedModel:
        """If its version is unhealthy, the last healthy one before, as running replicas serve."""
        asked, wanted = offer.asked, offer.version
        if self._is_healthy(wanted):
            return offer
        failure = self._failures[wanted.ref]
        for version in before(self.store, asked, wanted):
            if self._is_healthy(version):
                self._notice(f"{asked}: {wanted.ref} is unhealthy, {version.ref} is served instead")
                return dataclasses.replace(offer, version=version, failure=failure)
        self._notice(f"{asked}: {failure.error()}")
        return offer

    def _with_failure(self, offer: ServedModel) -> ServedModel:
        """With the failure of its version, which may have been found by a request."""
        failure = self._failures.get(offer.version.ref)
        return dataclasses.replace(offer, failure=failure) if failure else offer

    def _require_one(self) -> None:
        """Raises StoreError if no model is healthy."""
        if any(not offer.unhealthy for offer in self.offers()):
            return
        reasons = [str(failure.error()) for failure in self.failures()]
        none = f"there are no models in {self.store.uri}; aigc train publishes one"
        raise StoreError("; ".join(reasons) or none)

    def _update(self, name: str, offer: ServedModel) -> None:
        current = self._store_names.look(name)
        version, known = self._store_names.version(current, offer.asked), current.aliases
        self._served[name] = self._switched(dataclasses.replace(offer, aliases=known), version)
        for ref, other in list(self._aliased.items()):
            if other.name == name:
                self._update_alias(ref, other, known.get(ref.partition("@")[2]))
        self._unload_unused()

    def _update_alias(self, ref: str, offer: ServedModel, wanted: str | None) -> None:
        """Update an alias to version `wanted`; None: the alias was removed."""
        if wanted is None:
            self._aliased.pop(ref, None)
            return
        try:
            stays = wanted == offer.version.version
            version = offer.version if stays else self.store.named(f"{offer.name}@{wanted}")
            self._aliased[ref] = self._switched(offer, version)
        except Exception as error:
            self._aliased[ref] = dataclasses.replace(offer, failure=failed(ref, error))

    def _switched(self, offer: ServedModel, version: ModelVersion) -> ServedModel:
        """Switch to `version`, unless it is unhealthy and the present one is not."""
        failure, current = None, offer.version
        moved = version.ref != current.ref
        if moved or version.ref in self._failures:
            if self._is_healthy(version):
                self._notice(f"{offer.asked} is now {version.ref}")
            elif moved and current.ref not in self._failures:
                failure, version = self._failures.get(version.ref), current
                if failure and offer.failure != failure:
                    self._notice(f"{offer.asked} remains {current.ref}: {failure.error()}")
        return dataclasses.replace(offer, version=version, failure=failure)

    def _add_new_names(self) -> None:
        unread = {}
        for name in self._store_names.new_names(self._served):
            try:
                self._served[name] = self._initial(name, self.store.named(name))
            except Exception as error:
                unread[name] = failed(name, error)
                if name not in self._unreadable:
                    self._notice(f"{name}: {error}")
        self._unreadable = unread

    def _fetch(self, ref: str) -> LoadedModel:
        name = ref.partition("@")[0]
        offer = self._served.get(name)
        if offer is None:
            if name in self._unreadable:
                raise self._unreadable[name].error()
            raise NotFoundError(
                f"model {ref[:80]!r} is not served here; available: {listed(self._served)}",
                param="model",
                code="model_not_found",
            )
        current = self._resolved(ref)
        return self._load(current.version if current else self._resolve(ref, offer))

    def _resolved(self, ref: str) -> ServedModel | None:
        offer = self._served.get(ref.partition("@")[0])
        return offer if offer and ref in (offer.name, offer.asked) else self._aliased.get(ref)

    def _resolve(self, ref: str, offer: ServedModel) -> ModelVersion:
        """Resolve a `ref` that is used for the first time."""
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
                self._aliased[ref] = found = self._healthy_version(found)
                return found.version
        raise NotFoundError(
            f"model {ref[:80]!r} does not exist; GET /v1/models lists the available ones",
            param="model",
            code="model_not_found",
        )

    def _load(self, version: ModelVersion) -> LoadedModel:
        """The model from memory, else from the store. Raises UnhealthyModelError."""
        with self._loading:
            if version.ref in self._loaded:
                return self._loaded[version.ref]
            failure = self._failures.get(version.ref)
            if failure is None or not failure.left_s:
                failure = self._load_from_store(version)
            if failure is not None:
                raise failure.error()
            return self._loaded[version.ref]

    def _is_healthy(self, version: ModelVersion) -> bool:
        try:
            self._load(version)
        except UnhealthyModelError:
            return False
        return True

    def _load_from_store(self, version: ModelVersion) -> ModelFailure | None:
        try:
            loaded = load(self.store, version, self._settings, self._process)
        except StorageError:
            raise
        except Exception as error:  # a damaged model may raise anything; others are served
            self._failures[version.ref] = failure = failed(version.ref, error)
            return failure
        self._failures.pop(version.ref, None)
        self._unload_for(loaded.size_bytes)
        self._loaded = self._loaded | {version.ref: loaded}
        return None

    def _has_memory(self) -> bool:
        """Whether another model of the largest loaded size fits; the first always does."""
        sizes = [loaded.size_bytes for loaded in self._loaded.values()]
        return sum(sizes) + max(sizes, default=0) <= self._settings.model_memory_bytes

    def _unload_for(self, size_bytes: int) -> None:
        used = sum(loaded.size_bytes for loaded in self._loaded.values())
        for loaded in sorted(self._loaded.values(), key=lambda loaded: loaded.used_at):
            if used + size_bytes <= self._settings.model_memory_bytes:
                return
            used -= loaded.size_bytes
            self._unload(loaded.version.ref)

    def _unload_unused(self) -> None:
        """Unload versions that no name refers to and no request used lately."""
        current = {offer.version.ref for offer in self._served.values()}
        limit = time.monotonic() - max(60.0, 2 * self._settings.poll_interval_s)
        for ref, loaded in list(self._loaded.items()):
            if ref not in current and loaded.used_at < limit:
                self._unload(ref)

    def _unload(self, ref: str) -> None:
        with self._loading:
            self._loaded = {key: value for key, value in self._loaded.items() if key != ref}

    def _poll_store(self) -> None:
        while not self._ended.wait(self._settings.poll_interval_s):
            try:
                self.refresh()
            except Exception as error:  # polling must go on, or old versions would be served
                self._notice(f"polling the store failed: {type(error).__name__}: {error}; retrying")
