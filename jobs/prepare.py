"""Raw files to a data set: `python jobs/prepare.py jobs/specs/prepare.yaml [--set size=64]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job, overrides, print_json, progress
from aigc.data.requested import load
from aigc.distributed.prepare import run
from aigc.modalities import MODALITIES


def main(spec_file: str, settings: Settings = None, address: Address = None) -> None:
    spec = load(spec_file, overrides(settings))
    with progress("prepare", MODALITIES[spec.modality].title) as report:
        print_json(run(spec, address, report))


if __name__ == "__main__":
    job(main)
