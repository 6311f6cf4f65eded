"""Signed pictures by the thousand, as independent readers judge them: the counts of the docs.

    python -m tests.provenance.measure FOLDER --count 10000 --tampered 1000

Makes three sets (JPEG, PNG, WebP) at 256x256 below FOLDER by `aigc generate`, with the label of GB
45438, signed under a test chain and time-stamped by an authority on this machine; reads every file
by c2pa-python, by encypher-c2pa and by exiftool; then falsifies JPEG files.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from aigc.distributed import generate
from aigc.provenance import tc260
from aigc.provenance.chains import Issued, issue
from aigc.provenance.checking import CredentialReader
from aigc.provenance.statement import TRAINED_ALGORITHMIC_MEDIA, ItemFacts
from aigc.sets.verify import verify
from aigc.specs import GenerateSpec
from aigc.types import Json
from tests.models_for_tests import publish_tiny
from tests.provenance import tampering
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import environment, marked, root, root_pem, second_reader, signer
from tests.saying import say

SHARES = {"jpeg": 0.8, "png": 0.1, "webp": 0.1}
PROVIDER = "ACME-1"
LIFETIME_S = 60
_AT_ONCE = 500
_READ = ("-XMP-iptcExt:all", "-XMP-TC260:all", "-XMP-dc:Identifier")

Verdict = tuple[str, str]
"""The standing that `aigc` gives, and the state that the second reader gives."""


def make(folder: Path, counts: dict[str, int]) -> list[Path]:
    """Sets of signed pictures, in files; returns the files."""
    os.environ.update({"AIGC_STORE": str(folder / "store"), **environment()})
    version = publish_tiny("tiny", channels=3)
    with time_stamp_authority(root()) as authority:
        credentials = {"authority": authority.url}
        stated = {"profile": "china", "provider": PROVIDER, "credentials": credentials}
        values = {"model": version.ref, "width": 256, "height": 256, "writer": "files"}
        for codec, count in counts.items():
            own = {"out": str(folder / codec), "codec": codec, "count": count, "provenance": stated}
            own["placement"] = {"workers": 1}
            manifest = generate.run(GenerateSpec.model_validate(values | own))
            found = verify(str(folder / codec), 100)
            say(f"{codec}: {manifest['provenance']}, verify {found['credentials']}")
    say(f"the authority was asked {authority.requests:,} times")
    return sorted(path for codec in counts for path in (folder / codec / "images").rglob("*.*"))


def verdicts(files: Iterable[bytes]) -> Iterator[Verdict]:
    reader = CredentialReader([root_pem()])
    for file in files:
        found, second = reader.check(file), second_reader(file)
        codes = {one["code"] for one in second["validation_results"]["success"]}
        stamped = found.is_time_stamped and "timeStamp.trusted" in codes
        state = str(second["validation_state"])
        yield found.standing, state if stamped else f"{state}, no valid time stamp"


def counted(found: Iterable[Verdict]) -> str:
    counts = collections.Counter(found)
    return "; ".join(f"{n:,} aigc {ours}, second {theirs}" for (ours, theirs), n in counts.items())


def exiftool(paths: Sequence[Path]) -> Iterator[Json]:
    for at in range(0, len(paths), _AT_ONCE):
        command = ["exiftool", "-j", "-G1", "-struct", *_READ, *map(str, paths[at : at + _AT_ONCE])]
        yield from json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def is_labelled(tags: Json) -> bool:
    """Source type, AI fields and the label of GB 45438, of one item."""
    label = tags.get("XMP-TC260:Aigc")
    label = json.loads(label) if isinstance(label, str) else label
    return (
        tags.get("XMP-iptcExt:DigitalSourceType") == TRAINED_ALGORITHMIC_MEDIA
        and tags.get("XMP-iptcExt:AISystemUsed") == "tiny"
        and tags.get("XMP-iptcExt:AISystemVersionUsed") == "v1"
        and isinstance(label, dict)
        and not tc260.problems(label)
        and label["ProduceID"] == tags.get("XMP-dc:Identifier")
    )


def expiring(count: int) -> list[bytes]:
    """Signed by a certificate that holds for `LIFETIME_S`, without a time stamp."""
    short: Issued = issue(root(), "Soon", LIFETIME_S / 86400)
    signs = signer(short)
    items = [ItemFacts(f"soon-{at}") for at in range(count)]
    return [signs.sign(marked("jpeg", seed=at, item=item), "jpeg", item)
            for at, item in enumerate(items)]  # fmt: skip


def falsified(files: Sequence[bytes], count: int) -> dict[str, Callable[[], list[bytes]]]:
    """Ways to falsify the first `count` of signed JPEG `files`."""
    random, some = np.random.default_rng(0), files[:count]

    def swapped() -> list[bytes]:
        queue, found = iter(files), list[bytes]()
        while len(found) < count:
            found += tampering.swap_time_stamps(lambda: next(queue))
        return found[:count]

    return {
        "a bit of the pixels": lambda: [tampering.change_pixel(one, random) for one in some],
        "metadata": lambda: [
            tampering.change_metadata(one, b'AISystemUsed="tiny"', b'AISystemUsed="mine"')
            for one in some
        ],
        "the credential of another item": lambda: [
            tampering.move_credential(one, tampering.reencode(other, quality=90))
            for one, other in zip(some, files[1:], strict=False)
        ],
        "swapped time stamps": swapped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--tampered", type=int, default=1000)
    asked = parser.parse_args()
    each = asked.tampered // 5
    soon, signed_at = expiring(each), time.monotonic()
    counts = {codec: round(asked.count * share) for codec, share in SHARES.items()}
    paths = make(asked.folder, counts)
    say(f"{len(paths):,} files: {counted(verdicts(path.read_bytes() for path in paths))}")
    labelled = sum(map(is_labelled, exiftool(paths)))
    say(f"exiftool: {labelled:,} of {len(paths):,} with source type, AI fields and label")
    jpeg = [path.read_bytes() for path in paths if path.suffix == ".jpg"]
    for name, falsify in falsified(jpeg, each).items():
        say(f"{name}: {counted(verdicts(falsify()))}")
    time.sleep(max(0.0, signed_at + LIFETIME_S + 5 - time.monotonic()))
    say(f"an expired certificate: {counted(verdicts(soon))}")


if __name__ == "__main__":
    main()
