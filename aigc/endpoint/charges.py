"""What a request costs its API key, and what the key gets back when the request is not served."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from aigc.endpoint.errors import ClientGoneError
from aigc.service.errors import BadRequestError, OverloadedError
from aigc.service.keys import Key
from aigc.service.quota import RateLimiter


class Charge:
    """One request's charge.

    Images that are not delivered are given back, unless the client hung up. The request itself is
    given back too, unless the request was wrong or a part of it was delivered.
    """

    def __init__(self, rate_limiter: RateLimiter, key: Key | None) -> None:
        self._rate_limiter, self._key = rate_limiter, key
        self._images = self._requests = 0
        self._taken_at = 0.0

    async def take(self, images: int, param: str = "n") -> None:
        """Count one request for `images`; `param` is the field that says how many.

        Raises:
            BadRequestError: the key can never have so many in one day.
            OverloadedError: the key's quota is used up for now.
        """
        if self._key is None:
            return
        _require_within_a_day(self._key, images, param)
        self._taken_at = time.time()
        wait_s = await self._rate_limiter.take(self._key, images)
        if wait_s is not None:
            raise OverloadedError(
                f"this API key's quota is used up; try again in {wait_s:.0f} s",
                retry_after_s=wait_s,
                code="rate_limit_exceeded",
                limited=True,
            )
        self._images, self._requests = images, 1

    def deliver(self, images: int) -> None:
        """`images` were handed over: they and the request stay charged."""
        self._images, self._requests = max(0, self._images - images), 0

    async def refund(self, *, request: bool = True) -> None:
        """Give back what was not delivered, and the request with it; a second call does nothing."""
        images, requests = self._images, self._requests if request else 0
        self._images = self._requests = 0
        if self._key is not None and (images or requests):
            await self._rate_limiter.refund(self._key, images, requests, self._taken_at)

    @contextlib.asynccontextmanager
    async def refunded_on_failure(self) -> AsyncIterator[None]:
        """Whatever ends the block early gives the charge back, a deadline included."""
        try:
            yield
        except ClientGoneError:
            raise
        except BaseException as error:
            await self.refund(request=not isinstance(error, BadRequestError))
            raise


def _require_within_a_day(key: Key, images: int, param: str) -> None:
    most = key.images_per_day
    if most is not None and images > most:
        raise BadRequestError(
            f"{param}: {images} images are more than this API key may have in a day; "
            f"ask for at most {most}",
            param=param,
            code="quota_too_small",
        )
