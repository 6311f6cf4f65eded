"""Evaluate a stored model: `python jobs/evaluate.py jobs/specs/evaluate.yaml [--set seed=1]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job, overrides, print_json, progress, say
from aigc.distributed.evaluate import run
from aigc.specs import EvaluateSpec, load


def main(spec_file: str, settings: Settings = None, address: Address = None) -> None:
    spec = load(EvaluateSpec, spec_file, overrides(settings))
    with progress("evaluate", "images") as report:
        print_json(run(spec, address, report, say))


if __name__ == "__main__":
    job(main)
