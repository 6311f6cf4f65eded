"""Samples against real data: how far, how varied, whose class, whose copy."""

from aigc.evaluation.evaluate import Evaluation, check_samples, evaluate, evaluate_samples
from aigc.evaluation.reference import planned_images

__all__ = ["Evaluation", "check_samples", "evaluate", "evaluate_samples", "planned_images"]
