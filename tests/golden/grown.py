"""Sets that grew or were merged, models that are published today, and perceptual hashes."""

from __future__ import annotations

import json
from typing import Any

from tests.golden import describe, make
from tests.golden.cases import Case
from tests.golden.models import EXACT

Record = dict[str, Any]
SEED = 21


def described(golden: make.Golden) -> Record:
    grown, other = golden.root / "grown" / "one", golden.root / "grown" / "two"
    case = Case("gan", {"seed": SEED})
    golden.generate(case, grown)
    golden.append(grown, 40)
    golden.generate(Case("plain", {"seed": SEED, "writer": "webdataset"}), other)
    whole = golden.root / "grown" / "whole"
    golden.merge(whole, [grown, other])
    manifest = json.loads((whole / "manifest.json").read_bytes())
    kept = ("items", "labels", "content_digest", "same_labels")
    return {
        "append": describe.summary(golden, case, grown),
        "merge": {name: manifest[name] for name in kept if name in manifest},
        "merge verified": {
            name: value for name, value in make.verified(whole).items() if name != "out"
        },
        "published": published(golden),
        "hashes": hashes(golden),
    }


def hashes(golden: make.Golden) -> dict[str, list[str]]:
    """The perceptual hash of each item of two sets."""
    names = ("gan/plain/raw/parquet", "residual/plain")
    return {name: make.hashes(make.pixels_of(golden.made(name))) for name in names}


def published(golden: make.Golden) -> dict[str, str]:
    """The digest of each model when it is published today."""
    return {model.name: golden.published(model) for model in EXACT}
