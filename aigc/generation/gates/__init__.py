"""Gates: what may be delivered. Each is a function of a batch that names what it refuses."""

from aigc.generation.gates.judge import Judge, Verdict, data_digests, load_judge, require, resolve

__all__ = ["Judge", "Verdict", "data_digests", "load_judge", "require", "resolve"]
