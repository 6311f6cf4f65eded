"""Gates: what may be delivered. Each is a function of a batch that names what it refuses."""

from aigc.generation.gates.fitting import require_fitting
from aigc.generation.gates.gate_set import (
    GateResult,
    GateSet,
    data_digests,
    load_gates,
    require,
    resolve,
)

__all__ = [
    "GateResult",
    "GateSet",
    "data_digests",
    "load_gates",
    "require",
    "require_fitting",
    "resolve",
]
