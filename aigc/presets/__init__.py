"""Complete training specs, to use, change or learn from: fixed recipes, and one that adapts."""

from aigc.presets.adaptive import RULE_TITLES, RULES, adaptive, adaptive_gan, adaptive_vae
from aigc.presets.facts import DataFacts, Hardware
from aigc.presets.recipes import PRESETS, dcgan, default_out, relativistic, smoke, summary, vae
from aigc.specs.train import ADAPTIVE

__all__ = [
    "ADAPTIVE",
    "PRESETS",
    "RULES",
    "RULE_TITLES",
    "DataFacts",
    "Hardware",
    "adaptive",
    "adaptive_gan",
    "adaptive_vae",
    "dcgan",
    "default_out",
    "relativistic",
    "smoke",
    "summary",
    "vae",
]
