"""Sets with a watermark in each image."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.distributed import generate
from aigc.errors import SpecError
from aigc.output import commit
from aigc.provenance.checking import CredentialReader
from aigc.provenance.secrets import WATERMARK
from aigc.provenance.unsigned import unsigned
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.payload import payload_of
from aigc.sets import read
from aigc.sets.verify import verify
from tests.provenance.signers import environment
from tests.sets.conftest import SetMaker

KEY = "ab" * 16
ASKED = {"width": 128, "height": 128, "count": 4}


def test_each_image_carries_its_item_and_the_credential_says_so(
    sets: SetMaker, tmp_path: Path, monkeypatch
) -> None:
    for name, text in {**environment(), WATERMARK: KEY}.items():
        monkeypatch.setenv(name, text)
    out = str(tmp_path / "set")
    marked = {"profile": "eu", "watermark": "spread", "visible": True, "credentials": {}}
    job = sets.finished(out, provenance=marked, **ASKED)
    assert KEY not in job.to_json().decode()
    assert "watermark `spread` in each image" in (tmp_path / "set" / "README.md").read_text()
    mark = open_watermark("spread", bytes.fromhex(KEY))
    found = read.stored(out, job, commit.read_records(out), range(4))
    (part,) = read.rows(out, job, commit.read_records(out)[0])
    for at, name in enumerate(part.ids):
        assert mark.detect(found[at].values()).payload == payload_of(name, 40)
        check = CredentialReader().check(found[at].file)
        assert (check.standing, check.soft_bindings) == ("valid", ("aigc.spread.1",))
    assert verify(out)["credentials"] == "checked"
    again = generate.regenerate(out, [0, 3])
    assert all(again[at] == unsigned(found[at].file) for at in again)
    monkeypatch.setenv(WATERMARK, "cd" * 16)
    with pytest.raises(SpecError, match="AIGC_WATERMARK_KEY: the set was begun with the key of"):
        generate.regenerate(out, [0])
    monkeypatch.delenv(WATERMARK)
    with pytest.raises(SpecError, match="set that one"):
        generate.regenerate(out, [0])


def test_the_public_key_needs_no_environment(sets: SetMaker, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(WATERMARK, raising=False)
    out = str(tmp_path / "set")
    job = sets.finished(out, provenance={"watermark": "spread"}, **ASKED)
    assert "watermark_key" not in job.model_dump()
    (item,) = read.stored(out, job, commit.read_records(out), [2]).values()
    assert open_watermark("spread", b"").detect(item.values()).payload is not None


def test_images_that_are_too_small_are_refused_while_planning(sets: SetMaker) -> None:
    from aigc.execution.planning import plan_job, require_possible
    from aigc.specs import GenerateSpec

    values = {"model": sets.version.ref, "out": "x", "count": 1}
    for asked, message in (
        ({"watermark": "spread"}, "16 x 16 pixels are too few; 128 a side are needed"),
        ({"watermark": "unknown"}, "unknown"),
    ):
        spec = GenerateSpec.model_validate(values | {"provenance": asked})
        job = plan_job(spec, sets.version, "cpu", "fp32")
        with pytest.raises(SpecError, match=message):
            require_possible(spec, job, None)
