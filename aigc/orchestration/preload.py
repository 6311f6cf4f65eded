"""What the server that forks workers imports, once for all of them."""

from aigc.loading import loading

with loading():
    import aigc.orchestration.shard_work  # noqa: F401
