"""Sets of sounds from a model to files, pages and addresses."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from aigc.cli import app as command_line
from aigc.distributed import generate
from aigc.endpoint.app import create_app
from aigc.endpoint.settings import EndpointSettings
from aigc.errors import SpecError
from aigc.families import FAMILIES
from aigc.service.service import Service
from aigc.service.settings import ServiceSettings
from aigc.sets.verify import verify
from aigc.store import ModelStore, ModelVersion
from tests.endpoint.conftest import serving
from tests.modalities import sets
from tests.studio.chromium import chromium

COUNT = 24
made = functools.partial(sets.made, count=COUNT)


@pytest.fixture(scope="module")
def bell() -> Iterator[ModelVersion]:
    from tests.modalities.audio import toy_sounds

    try:
        yield toy_sounds.publish(ModelStore())
    finally:
        del FAMILIES["bell"]


@pytest.fixture(scope="module")
def files(bell: ModelVersion, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    out = tmp_path_factory.mktemp("bell") / "one"
    return out, made(out, bell)


def test_a_set_is_verified_made_again_and_heard(files: tuple[Path, list[bytes]]) -> None:
    out, found = files
    assert len(set(found)) == COUNT
    assert verify(str(out), decode_items=COUNT)["decoded"] == COUNT
    assert generate.regenerate(str(out), [0, 17]) == {at: found[at] for at in (0, 17)}
    result = CliRunner().invoke(command_line, ["view", str(out), "--each", "2"])
    assert result.exit_code == 0, result.output
    page = (out / "gallery.html").read_text()
    assert page.count("<audio controls") == page.count('<img class="sound"') == 4
    assert "Every sound on this page is AI-generated" in page
    assert "24 sounds by bell@v1" in page
    with Image.open(out / "preview.png", formats=("PNG",)) as sheet:
        assert len(set(np.asarray(sheet.convert("L")).ravel().tolist())) > 20
    card = (out / "README.md").read_text()
    assert "- Sounds: 0.25 s, 16,000 Hz, mono, wav" in card
    assert "each sound file" in card


def test_hugging_face_reads_sounds_with_their_rate(files: tuple[Path, list[bytes]]) -> None:
    datasets = pytest.importorskip("datasets")
    out, found = files
    paths = sorted(str(path) for path in (out / "data").rglob("*.parquet"))
    rows = datasets.Dataset.from_parquet(paths, cache_dir=str(out.parent / "cache"))
    assert rows.features["audio"].sampling_rate == 16_000
    assert rows.features["label"].names == ["low", "high"]
    plain = rows.cast_column("audio", datasets.Audio(sampling_rate=16_000, decode=False))
    in_order = sorted(plain, key=lambda row: row["index"])
    assert [row["audio"]["bytes"] for row in in_order] == found
    wave, rate = soundfile.read(io.BytesIO(in_order[0]["audio"]["bytes"]))
    assert (len(wave), rate) == (4000, 16_000)


def _require_decoder() -> None:
    """`datasets` decodes with torchcodec, which loads the FFmpeg of the system."""
    try:
        import torchcodec  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchcodec cannot be loaded: {error}")


@pytest.mark.parametrize("codec", ["wav", "flac", "ogg"])
def test_hugging_face_decodes_sounds(bell: ModelVersion, tmp_path: Path, codec: str) -> None:
    """Not a cast, not our own decoder: what a user of `datasets` gets from `load_dataset`."""
    datasets = pytest.importorskip("datasets")
    _require_decoder()
    found = made(tmp_path / "set", bell, codec=codec)
    rows = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "set/data/**/*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    in_order = sorted(rows, key=lambda row: row["index"])
    names = rows.features["label"].int2str([row["label"] for row in in_order])
    assert names == [row["label_name"] for row in in_order] == ["low", "high"] * (COUNT // 2)
    for row, file in zip(in_order, found, strict=True):
        wave, rate = soundfile.read(io.BytesIO(file), dtype="float32")
        assert row["audio"]["sampling_rate"] == rate == 16_000
        heard = row["audio"]["array"]
        if codec == "ogg":  # FFmpeg may end a file of a single page a block early or late
            assert abs(len(heard) - len(wave)) <= 1024
            length = min(len(heard), len(wave))
            np.testing.assert_allclose(heard[:length], wave[:length], rtol=0, atol=0.02)
        else:
            np.testing.assert_allclose(heard, wave, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("writer", "fields"),
    [("webdataset", {"codec": "flac"}), ("files", {"codec": "ogg", "quality": 70, "rate": 8000})],
)
def test_other_writers_codecs_and_rates(
    bell: ModelVersion, tmp_path: Path, writer: str, fields: dict[str, Any]
) -> None:
    found = made(tmp_path / "set", bell, writer=writer, **fields)
    assert verify(str(tmp_path / "set"), decode_items=COUNT)["decoded"] == COUNT
    wave, rate = soundfile.read(io.BytesIO(found[0]))
    assert (rate, len(wave)) == (fields.get("rate", 16_000), 2000 if "rate" in fields else 4000)
    again = made(tmp_path / "again", bell, writer=writer, **fields)
    assert again == found
    if writer == "files":
        assert len(list((tmp_path / "set" / "sounds" / "low").rglob("*.ogg"))) == COUNT // 2


def test_briefs_set_rate_and_codec(bell: ModelVersion, tmp_path: Path) -> None:
    briefs = tmp_path / "briefs.csv"
    briefs.write_text("brief_id,label,count,rate,codec\na,low,2,8000,flac\nb,high,1,,\n")
    found = made(tmp_path / "set", bell, briefs=str(briefs))
    with soundfile.SoundFile(io.BytesIO(found[0])) as first:
        assert (first.format, first.samplerate) == ("FLAC", 8000)
    with soundfile.SoundFile(io.BytesIO(found[2])) as last:
        assert (last.format, last.samplerate) == ("WAV", 16_000)
    rows = pq.read_table(tmp_path / "set" / "data").sort_by("index").to_pylist()
    assert [(row["rate"], row["codec"]) for row in rows] == [(8000, "flac")] * 2 + [(16_000, "wav")]
    assert "width" not in rows[0]
    briefs.write_text("brief_id,count,codec\na,1,png\n")
    with pytest.raises(SpecError, match=r"codec = 'png': expected one of wav, flac, ogg"):
        made(tmp_path / "refused", bell, briefs=str(briefs))


def test_gates_refuse_silence_and_near_duplicates(bell: ModelVersion, tmp_path: Path) -> None:
    gates = {"degenerate": {"silence_db": -3.2}, "duplicates": True, "min_accepted": 0}
    made(tmp_path / "set", bell, gates=gates)
    refused = json.loads((tmp_path / "set" / "manifest.json").read_text())["refused"]
    assert refused["silent"] > 0, "the peak of a short tone depends on its pitch"


def test_sounds_are_served_and_played(bell: ModelVersion, files: tuple[Path, list[bytes]]) -> None:
    settings = ServiceSettings((bell.ref,), ModelStore().uri, micro_batch=8, precision="fp32")
    app = create_app(Service(settings), EndpointSettings(access_log=False))
    with serving(app) as url:
        with httpx.Client(base_url=url, timeout=30) as client:
            answer = client.get("/v1/items/bell@v1/low/3/0.wav")
            assert answer.content == files[1][0]
            assert answer.headers["content-type"] == "audio/wav"
            other = client.get("/v1/items/bell@v1/low/3/0.flac?rate=8000")
            wave, rate = soundfile.read(io.BytesIO(other.content))
            assert (rate, len(wave)) == (8000, 2000)
            lossless = client.get("/v1/items/bell@v1/low/3/0.wav?quality=50")
            assert "quality = 50: has no effect on codec wav" in lossless.text
            assert client.get("/v1/models/bell").json()["can"] == ["generate"]
            refused = client.get("/v1/images/bell@v1/low/3/0.png")
            assert refused.status_code == 400
            assert "bell@v1 makes sounds" in refused.json()["error"]["message"]
        _play(url)


def _play(url: str) -> None:
    """In real Chromium: the tab is there, the players have sound, the waves are drawn."""
    expect = pytest.importorskip("playwright.sync_api").expect
    with chromium() as browser:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{url}/")
        expect(page.locator("#sound-list audio")).to_have_count(12, timeout=60_000)
        assert page.get_attribute("#tab-sounds", "aria-selected") == "true"
        for name in ("controls", "tab-samples", "tab-walk", "tab-vary", "download-zip"):
            assert page.is_hidden(f"#{name}"), "no settings and views of images"
        main = page.locator("main").bounding_box()
        assert main is not None
        assert main["x"] < 40, "their column is not left empty"
        lengths = page.evaluate(
            "Promise.all([...document.querySelectorAll('#sound-list audio')].map((a) =>"
            " a.readyState ? a.duration : new Promise((done) =>"
            " a.addEventListener('loadedmetadata', () => done(a.duration)))))"
        )
        assert lengths == pytest.approx([0.25] * 12, abs=0.01)
        inked = page.evaluate(
            "[...document.querySelectorAll('#sound-list canvas')].map((c) => c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v).length)"
        )
        assert min(inked) > 500
        page.evaluate("document.querySelector('#sound-list audio').muted = true")
        moved = page.evaluate(
            "new Promise((done) => { const a = document.querySelector('#sound-list audio');"
            " a.addEventListener('ended', () => done(a.currentTime)); a.play(); })"
        )
        assert moved == pytest.approx(0.25, abs=0.05)
        page.select_option("#sound-label", "high")
        expect(page.locator("#sound-list p").first).to_have_text("high 0", timeout=60_000)
        expect(page.locator("#sound-list audio")).to_have_count(12, timeout=60_000)
        assert not errors
