"""How fast, compared with what: each figure beside a yardstick, in turn on the same machine."""
