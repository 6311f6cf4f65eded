"""Networks with ordinary weights: exact by kind of machine, within one level elsewhere.

`record` adds the kind it runs on. Where a change of rounding is meant, delete the other kinds from
`recorded/rounding.json`: they are recorded again when somebody runs it there.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.golden import make
from tests.golden.describe import digest
from tests.golden.models import ORDINARY
from tests.golden.versions import kind_of_machine

Record = dict[str, Any]
ITEMS = 16
_SHOWN = 2
"""Items whose pixels are recorded whole, for machines of other kinds."""


def described(golden: make.Golden) -> Record:
    """By kind of machine, model and precision: a digest, and the pixels of the first items."""
    found = {}
    for model, precision in itertools.product(ORDINARY, ("fp32", "bf16")):
        pixels = golden.rendered(model, ITEMS, precision)
        told: Record = {"digest": digest([pixels.tobytes()])}
        if precision == "fp32":
            told["pixels"] = [row.tobytes().hex() for row in pixels[:_SHOWN].reshape(8, -1)]
        found[f"{model.name} {precision}"] = told
    return {kind_of_machine(): found}


def levels(rows: list[str]) -> npt.NDArray[np.int64]:
    """The recorded pixels, flat."""
    return np.frombuffer(bytes.fromhex("".join(rows)), np.uint8).astype(np.int64)
