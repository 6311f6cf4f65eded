"""Generators of installed packages: only those on the list, only as they were imported."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aigc.errors import SpecError, StoreError
from aigc.families import InferenceConfig
from aigc.families.imported import candidates
from aigc.families.installed import GENERATORS, digest, load_generator
from aigc.families.package import PackageModel
from aigc.families.package_import import import_package
from aigc.job.asked import sampling_of
from aigc.specs import GenerateSpec

PAGE = Path(__file__).parents[2] / "docs" / "import.md"
EXAMPLE = re.findall(r"```python\n(\"\"\"stripes.*?)```", PAGE.read_text(), re.DOTALL)[0]


class Site:
    """A folder of installed code."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        patch.syspath_prepend(str(folder))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def list(self, names: str) -> None:
        self._patch.setenv("AIGC_GENERATORS", names)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    before = set(sys.modules)
    made = Site(tmp_path / "site", monkeypatch)
    made.folder.mkdir()
    yield made
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None):
            file = Path(str(sys.modules[name].__file__))
            if made.folder in file.parents:
                del sys.modules[name]


def refusal(name: str, labels: tuple[str, ...] = ()) -> str:
    with pytest.raises((StoreError, SpecError)) as caught:
        import_package(name, labels)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_of_the_page_works_and_is_short(site: Site) -> None:
    assert len(EXAMPLE.splitlines()) <= 30
    site.write("stripes.py", EXAMPLE)
    site.list("stripes:Stripes")
    config, notes = import_package("stripes:Stripes", (), "Apache-2.0")
    assert isinstance(config.architecture, PackageModel)
    assert config.labels == ("red", "green", "blue")
    assert config.takes == ("label",)
    assert (config.height, config.width, config.channels) == (32, 32, 3)
    assert config.origin is not None
    assert config.origin.licence == "Apache-2.0"
    assert config.origin.sha256 == digest("stripes:Stripes")
    assert notes.sample.shape[1:] == (3, 32, 32)
    generator = load_generator(config, InferenceConfig())
    one = generator(*candidates([4], 3))
    torch.testing.assert_close(one, generator(*candidates(range(8), 3))[4:5], rtol=0, atol=0)


def test_a_setting_that_changes_nothing_is_refused(site: Site) -> None:
    site.write("stripes.py", EXAMPLE)
    normal = "noise.normal((2,), cut=given.get('truncation')).double()"
    site.write("narrow.py", EXAMPLE.replace("noise.uniform((2,))", normal))
    site.list("stripes:Stripes,narrow:Stripes")
    spec = GenerateSpec(model="m", out="o", count=1, sampling={"truncation": 0.5})
    config, _ = import_package("narrow:Stripes", ())
    assert config.settings == ("truncation",)
    assert sampling_of(spec, config) == {"truncation": 0.5}
    config, _ = import_package("stripes:Stripes", ())
    assert config.settings == ()
    with pytest.raises(SpecError, match=r"^truncation = 0.5: has no effect on the model"):
        sampling_of(spec, config)


def test_a_class_that_is_not_on_the_list_is_not_imported(site: Site) -> None:
    site.write("evil.py", "raise SystemExit('imported')")
    text = refusal("evil:Class")
    assert text.startswith("evil:Class: not on this machine's list of generators")
    assert "aigc.generators" in text
    assert "AIGC_GENERATORS" in text
    assert "evil" not in sys.modules
    assert "os:system" not in GENERATORS.allowed()


def test_a_model_folder_cannot_name_what_is_not_on_the_list(site: Site) -> None:
    site.write("stripes.py", EXAMPLE)
    site.list("stripes:Stripes")
    config, _ = import_package("stripes:Stripes", ())
    site.list("other:Class")
    with pytest.raises(StoreError, match=r"not on this machine's list .* there are: other:Class"):
        load_generator(config, InferenceConfig())


def test_entry_points_are_on_the_list(site: Site) -> None:
    site.write("stripes/__init__.py", "")
    site.write("stripes/nets.py", EXAMPLE)
    site.write(
        "stripes-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: stripes\nVersion: 1.2"
    )
    site.write("stripes-1.2.dist-info/RECORD", "stripes/__init__.py,,\nstripes/nets.py,,\n")
    site.write("stripes-1.2.dist-info/top_level.txt", "stripes\n")
    site.write(
        "stripes-1.2.dist-info/entry_points.txt",
        "[aigc.generators]\nwaves = stripes.nets:Stripes\n",
    )
    config, notes = import_package("waves", ())
    assert isinstance(config.architecture, PackageModel)
    assert config.architecture.generator == "stripes.nets:Stripes"
    assert config.origin is not None
    assert config.origin.source == "stripes 1.2"
    assert notes.facts["package"] == "stripes 1.2"


def test_another_version_of_the_package_is_refused(site: Site) -> None:
    site.write("stripes/__init__.py", EXAMPLE)
    site.write("stripes/weights.txt", "1")
    site.list("stripes:Stripes")
    config, _ = import_package("stripes:Stripes", ())
    load_generator(config, InferenceConfig())
    site.write("stripes/weights.txt", "2")
    with pytest.raises(StoreError, match="is not the one that was imported"):
        load_generator(config, InferenceConfig())


BAD = {
    "leaks": ("        return x", "        return x - x.mean(0)"),
    "draws": ("        return x", "        return x + torch.rand(1)"),
    "counts": ("        return x", "        self.n = getattr(self, 'n', 0) + 1; return x + self.n"),
    "nan": ("        return x", "        return x / 0"),
    "shape": ("        return x", "        return x[:, :, :8]"),
    "dtype": ("        return x", "        return x.double()"),
    "fails": ("        return x", "        raise KeyError('gone')"),
    "same": ("        return x", "        return x * 0"),
    "array": ("        return x", "        return x.numpy()"),
}
SAYS = {
    "leaks": "refused: an item made with other neighbours differs",
    "draws": "refused: an item made again with the same noise differs",
    "counts": "refused: an item made again with the same noise differs",
    "nan": "not finite",
    "shape": "gives the shape 128 × 1 × 8 × 16 for 128 rows; expected 128 × 1 × 16 × 16",
    "dtype": "gives torch.float64; expected a tensor of float32",
    "fails": "fails: KeyError: 'gone'",
    "same": "refused: every noise gives the same item",
    "array": "gives ndarray; expected a tensor of float32",
}
PLAIN = """
import torch
from aigc.modalities import ItemType

class Made:
    item = ItemType((16, 16, 1), "uint8")
    takes = ()
    size_bytes = 0

    def __init__(self, inference):
        pass

    def __call__(self, noise, given):
        x = noise.normal((1, 16, 16)).clamp(-1, 1)
        return x
"""


@pytest.mark.parametrize("kind", BAD)
def test_generators_that_do_not_keep_the_protocol_are_refused(site: Site, kind: str) -> None:
    site.write("bad.py", PLAIN.replace(*BAD[kind]))
    site.list("bad:Made")
    assert SAYS[kind] in refusal("bad:Made")


def test_what_is_no_generator_is_refused(site: Site) -> None:
    site.write("bad.py", "class Empty:\n    def __init__(self, inference): pass\nclass No: pass\n1")
    site.write("broken.py", "1 / 0")
    site.list("bad:Empty, bad:No bad:Missing broken:Class gone.away:Class")
    assert "lacks item, takes, size_bytes, __call__" in refusal("bad:Empty")
    assert "cannot be made: TypeError" in refusal("bad:No")
    assert "the module bad has no Missing" in refusal("bad:Missing")
    assert "fails when it is imported: ZeroDivisionError" in refusal("broken:Class")
    assert "the package gone is not installed here" in refusal("gone.away:Class")


def test_labels_and_takes_have_to_agree(site: Site) -> None:
    site.write("good.py", PLAIN)
    site.write("labelled.py", PLAIN.replace("takes = ()", 'takes = ("label",)'))
    site.write("texts.py", PLAIN.replace("takes = ()", 'takes = ("text",)'))
    site.write("sized.py", PLAIN.replace("(16, 16, 1)", "(16, 16)"))
    site.list("good:Made labelled:Made texts:Made sized:Made")
    assert "takes no label; leave --labels out" in refusal("good:Made", ("cat",))
    assert "--labels cat,dog" in refusal("labelled:Made")
    assert "takes text, which this version cannot give it" in refusal("texts:Made")
    assert "items are uint8 of (16, 16), which no modality has (images: have another" in refusal(
        "sized:Made"
    )
    config, _ = import_package("good:Made", ())
    assert config.takes == ()
