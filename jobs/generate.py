"""Make a content set: `python jobs/generate.py jobs/specs/generate.yaml [--set seed=1]`."""

from __future__ import annotations

from aigc.commands.common import Address, Settings, job, overrides, print_json, progress, say
from aigc.commands.generate import MetricsPort
from aigc.distributed.generate import run
from aigc.specs import GenerateSpec, load


def main(
    spec_file: str,
    settings: Settings = None,
    address: Address = None,
    metrics_port: MetricsPort = None,
) -> None:
    spec = load(GenerateSpec, spec_file, overrides(settings))
    with progress("generate", "images") as report:
        manifest = run(spec, address, report, say, metrics_port)
    print_json({key: value for key, value in manifest.items() if key != "shards"})


if __name__ == "__main__":
    job(main)
