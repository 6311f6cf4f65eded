"""Labels as the names of folders, and printed, whatever is in them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from aigc.errors import SpecError
from aigc.execution.planning import plan_job, read_briefs
from aigc.output import files
from aigc.specs import GenerateSpec
from tests.commands.conftest import Aigc
from tests.commands.conftest import aigc as aigc  # noqa: PLC0414
from tests.models_for_tests import publish_tiny

LONG = "Зимние ботинки на меху для детей младшего школьного возраста"
"""60 characters, 110 bytes, 320 in the name of a folder."""

LABELS = {
    "Cyrillic": (LONG, True),
    "emoji": ("👟" * 30, True),
    "a long word": ("x" * 256, True),
    "percent signs": ("%" * 86, True),
    "as long as can be": ("x" * 255, False),
    "markup": ("[/sale]", False),
    "a path": ("../../etc", False),
    "dots": ("..", False),
}


@pytest.mark.parametrize(("label", "refused"), LABELS.values(), ids=[*LABELS])
def test_a_label_too_long_for_a_folder_is_refused_before_the_job(
    tmp_path: Path, label: str, refused: bool
) -> None:
    version = publish_tiny("tiny-names", labels=("short", label))
    values = {"model": version.ref, "out": str(tmp_path / "out"), "count": 4, "writer": "files"}
    spec = GenerateSpec.model_validate(values)
    job = plan_job(spec, version, "cpu", "fp32")
    if refused:
        with pytest.raises(SpecError, match=r"^writer = files: label .* at most 255 can be; use"):
            files.require_names(spec.out, job, None)
    else:
        files.require_names(spec.out, job, None)
    one = spec.model_copy(update={"labels": ("short",)})
    files.require_names(spec.out, plan_job(one, version, "cpu", "fp32"), None)
    other = job.model_copy(update={"writer": "webdataset"})
    files.require_names(spec.out, other, None)


def test_only_labels_that_briefs_ask_for_count(tmp_path: Path) -> None:
    version = publish_tiny("tiny-names", labels=("short", LONG))
    for text, refused in (("short", False), (f"short|{LONG}", True)):
        (tmp_path / "b.csv").write_text(f"label,count\n{text},2\n", encoding="utf-8")
        values = {"model": version.ref, "out": "x", "writer": "files"}
        spec = GenerateSpec.model_validate(values | {"briefs": str(tmp_path / "b.csv")})
        found = read_briefs(spec, version)
        assert found is not None
        job = plan_job(spec, version, "cpu", "fp32", found.briefs)
        if refused:
            with pytest.raises(SpecError, match="writer = files"):
                files.require_names("x", job, found.briefs)
        else:
            files.require_names("x", job, found.briefs)


def test_a_key_of_s3_has_a_length(tmp_path: Path) -> None:
    version = publish_tiny("tiny-names", labels=("x" * 200,))
    values = {"model": version.ref, "out": "s3://b/" + "y" * 800, "count": 1, "writer": "files"}
    spec = GenerateSpec.model_validate(values)
    with pytest.raises(SpecError, match=r"at most 1\d\d can be"):
        files.require_names(spec.out, plan_job(spec, version, "cpu", "fp32"), None)


def test_a_job_with_such_a_label_leaves_nothing(aigc: Aigc) -> None:
    publish_tiny("tiny-names", labels=("short", LONG))
    made = aigc("generate", "tiny-names", "--count", 4, "--out", "set", "--writer", "files")
    assert made.code == 2
    assert re.search(r"^aigc: writer = files: label", made.err.splitlines()[-1])
    assert not Path("set").exists()


MARKUP = ["[/sale]", "shoes [men]", "[bold]x", "[link=x]y[/link]", ":shoe:", "back\\", "[", "[red]"]


@pytest.mark.parametrize("name", [name for name in MARKUP if "/" not in name])
def test_labels_that_look_like_markup_are_printed_as_they_are(aigc: Aigc, name: str) -> None:
    for at in range(24):
        folder = Path("raw") / (name if at % 2 else "plain")
        folder.mkdir(parents=True, exist_ok=True)
        sink = io.BytesIO()
        Image.effect_noise((16, 16), 90).save(sink, "PNG")
        (folder / f"{at}.png").write_bytes(sink.getvalue())
    prepared = aigc("data", "prepare", "raw", "data", "--set", "size=16")
    assert prepared.code == 0, prepared.err
    shown = aigc("data", "show", "data")
    assert shown.code == 0
    assert name in shown.out
    publish_tiny("tiny-markup", labels=(name, "plain"))
    shown = aigc("models", "show", "tiny-markup")
    assert shown.code == 0
    refused = aigc("generate", "tiny-markup", "--count", 1, "--out", "x", "--labels", f"{name}x")
    assert refused.code == 2
    assert f"has no {name + 'x'!r}" in refused.err
    assert name in refused.err.rpartition("it has: ")[2]


def test_tables_print_markup_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from aigc.commands.common import print_table, say

    print_table(["name"], [[name] for name in MARKUP])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == MARKUP
    for name in MARKUP:
        say(f"label {name}")
        assert capsys.readouterr().err.strip() == f"label {name}"
