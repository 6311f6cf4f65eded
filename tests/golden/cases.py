"""The golden sets: what is asked for, as a user would write it in YAML."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.golden.weights import integers

COMMON: dict[str, Any] = {
    "count": 24,
    "seed": 7,
    "micro_batch": 8,
    "shard_items": 16,
    "precision": "fp32",
    "placement": {"workers": 1, "gpus_per_worker": 0},
}
CODECS = ("png", "jpeg", "webp", "raw")
WRITERS = ("parquet", "webdataset", "files")
DATA = "ROOT/data"
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gates": {
        "truncation": 0.7,
        "gates": {
            "degenerate": {"min_std": 40.0, "max_saturated": 0.98},
            "realism": {"percentile": 20},
            "memorisation": {"data": DATA, "rmse": 4.0},
            "duplicates": {"near": True, "distance": 8, "rmse": 64.0},
        },
    },
    "briefs": {"briefs": "ROOT/briefs.csv"},
    "truncation": {"truncation": 0.7},
    "columns": {"include": ["latents", "scores"]},
    "resized": {"width": 23, "height": 31},
    "recoloured": {"colour": "rgb"},
}


@dataclass(frozen=True)
class Case:
    """A set: a model and what differs from `COMMON`. `detailed` ones are recorded in full."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    detailed: bool = False

    @property
    def codec(self) -> str:
        return str(self.options.get("codec", "png"))

    @property
    def writer(self) -> str:
        return str(self.options.get("writer", "parquet"))

    @property
    def codecs(self) -> set[str]:
        """All that may occur."""
        own = {"png", "jpeg", "webp"} if "mixed" in self.options.get("briefs", "") else set()
        return own | {self.codec}

    @property
    def is_resampled(self) -> bool:
        return bool({"width", "height", "briefs"} & {*self.options})

    def spec(self, root: Path, out: Path) -> dict[str, Any]:
        """The fields of the spec, with ROOT as a path."""
        text = json.dumps(COMMON | {"model": f"{self.model}@v1"} | self.options)
        values: dict[str, Any] = json.loads(text.replace("ROOT", str(root)))
        return values | {"out": str(out)}


def _forms() -> list[tuple[str, str]]:
    pairs = [(codec, writer) for codec in CODECS for writer in WRITERS]
    return [pair for pair in pairs if pair != ("raw", "files")]


def _matrix() -> dict[str, Case]:
    """Every option in every codec and form, by the GAN."""
    return {
        f"gan/{name}/{codec}/{writer}": Case(
            "gan",
            options | {"codec": codec, "writer": writer},
            detailed=codec == "png" and (writer == "parquet" or name == "plain"),
        )
        for name, options in OPTIONS.items()
        for codec, writer in _forms()
    }


def _others() -> dict[str, Case]:
    """What the other models can do, in one form each."""
    found = {}
    for model in ("residual", "plain", "vae", "mixture"):
        for name, options in OPTIONS.items():
            asked = dict(options)
            if name == "gates":
                asked = {"gates": {"degenerate": True, "duplicates": {"near": False}}}
            elif name == "columns":
                asked = {"include": ["latents"]}
            elif name == "recoloured" and model != "vae":
                asked = {"colour": "grey"}
            elif name == "briefs" and model == "plain":
                asked = {"briefs": "ROOT/briefs-plain.jsonl"}
            found[f"{model}/{name}"] = Case(model, asked, detailed=name == "plain")
    return found


SINGLE: dict[str, Case] = {
    "gan/briefs-mixed": Case("gan", {"briefs": "ROOT/mixed.csv"}, detailed=True),
    "gan/briefs-partitioned": Case(
        "gan", {"briefs": "ROOT/briefs.csv", "partition_by": ["market"]}, detailed=True
    ),
    "gan/briefs-partitioned-files": Case(
        "gan", {"briefs": "ROOT/briefs.csv", "partition_by": ["market"], "writer": "files"}
    ),
    "gan/batch": Case("gan", {"briefs": "ROOT/batch.jsonl", "max_rejects": 0.9}, detailed=True),
    "gan/cut": Case("gan", {"codec": "raw", "truncation": 0.7}),
    "gan/labels": Case("gan", {"labels": ["d.", "apple"]}),
    "gan/shares": Case("gan", {"labels": {"ça/va": 3, "apple": 1, "Birne 2": 0.5}}),
    "gan/large-seed": Case("gan", {"seed": 2**63 - 1, "count": 8}),
    "gan/unmarked": Case("gan", {"provenance": {"profile": "none", "reason": "golden"}}),
    "gan/bicubic": Case("gan", {"width": 9, "resampling": "bicubic", "codec": "raw"}),
    "gan/nearest": Case("gan", {"height": 40, "resampling": "nearest", "codec": "raw"}),
    "gan/jpeg-40": Case("gan", {"codec": "jpeg", "quality": 40}),
    "gan/webp-lossless": Case("gan", {"codec": "webp", "quality": 100}),
    "gan/one-micro-batch": Case("gan", {"micro_batch": 32, "shard_items": 32}),
    "gan-bf16/plain": Case("gan-bf16", {"precision": "bf16"}),
    "gan-bf16/columns": Case(
        "gan-bf16", {"precision": "bf16", "include": ["latents", "scores"], "truncation": 0.9}
    ),
    "mixture-bf16/plain": Case("mixture-bf16", {"precision": "bf16"}),
}
CASES: dict[str, Case] = {**_matrix(), **_others(), **SINGLE}

BRIEFS = """\
brief_id,label,prompt,count,seed,width,height,truncation,market,price,day
a,apple,,3,,,,,se,1.5,2026-01-31
b,,two pears,2,11,,,,se,,2026-02-01
c,ça/va:2|apple:1,,6,,12,10,,fi,3,
"d, e",,,5,11,,,0.5,fi,-2.25,2026-12-24
"""
MIXED = """\
brief_id,label,count,width,height,codec,quality,market
a,apple,3,,,,,se
b,d.|ça/va,4,9,9,jpeg,50,fi
c,,6,,,webp,,"n/o 1"
e,Birne 2,2,40,30,png,,se
"""
PLAIN = """\
{"brief_id": "x", "count": 4, "seed": 3, "note": {"a": [1, null]}}
{"brief_id": "y", "count": 5, "truncation": 0.4, "width": 20}
"""
BATCH = (
    {"prompt": "an apple", "n": 2, "seed": 3},
    {"prompt": "pears", "size": "24x18", "output_format": "jpeg", "output_compression": 70},
    {"labels": {"ça/va": 2, "d.": 1}, "n": 4, "index": 5, "truncation": 0.8, "style": "vivid"},
    {"prompt": "apple", "response_format": "url", "n": 2},
    {"prompt": "a boat"},
    {"prompt": "apple", "n": 0},
)


def write_inputs(root: Path) -> None:
    """The files that the cases name, but for the training pictures."""
    for name, text in (("briefs.csv", BRIEFS), ("mixed.csv", MIXED), ("briefs-plain.jsonl", PLAIN)):
        (root / name).write_text(text, encoding="utf-8")
    lines = [
        {"custom_id": f"r{at}", "method": "POST", "url": "/v1/images/generations", "body": body}
        for at, body in enumerate(BATCH)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (root / "batch.jsonl").write_text(text, encoding="utf-8")


def training_pictures() -> Any:
    """uint8 (20, 16, 20): random tones in a grid of 4 x 5, no two alike."""
    coarse = integers("training pictures", (20, 4, 5), 0, 255)
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype("uint8")
