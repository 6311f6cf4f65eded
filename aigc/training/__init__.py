"""Training on one process or as one of many: `train(spec)`. No Ray in here."""

from aigc.training.checkpoint import read_json
from aigc.training.journal import newest_sheet
from aigc.training.loop import train
from aigc.training.result import TrainResult
from aigc.training.runs import is_finished, model_config, stop_reason

__all__ = [
    "TrainResult",
    "is_finished",
    "model_config",
    "newest_sheet",
    "read_json",
    "stop_reason",
    "train",
]
