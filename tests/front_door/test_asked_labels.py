"""Labels from the data set to what is made: those never trained, and names in other spellings."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aigc.commands.generate import parse_labels
from aigc.conditions.labels import find_label, label_pattern
from aigc.conditions.prompts import labels_in
from aigc.data.dataset import open_dataset
from aigc.distributed.evaluate import asked_labels
from aigc.distributed.generate import run as generate
from aigc.distributed.prepare import run as prepare
from aigc.errors import SpecError, listed
from aigc.families.config import ModelConfig
from aigc.job.briefs import read
from aigc.service import known_facts, request_conditions
from aigc.specs import GenerateSpec
from aigc.store import ModelStore, ModelVersion
from aigc.training import train
from aigc.training.sheets import SampleSheet
from tests.command_line import aigc
from tests.data.pictures import folder, spec
from tests.models_for_tests import tiny_config, tiny_tensors
from tests.training.helpers import tiny_spec

NFC, NFD = (unicodedata.normalize(form, "Crème brûlée") for form in ("NFC", "NFD"))
KNOWN = ("hat", NFC, "각", "Straße")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """24 pictures of two classes to train on; a third is in the test split alone."""
    root = tmp_path / "raw"
    folder(root / "train", {"a": 12, "b": 12})
    folder(root / "test", {"b": 6, "zebra": 6}, first_seed=50)
    return root


def published(untrained: tuple[str, ...] = ("two",)) -> ModelVersion:
    config = tiny_config().model_copy(update={"untrained": untrained})
    return ModelStore().publish("half", config, tiny_tensors(config))


def test_prepare_tells_of_them(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("data", "prepare", str(raw), str(tmp_path / "out"), "--size", "16")
    for _ in range(2):  # the second time nothing is made
        code, _, told = aigc(capsys, *words)
        assert code == 0
        assert "no training images of zebra (only in test); a model makes these labels only" in told
    code, printed, _ = aigc(capsys, *words, "--json")
    assert json.loads(printed)["untrained"] == {"zebra": "only in test"}
    assert "- zebra: only in test" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize("family", ["gan", "vae"])
def test_training_tells_of_them_and_keeps_them(family: str, raw: Path, tmp_path: Path) -> None:
    data = prepare(spec(raw, tmp_path / "data", near_duplicates="keep"))["uri"]
    told: list[str] = []
    model = {"family": family, "latent_dim": 8, "width": 8}
    asked = tiny_spec(data, tmp_path / "run", model=model, steps=2, batch_size=8)
    made = train(asked, notice=told.append)
    assert made.config.labels == ("a", "b", "zebra")
    assert made.config.untrained == ("zebra",)
    assert [line for line in told if "no training images of zebra" in line]
    dataset = open_dataset(data)
    assert set(asked_labels(made.config, dataset, 60, 0).tolist()) == {1}
    sheet = SampleSheet(made.config, 0, torch.device("cpu"))
    assert set(sheet._label.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("labels", "made", "told"),
    [
        (None, {"zero", "one", "three"}, "labels: two have no training images and are left out"),
        (["two"], {"two"}, "labels: two have no training images; their items will not resemble"),
        (["one", "TWO"], {"one", "two"}, "their items will not resemble"),
        (["one"], {"one"}, ""),
    ],
)
def test_generation_makes_them_only_by_name(
    labels: list[str] | None, made: set[str], told: str, tmp_path: Path
) -> None:
    version, lines = published(), list[str]()
    fields: dict[str, Any] = {"model": version.ref, "out": str(tmp_path / "set"), "count": 12}
    asked = GenerateSpec(**fields, labels=labels, placement={"workers": 1})
    found = generate(asked, notice=lines.append)
    assert set(found["labels"]) == made
    assert [line for line in lines if line.startswith("labels: ")] == (
        [line for line in lines if told in line] if told else []
    )
    assert bool(told) == any("no training images" in line for line in lines)


def test_briefs_and_the_endpoint_make_them_only_by_name(tmp_path: Path) -> None:
    config = tiny_config().model_copy(update={"untrained": ("two",)})
    table = tmp_path / "briefs.csv"
    table.write_text("brief_id,label,count\na,,4\nb,two,1\nc,two|one,2\n")
    asked = GenerateSpec(model="half", out="x", briefs=str(table))
    briefs = read(asked, config).briefs
    rows = briefs.keys(np.arange(briefs.count)).conditions["label"]
    assert [config.labels[at] for at in rows] == [
        *("zero", "one", "three", "zero"),
        *("two", "two", "one"),
    ]
    for prompt, right in ((None, [0, 1, 3]), ("a two", [2]), ("", [0, 1, 3])):
        values = request_conditions.pattern("label", known_facts.facts_of(config), None, prompt)
        assert values.tolist() == right


@pytest.mark.parametrize(
    ("untrained", "usual"),
    [((), ("a", "b")), (("a",), ("b",)), (("a", "b"), ("a", "b"))],
)
def test_what_is_usual(untrained: tuple[str, ...], usual: tuple[str, ...]) -> None:
    config = tiny_config(labels=("a", "b")).model_copy(update={"untrained": untrained})
    assert config.usual == usual
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    assert sorted(label_pattern(config.labels, None, config.usual)) == [
        config.labels.index(name) for name in usual
    ]


@pytest.mark.parametrize(
    ("asked", "right"),
    [
        (NFC, NFC),
        (NFD, NFC),
        (NFD.upper(), NFC),
        (f"  {NFD} ", NFC),
        (unicodedata.normalize("NFD", "각"), "각"),
        ("STRASSE", "Straße"),
        ("\ufeffhat", "hat"),
        ("Hat", "hat"),
    ],
)
def test_other_spellings_of_a_label(asked: str, right: str) -> None:
    assert KNOWN[find_label(KNOWN, asked)] == right
    assert label_pattern(KNOWN, [asked]).tolist() == [KNOWN.index(right)]
    assert labels_in(asked, KNOWN) == [right]
    assert labels_in(f"a picture of {asked}, please", KNOWN) == [right]
    decomposed = [unicodedata.normalize("NFD", name) for name in KNOWN]
    assert find_label(decomposed, asked) == KNOWN.index(right)


@pytest.mark.parametrize("asked", ["Creme brulee", "hut", "", "x" * 10_000, NFD[:3]])
def test_what_is_no_label_is_one_short_line(asked: str) -> None:
    known = (*KNOWN, *(f"class {at}" for at in range(5000)))
    with pytest.raises(SpecError) as refused:
        label_pattern(known, [asked])
    line = str(refused.value)
    assert "and 4,994 more" in line
    assert len(line) < 400
    assert "\n" not in line


@pytest.mark.parametrize(
    ("names", "right"),
    [
        ([], ""),
        (["a"], "a"),
        (range(10), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (range(11), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more"),
        (["x" * 70], "x" * 60 + "…"),
    ],
)
def test_lists_in_messages_are_cut(names: Any, right: str) -> None:
    assert listed(names) == right


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a=30%,b=70%", "30% is not a number; shares are ratios, so leave the % out: 30"),
        ("a=3, b = 50 %", "50 % is not a number; shares are ratios, so leave the % out: 50"),
        ("a=%", "% is not a number"),
        ("a=x", "give every label a share, like bag=3,dress=1"),
        ("a=3,b", "give every label a share, like bag=3,dress=1"),
    ],
)
def test_shares_that_are_no_numbers_are_named(text: str, line: str) -> None:
    with pytest.raises(SpecError, match=re.escape(line)):
        parse_labels(text)
