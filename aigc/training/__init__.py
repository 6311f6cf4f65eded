"""Training on one process or as one of many: `train(spec)`. No Ray in here."""

from aigc.training.checkpoint import read_json
from aigc.training.loop import TrainResult, train
from aigc.training.runs import is_finished, model_config

__all__ = ["TrainResult", "is_finished", "model_config", "read_json", "train"]
