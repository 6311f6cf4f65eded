"""The pipeline a user would write with Ray Data alone, for comparison. Run as a program:

python -m aigc.bench.rivals.ray_data MODEL ITEMS WORKERS FOLDER
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from PIL import Image

from aigc.families.networks import load_sampler
from aigc.families.networks.settings import settings_of
from aigc.store import ModelStore


class Generate:
    """Latents from the row number, one forward pass a batch, Pillow's PNG for each image."""

    def __init__(self, model: str, folder: str) -> None:
        torch.set_num_threads(1)
        store = ModelStore()
        version = store.resolve(model)
        self.config = version.config
        self.sampler = load_sampler(version.config, store.load(version))
        (Path(folder) / f"ready-{time.time():.3f}").touch()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        ids = batch["id"]
        generator = torch.Generator().manual_seed(int(ids[0]))
        z = torch.randn(len(ids), settings_of(self.config).latent_dim, generator=generator)
        labels = torch.from_numpy(ids % max(1, len(self.config.labels)))
        with torch.inference_mode():
            output = self.sampler(z, labels if self.config.conditional else None)
        pixels = ((output + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        images = pixels.permute(0, 2, 3, 1).numpy()
        return {"id": ids, "label": labels.numpy(), "image": [_png(image) for image in images]}


def _png(image: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


def main(model: str, items: int, workers: int, folder: str) -> None:
    """The actors leave one CPU to Ray Data's own reads and writes, or these would wait for ever."""
    ray.init(address="local", include_dashboard=False, logging_level=logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    share = max(0.1, (workers - 1) / workers)
    (
        ray.data.range(items)
        .map_batches(
            Generate,
            fn_constructor_args=(model, folder),
            batch_size=128,
            concurrency=workers,
            num_cpus=share,
        )
        .write_parquet(f"{folder}/set")
    )
    ready = [float(path.name.split("-", 1)[1]) for path in Path(folder).glob("ready-*")]
    print(json.dumps({"steady_s": time.time() - min(ready)}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
