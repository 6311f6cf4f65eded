"""Benchmarks: aigc and its alternatives, measured in turn on the same machine."""
