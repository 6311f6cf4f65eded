"""Serve models over HTTP: `python jobs/serve.py jobs/specs/serve.yaml [--set port=9000]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job
from aigc.commands.serve import serve


def main(spec_file: str, settings: Settings = None, address: Address = None) -> None:
    serve(spec_file=spec_file, settings=settings, address=address)


if __name__ == "__main__":
    job(main)
