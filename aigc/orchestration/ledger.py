"""What keys have used, counted once over all replicas."""

from __future__ import annotations

from typing import Any

import ray

from aigc.service.keys import Key
from aigc.service.quota import LocalLedger

_NAME, _NAMESPACE = "aigc-ledger", "aigc"


class _Books:
    def __init__(self) -> None:
        self._ledger = LocalLedger()

    async def take(self, key: Key, images: int) -> float | None:
        return await self._ledger.take(key, images)


class ClusterLedger:
    """A `Ledger` kept by one actor of the cluster, so a limit holds whatever replica is asked.

    Only requests with a limited key wait for it, about a millisecond. It lives in memory: an actor
    that died begins anew, and so do the minute and the day of each key.
    """

    def __init__(self) -> None:
        books: Any = ray.remote(_Books)
        self._books = books.options(
            name=_NAME,
            namespace=_NAMESPACE,
            get_if_exists=True,
            lifetime="detached",
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=3,
        ).remote()

    async def take(self, key: Key, images: int) -> float | None:
        if key.images_per_day is None and key.requests_per_minute is None:
            return None
        wait_s: float | None = await self._books.take.remote(key, images)
        return wait_s
