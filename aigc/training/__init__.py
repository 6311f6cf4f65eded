"""Training on one process or as one of many: `train(spec)`. No Ray in here."""

from aigc.training.loop import TrainResult, model_config, train

__all__ = ["TrainResult", "model_config", "train"]
