"""Train a model and publish it: `python jobs/train.py jobs/specs/train.yaml [--set lr=2e-4]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job, overrides, print_json, progress, say
from aigc.commands.train import resolve
from aigc.distributed.train import run


def main(spec_file: str, settings: Settings = None, address: Address = None) -> None:
    spec = resolve(spec_file, None, overrides(settings))
    with progress("train", "images") as report:
        made = run(spec, address, report, say)
    print_json(made)


if __name__ == "__main__":
    job(main)
