"""A Ray Serve deployment with its batches over requests, behind Ray's default proxy.

python -m aigc.bench.rivals.ray_serve MODEL PORT [fast]
"""

from __future__ import annotations

import logging
import sys
import threading

import ray
from ray import serve
from starlette.requests import Request

from aigc.bench.rivals.pictures import PATH, RivalImages, RivalRequest
from aigc.types import Json

BATCH, WAIT_S = 32, 0.005
_QUIET = {"log_level": "WARNING", "enable_access_log": False}


@serve.deployment(max_ongoing_requests=4 * BATCH, logging_config=_QUIET)
class RayServeGenerations:
    def __init__(self, model: str, fast: bool) -> None:
        self.pictures = RivalImages(model, fast=fast)

    async def __call__(self, request: Request) -> Json:
        asked = RivalRequest.model_validate(await request.json())
        answer: Json = await self.together(asked)
        return answer

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_S)
    async def together(self, asked: list[RivalRequest]) -> list[Json]:
        return self.pictures.all(asked)


def main(model: str, port: int, fast: bool) -> None:
    ray.init(address="local", include_dashboard=False, logging_level=logging.WARNING)
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config=_QUIET)
    serve.run(RayServeGenerations.bind(model, fast), route_prefix=PATH)  # type: ignore[attr-defined]
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "fast" in sys.argv[3:])
