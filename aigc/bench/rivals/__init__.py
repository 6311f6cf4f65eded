"""Alternatives that a user could write, each a program: `python -m aigc.bench.rivals.NAME`."""
