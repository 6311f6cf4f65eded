"""Raw images to a data set: `python jobs/prepare.py jobs/specs/prepare.yaml [--set size=64]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job, overrides, print_json, progress
from aigc.distributed.prepare import run
from aigc.specs import PrepareSpec, load


def main(spec_file: str, settings: Settings = None, address: Address = None) -> None:
    spec = load(PrepareSpec, spec_file, overrides(settings))
    with progress("prepare", "images") as report:
        print_json(run(spec, address, report))


if __name__ == "__main__":
    job(main)
