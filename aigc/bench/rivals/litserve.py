"""LitServe, one worker, batches over requests.

python -m aigc.bench.rivals.litserve MODEL PORT [fast]
"""

import sys

import litserve
from starlette.requests import Request

from aigc.bench.rivals.pictures import PATH, RivalImages, RivalRequest
from aigc.types import Json

BATCH, WAIT_S = 16, 0.002


class LitServeGenerations(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, model: str, fast: bool) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=WAIT_S, api_path=PATH)
        self._model, self._fast = model, fast

    def setup(self, device: str) -> None:
        self.pictures = RivalImages(self._model, fast=self._fast)

    def decode_request(self, request: Request) -> RivalRequest:
        """LitServe gives the JSON of what is annotated so."""
        return RivalRequest.model_validate(request)

    def predict(self, asked: list[RivalRequest]) -> list[Json]:
        return self.pictures.all(asked)

    def encode_response(self, output: Json) -> Json:
        return output


def main(model: str, port: int, fast: bool) -> None:
    server = litserve.LitServer(
        LitServeGenerations(model, fast), accelerator="cpu", workers_per_device=1
    )
    server.run(
        host="127.0.0.1",
        port=port,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "fast" in sys.argv[3:])
