"""A FastAPI application in one uvicorn process: a call of the model a request, in its threads.

python -m aigc.bench.rivals.fastapi MODEL PORT [fast]
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from aigc.bench.rivals.pictures import PATH, RivalImages, RivalRequest
from aigc.types import Json


def main(model: str, port: int, fast: bool) -> None:
    """One thread of PyTorch a request: as many requests run at a time as there are cores."""
    pictures, app = RivalImages(model, fast=fast), FastAPI()

    @app.post(PATH)
    def generations(asked: RivalRequest) -> Json:
        return pictures(asked)

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "fast" in sys.argv[3:])
