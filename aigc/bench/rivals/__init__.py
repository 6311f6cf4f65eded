"""What a user would write instead, each a program of its own: `python -m` this package's NAME."""
