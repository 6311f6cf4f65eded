"""Distributed batch generation: prepare, train, evaluate, generate, serve."""

__version__ = "0.1.0"
