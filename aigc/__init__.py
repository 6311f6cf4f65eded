"""Distributed batch generation: prepare, train, evaluate, generate, serve."""

import os

__version__ = "0.1.0"

# NumPy's products here are small and several threads or processes make them at a time: more threads
# for each would only wait for one another. It is read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
