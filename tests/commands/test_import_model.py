"""`aigc models import`, and imported models in all that models are used for."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.store import ModelStore
from tests.commands.conftest import Aigc
from tests.endpoint.conftest import serving
from tests.families.test_installed import EXAMPLE
from tests.onnx_for_tests import (
    CLASSES,
    Leaking,
    Pictures,
    Plain,
    Sounds,
    exported,
    with_external_data,
)

LABELS = ",".join(CLASSES)
TOGETHER = ("--set", "placement.cpus_per_worker=0.3", "--set", "shard_items=128")
"""Three workers on any machine."""


def imported(aigc: Aigc, tmp_path: Path, *options: str) -> None:
    (tmp_path / "cats.onnx").write_bytes(exported(Pictures))
    done = aigc("models", "import", "cats.onnx", "cats", "--labels", LABELS, *options)
    assert done.code == 0, done.err


def test_an_imported_graph_is_listed_shown_and_described(aigc: Aigc, tmp_path: Path) -> None:
    imported(aigc, tmp_path, "--licence", "CC-BY-4.0", "--source", "https://example.org/cats")
    digest = hashlib.sha256(exported(Pictures)).hexdigest()
    [row] = json.loads(aigc("models", "list", "--json").out)
    assert (row["ref"], row["family"], row["labels"]) == ("cats@v1", "onnx", list(CLASSES))
    shown = aigc("models", "show", "cats").out
    for part in ("CC-BY-4.0", "https://example.org/cats", "cats.onnx", digest):
        assert part in shown
    version = ModelStore().resolve("cats")
    card = version.read("README.md").decode()
    assert 'license: "CC-BY-4.0"' in card
    assert digest in card
    assert version.read("samples.png").startswith(b"\x89PNG")
    joined = version.read("config.json") + version.read("model.onnx")
    assert hashlib.sha256(joined).hexdigest() == version.digest
    assert version.read("model.onnx") == exported(Pictures)


def test_an_unknown_licence_is_said(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "waves.onnx").write_bytes(exported(Plain))
    done = aigc("models", "import", "waves.onnx", "waves", "--json")
    assert done.code == 0
    assert "licence: unknown; state it with --licence" in done.err
    found = json.loads(done.out)
    assert found["config"]["architecture"]["imported"]["licence"] == "unknown"
    assert found["facts"]["output"] == "image: NHW, 0..1"
    assert "**Its licence is unknown**" in ModelStore().resolve("waves").read("README.md").decode()


def test_any_workers_and_the_endpoint_give_the_same_bytes(aigc: Aigc, tmp_path: Path) -> None:
    imported(aigc, tmp_path, "--licence", "CC0-1.0")
    for workers in ("1", "3"):
        made = aigc(
            *(
                "generate",
                "--model",
                "cats",
                "--count",
                1000,
                "--seed",
                5,
                "--out",
                f"set{workers}",
            ),
            *("--workers", workers, "--set", "precision=fp32", *TOGETHER),
        )
        assert made.code == 0, made.err
    one, three = (json.loads((tmp_path / f"set{n}/manifest.json").read_text()) for n in (1, 3))
    assert one["items"] == three["items"] == 1000
    assert one["content_digest"] == three["content_digest"]
    assert three["job"]["origin"]["licence"] == "CC0-1.0"
    assert three["job"]["origin"]["sha256"] == hashlib.sha256(exported(Pictures)).hexdigest()
    assert "licence CC0-1.0" in (tmp_path / "set3/README.md").read_text()

    verified = aigc("verify", "set3", "--regenerate", 40)
    assert verified.code == 0
    assert "byte for byte equal" in verified.out
    rows = pq.read_table(tmp_path / "set3/data").to_pylist()
    assert len({row["image"]["bytes"] for row in rows}) == 1000
    again = aigc("regenerate", "set3", "--item", 777, "--to", "again")
    assert again.code == 0, again.err
    [stored] = [row["image"]["bytes"] for row in rows if row["index"] == 777]
    [file] = (tmp_path / "again").iterdir()
    assert file.read_bytes() == stored

    settings = ServiceSettings(models=("cats@v1",), precision="fp32", render_process=True)
    app = create_app(Service(settings), EndpointSettings(access_log=False))
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        for row in rows[::37]:
            path = f"/v1/images/cats@v1/{row['label_name']}/5/{row['candidate']}.png"
            assert client.get(path).content == row["image"]["bytes"]
        asked = {"model": "cats", "labels": ["dog"], "seed": 5, "n": 2}
        assert client.post("/v1/images/generations", json=asked).status_code == 200
        [listed] = client.get("/v1/models").json()["data"]
        assert listed["id"].startswith("cats")
        assert listed["can"] == ["generate"]
        assert "CC0-1.0" in client.get("/v1/models/cats").json()["card"]
        walk = {
            "model": "cats",
            "from": {"label": "cat", "seed": 1},
            "to": {"label": "dog", "seed": 2},
            "steps": 4,
        }
        refused = client.post("/v1/latents/walk", json=walk)
        assert refused.status_code == 400
        assert "cats@v1 has no latent space to walk in" in refused.text


def test_gates_that_need_what_it_has_not_are_one_line(aigc: Aigc, tmp_path: Path) -> None:
    imported(aigc, tmp_path)
    plain = ("generate", "--model", "cats", "--count", 200, *TOGETHER, "--out")
    for settings in ("gates.realism.percentile=5", "include=[scores]", "include=[latents]"):
        refused = aigc(*plain, "refused", "--set", settings)
        assert refused.code == 2, settings
        assert len(refused.err.splitlines()) == 1
        assert not (tmp_path / "refused").exists()
    gated = aigc(
        *plain, "gated", "--set", "gates.degenerate=true", "--set", "gates.duplicates=true"
    )
    assert gated.code == 0, gated.err
    assert aigc("verify", "gated", "--regenerate", 10).code == 0


def test_a_latent_space_gives_latents(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "waves.onnx").write_bytes(exported(Plain))
    assert aigc("models", "import", "waves.onnx", "waves").code == 0
    made = aigc(
        *("generate", "--model", "waves", "--count", 50, "--out", "waves", *TOGETHER),
        *("--set", "include=[latents]", "--set", "truncation=0.7"),
    )
    assert made.code == 0, made.err
    [latent, *_] = pq.read_table(tmp_path / "waves/data")["latent"].to_pylist()
    assert len(latent) == 24
    assert max(map(abs, latent)) <= 0.7


def test_sounds_are_imported_and_made(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "beeps.onnx").write_bytes(exported(Sounds))
    start = ("models", "import", "beeps.onnx", "beeps", "--labels", LABELS)
    refused = aigc(*start)
    assert refused.code == 2
    assert "give --rate HZ if they are sounds" in refused.err
    done = aigc(*start, "--rate", 8000, "--licence", "CC0-1.0")
    assert done.code == 0, done.err
    assert "NCT, -1..1" in done.out
    config = ModelStore().resolve("beeps").config
    assert (config.modality, config.item.rate_hz, config.item.shape) == ("audio", 8000, (512, 1))
    assert "8,000 Hz" in aigc("models", "show", "beeps").out
    made = aigc("generate", "--model", "beeps", "--count", 60, "--out", "beeps", *TOGETHER)
    assert made.code == 0, made.err
    assert aigc("verify", "beeps", "--regenerate", 20).code == 0
    [first, *_] = pq.read_table(tmp_path / "beeps/data")["audio"].to_pylist()
    assert first["bytes"].startswith(b"RIFF")


@pytest.mark.integration
def test_it_is_evaluated_and_gated_on_data_of_its_shape(
    aigc: Aigc, tmp_path: Path, digits_data: str
) -> None:
    (tmp_path / "waves.onnx").write_bytes(exported(Plain))
    assert aigc("models", "import", "waves.onnx", "waves", "--licence", "MIT").code == 0
    done = aigc("evaluate", "waves", "--data", digits_data, "--samples", 200)
    assert done.code == 0, done.err
    assert json.loads(ModelStore().resolve("waves").read("config.json"))
    assert "fd_floor" in aigc("models", "show", "waves").out
    gated = aigc(
        *("generate", "--model", "waves", "--count", 100, "--out", "gated", *TOGETHER),
        *("--set", f"gates.memorisation.data={digits_data}"),
        *("--set", "gates.realism.score=density", "--set", f"gates.realism.data={digits_data}"),
        *("--set", "gates.realism.percentile=10"),
    )
    assert gated.code == 0, gated.err
    assert "realism" in json.loads((tmp_path / "gated/manifest.json").read_text())["refused"]
    assert aigc("verify", "gated", "--regenerate", 10).code == 0


def test_a_listed_class_makes_a_set(
    aigc: Aigc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: sys.modules.pop("stripes", None))
    (tmp_path / "site").mkdir()
    (tmp_path / "site/stripes.py").write_text(EXAMPLE)
    refused = aigc("models", "import", "stripes:Stripes", "stripes")
    assert refused.code == 2
    assert "not on this machine's list" in refused.err
    monkeypatch.setenv("AIGC_GENERATORS", "stripes:Stripes")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    done = aigc("models", "import", "stripes:Stripes", "stripes", "--licence", "MIT")
    assert done.code == 0, done.err
    digests = set()
    for workers in (1, 3):
        words = f"generate --model stripes --count 300 --out set{workers} --workers {workers}"
        made = aigc(*words.split(), *TOGETHER)
        assert made.code == 0, made.err
        manifest = json.loads((tmp_path / f"set{workers}/manifest.json").read_text())
        assert manifest["job"]["origin"]["name"] == "stripes:Stripes"
        digests.add(manifest["content_digest"])
    assert len(digests) == 1
    assert aigc("verify", "set3", "--regenerate", 10).code == 0
    monkeypatch.setenv("AIGC_GENERATORS", "")
    refused = aigc("generate", "--model", "stripes", "--count", 9, "--out", "no", *TOGETHER)
    assert refused.code in (1, 2)
    assert "not on this machine's list" in refused.err


@pytest.mark.parametrize("kind", ["leak", "external", "pickle", "truncated", "folder", "missing"])
def test_refusals_are_one_line_and_leave_nothing(aigc: Aigc, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.onnx"
    if kind == "external":
        path = with_external_data(tmp_path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        data = {
            "leak": exported(Leaking),
            "pickle": pickle.dumps([1.0]),
            "truncated": exported(Pictures)[:-500],
        }
        path.write_bytes(data[kind])
    done = aigc("models", "import", path, "cats", "--labels", LABELS)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert path.name in done.err
    assert not (tmp_path / "store").exists()


def test_options_that_are_wrong_are_one_line(aigc: Aigc, tmp_path: Path) -> None:
    (tmp_path / "cats.onnx").write_bytes(exported(Pictures))
    (tmp_path / "names.txt").write_text("cat\ndog\n\nowl\n")
    start = ("models", "import", "cats.onnx")
    for options, says in {
        ("Cats!", "--labels", LABELS): "model name 'Cats!'",
        ("cats",): "--labels cat,dog",
        ("cats", "--labels", "cat,cat"): "names cat more than once",
        ("cats", "--labels", " , "): "names no label",
        ("cats", "--labels", LABELS, "--fix", "psi"): "expected INPUT=NUMBER",
        ("cats", "--labels", LABELS, "--range", "0..9"): "expected one of",
        ("cats", "--labels", LABELS, "--distribution", "flat"): "expected normal or uniform",
        ("cats", "--labels", LABELS, "--embeddings", "cats.onnx"): "a .npy file",
    }.items():
        done = aigc(*start, *options)
        assert done.code == 2, options
        assert len(done.err.splitlines()) == 1
        assert says in done.err
    assert not (tmp_path / "store").exists()
    assert aigc(*start, "cats", "--labels", "names.txt").code == 0
    assert ModelStore().resolve("cats").config.labels == CLASSES
