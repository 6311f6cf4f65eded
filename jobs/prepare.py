"""python jobs/prepare.py jobs/specs/prepare.yaml [--set FIELD=VALUE …]: raw images to a data set."""

from __future__ import annotations

import argparse
import json
import sys

from aigc.commands.common import overrides, progress
from aigc.errors import AigcError
from aigc.orchestration.prepare import run
from aigc.specs import PrepareSpec, load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", help="YAML file with the fields of PrepareSpec")
    parser.add_argument("--set", action="append", metavar="FIELD=VALUE", dest="settings")
    given = parser.parse_args()
    try:
        spec = load(PrepareSpec, given.spec, overrides(given.settings))
        with progress("prepare", "images") as report:
            made = run(spec, report=report)
    except AigcError as error:
        print(f"aigc: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(json.dumps(made, indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
