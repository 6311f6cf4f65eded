"""Sounds through `data prepare`: from a folder of files to a data set that a loader reads."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from aigc.data.dataset import open_dataset
from aigc.data.loader import Loader
from aigc.data.requested import load
from aigc.distributed.prepare import run
from aigc.errors import DataError, SpecError
from tests.command_line import aigc
from tests.data.fetch.packs import tar
from tests.data.pictures import encoded as picture
from tests.data.pictures import noise
from tests.modalities.audio.sounds import KINDS, RATE, encoded, folder, hit, spec

CLASSES = {"kick": 12, "snare": 8}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty sounds of two classes, in all formats, mono and stereo."""
    root = tmp_path_factory.mktemp("raw")
    seed = 0
    for name, count in CLASSES.items():
        (root / name).mkdir()
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            data = encoded(hit(seed, 0.3, 44_100, 1 + seed % 2), kind, 44_100)
            (root / name / f"{number}.{kind}").write_bytes(data)
            seed += 1
    return root


def digest(source: Path, out: Path, **fields: object) -> str:
    return str(run(spec(source, out, **fields))["digest"])


def rejects(out: Path) -> dict[str, str]:
    rows = pq.read_table(out / "rejects.parquet").to_pylist()
    return {row["id"]: row["reason"] for row in rows}


def test_a_set_of_sounds_says_what_it_is(raw: Path, tmp_path: Path) -> None:
    made = run(spec(raw, tmp_path / "out"))
    assert (made["train"], made["test"], made["labels"]) == (18, 2, ["kick", "snare"])
    dataset = open_dataset(str(tmp_path / "out"))
    assert dataset.modality == "audio"
    assert (dataset.item.shape, dataset.item.dtype, dataset.item.rate_hz) == (
        (2000, 1),
        "int16",
        8000,
    )
    assert dataset.columns == ("audio", "label", "id")
    assert {name: dataset.info[name] for name in ("samples", "rate", "channels")} == {
        "samples": 2000, "rate": 8000, "channels": 1
    }  # fmt: skip
    sounds, labels = dataset.read("train")
    assert (sounds.shape, str(sounds.dtype), len(labels)) == ((18, 2000, 1), "int16", 18)
    mean, std = dataset.info["mean"][0], dataset.info["std"][0]
    assert mean == pytest.approx(sounds.mean() / 32768, abs=1e-6)
    assert std == pytest.approx(sounds.std() / 32768, abs=1e-5)
    card = (tmp_path / "out/README.md").read_text()
    assert (
        "18 training and 2 test sounds, 0.25 s at 8,000 Hz mono (2,000 samples), 2 classes" in card
    )
    assert "`audio` (WAV bytes and path)" in card
    assert (tmp_path / "out/preview.png").stat().st_size > 1000


def test_a_rerun_and_another_order_of_work_give_the_same_digest(raw: Path, tmp_path: Path) -> None:
    first = digest(raw, tmp_path / "one")
    assert digest(raw, tmp_path / "two") == first
    assert run(spec(raw, tmp_path / "one"))["reused"]
    copy = shutil.copytree(raw, tmp_path / "copy")
    assert digest(copy, tmp_path / "three") == first
    assert digest(raw, tmp_path / "four", rate=11_025) != first


def test_hugging_face_reads_the_shards(raw: Path, tmp_path: Path) -> None:
    run(spec(raw, tmp_path / "out"))
    file = next((tmp_path / "out/train").glob("*.parquet"))
    schema = pq.read_schema(file)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["audio"] == {"_type": "Audio", "sampling_rate": 8000}
    row = pq.read_table(file).to_pylist()[0]
    samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
    assert (len(samples), rate) == (2000, 8000)
    assert row["audio"]["path"].endswith(".wav")


def test_the_loader_gives_the_same_batches_whenever_a_step_is_asked_for(
    raw: Path, tmp_path: Path
) -> None:
    run(spec(raw, tmp_path / "out"))
    dataset = open_dataset(str(tmp_path / "out"))
    for memory in (2**30, 1):
        loader = Loader(dataset, "train", 4, seed=1, memory_bytes=memory)
        assert loader.in_memory == (memory > 1)
        batches = loader.batches()
        first = [next(batches) for _ in range(6)]
        again = next(Loader(dataset, "train", 4, seed=1, memory_bytes=memory).batches(5))
        assert np.array_equal(first[5][0], again[0])
        assert np.array_equal(first[5][1], again[1])
        assert (first[0][0].shape, str(first[0][0].dtype)) == ((4, 2000, 1), "int16")


def test_bad_files_are_rejected_with_their_reasons(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", {"kick": 6, "snare": 6})
    whole = encoded(hit(50, 1.0), "flac")
    bad = {
        "empty.wav": b"",
        "silent.wav": encoded(np.zeros((RATE, 1))),
        "clipped.wav": encoded(np.clip(hit(51) * 20, -1, 1)),
        "cut.flac": whole[:-200],
        "long.ogg": encoded(np.random.default_rng(0).normal(0, 0.1, (8_000 * 70, 1)), "ogg", 8_000),
        "text.mp3": b"this is no sound",
        "notes.mid": b"MThd\0\0\0\6\0\1\0\1\0\1",
        "six.wav": encoded(np.random.default_rng(0).normal(0, 0.1, (800, 6))),
    }
    for name, data in bad.items():
        (root / "kick" / name).write_bytes(data)
    (root / "kick/readme.txt").write_text("not read")
    run(spec(root, tmp_path / "out", max_rejects=20))
    found = {key.removeprefix("kick/"): reason for key, reason in rejects(tmp_path / "out").items()}
    assert found.keys() == bad.keys()
    expected = {
        "empty.wav": "empty file",
        "silent.wav": "silent",
        "clipped.wav": "clipped",
        "cut.flac": "cut off or damaged after",
        "long.ogg": "more than max_seconds = 60",
        "text.mp3": "not a sound",
        "notes.mid": "a MIDI file",
        "six.wav": "6 channels",
    }
    assert {name: text for name, text in expected.items() if text not in found[name]} == {}


def test_too_many_bad_files_stop_and_leave_nothing(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", {"kick": 4})
    (root / "kick/bad.wav").write_bytes(b"RIFF")
    with pytest.raises(
        DataError, match=r"1 of 5 inputs rejected, more than max_rejects = 0\.05"
    ) as e:
        run(spec(root, tmp_path / "out"))
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()


def test_exact_and_near_duplicates_are_dropped(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", {"kick": 6})
    wave = hit(0, 0.4)
    (root / "kick/again.wav").write_bytes(encoded(hit(0), "wav"))
    late = np.concatenate([np.zeros((700, 1)), wave * 0.5])
    (root / "kick/quiet.flac").write_bytes(encoded(late, "flac"))
    made = run(spec(root, tmp_path / "out", test_fraction=0))
    assert made["duplicates"] == {"exact": 1, "near": 1}
    rows = pq.read_table(tmp_path / "out/duplicates.parquet").to_pylist()
    assert {row["kind"] for row in rows} == {"exact", "near"}
    kept = run(spec(root, tmp_path / "all", duplicates="keep", near_duplicates="keep"))
    assert kept["train"] + kept["test"] == 8


def test_labels_licences_and_creators_come_from_a_table(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", {"all": 4})
    lines = ["file_name,text,label,licence,creator"]
    lines += [f"all/{n:04d}.wav,hit {n},{'ab'[n % 2]},CC0-1.0,Ann" for n in range(4)]
    (root / "metadata.csv").write_text("\n".join(lines))
    made = run(spec(root, tmp_path / "out", test_fraction=0))
    assert made["labels"] == ["a", "b"]
    dataset = open_dataset(str(tmp_path / "out"))
    assert sorted(filter(None, dataset.captions("train"))) == [f"hit {n}" for n in range(4)]
    credits = (tmp_path / "out/attribution.csv").read_text()
    assert credits == "licence,creator,sounds\nCC0-1.0,Ann,4\n"


def test_parquet_zip_and_webdataset_are_read_as_folders_are(tmp_path: Path) -> None:
    root = folder(tmp_path / "raw", {"kick": 3, "snare": 3})
    files = {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.wav"))}
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    shard = {}
    for number, (name, data) in enumerate(files.items()):
        shard |= {f"{number:04d}.wav": data, f"{number:04d}.cls": name.split("/")[0].encode()}
    (tmp_path / "tars").mkdir()
    (tmp_path / "tars/part-000000.tar.gz").write_bytes(tar(shard))
    items = [{"bytes": data, "path": name} for name, data in files.items()]
    labels = [name.split("/")[0] for name in files]
    pq.write_table(pa.table({"audio": items, "label": labels}), tmp_path / "sounds.parquet")
    found = {}
    for name in ("raw", "sounds.zip", "tars", "sounds.parquet"):
        chosen = load(None, {"source": str(tmp_path / name), "out": str(tmp_path / f"o-{name}")})
        assert chosen.modality == "audio", name
        made = run(chosen.model_copy(update={"test_fraction": 0.0}))
        assert made["labels"] == ["kick", "snare"]
        sounds, _ = open_dataset(made["uri"]).read("train")
        found[name] = sorted(sound.tobytes() for sound in sounds)
    assert len({tuple(one) for one in found.values()}) == 1


def test_the_kind_of_content_is_that_of_the_files(raw: Path, tmp_path: Path) -> None:
    values = {"out": str(tmp_path / "out")}
    assert load(None, {"source": str(raw), **values}).modality == "audio"
    images = tmp_path / "images/a"
    images.mkdir(parents=True)
    (images / "1.png").write_bytes(picture(noise(1)))
    assert load(None, {"source": str(tmp_path / "images"), **values}).modality == "image"
    assert load(None, {"source": str(tmp_path / "gone"), **values}).modality == "image"
    (tmp_path / "prepare.yaml").write_text(f"source: {raw}\nout: o\nmodality: null\nrate: 8000\n")
    assert load(str(tmp_path / "prepare.yaml"), {}).modality == "audio"


def test_a_few_files_of_another_kind_are_left_to_the_rejects(raw: Path, tmp_path: Path) -> None:
    root = shutil.copytree(raw, tmp_path / "raw")
    (root / "kick/cover.png").write_bytes(picture(noise(1)))
    made = run(load(None, {"source": str(root), "out": str(tmp_path / "out"), "rate": 8000}))
    assert (made["modality"], made["rejects"]) == ("audio", 1)
    assert rejects(tmp_path / "out") == {"kick/cover.png": "a picture, not a sound"}


@pytest.mark.parametrize("archive", [False, True])
def test_pictures_and_sounds_together_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, archive: bool
) -> None:
    root = folder(tmp_path / "raw", {"kick": 3})
    for number in range(3):
        (root / "kick" / f"{number}.png").write_bytes(picture(noise(number)))
    if archive:
        shutil.make_archive(str(tmp_path / "both"), "zip", root)
        root = tmp_path / "both.zip"
    code, _, error = aigc(capsys, "data", "prepare", str(root), str(tmp_path / "out"))
    assert (code, error.count("\n")) == (2, 1)
    assert "3 images" in error
    assert "3 sounds" in error
    assert "set modality to one of audio, image" in error
    assert not (tmp_path / "out").exists()
    command = ("data", "prepare", str(root), str(tmp_path / "out"), "--modality", "audio")
    assert aigc(capsys, *command, "--set", 'ignore=["*.png"]', "--rate", "8000")[0] == 0


def test_fields_of_the_other_kind_are_refused(
    capsys: pytest.CaptureFixture[str], raw: Path, tmp_path: Path
) -> None:
    for words, line in (
        (["--size", "64"], "size"),
        (["--modality", "smell"], "modality = 'smell': expected one of image, audio"),
        (["--modality", "image", "--rate", "8000"], "rate"),
    ):
        code, _, error = aigc(capsys, "data", "prepare", str(raw), str(tmp_path / "out"), *words)
        assert (code, error.count("\n")) == (2, 1), error
        assert line in error
    assert not (tmp_path / "out").exists()


def test_idx_files_are_pictures(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / "raw" / name).write_bytes(bytes(20))
    with pytest.raises(DataError, match="IDX files, which are pictures; set modality = image"):
        run(spec(tmp_path / "raw", tmp_path / "out"))


def test_show_and_prepare_speak_of_sounds(
    capsys: pytest.CaptureFixture[str], raw: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    code, _, error = aigc(
        capsys, "data", "prepare", str(raw), out, "--seconds", "0.25", "--rate", "8000"
    )
    assert code == 0
    assert "18 train and 2 test sounds, 2 classes" in error
    shown = aigc(capsys, "data", "show", out)[1]
    assert "18 train, 2 test" in shown
    assert "0.25 s at 8,000 Hz mono (2,000 samples)" in shown


def test_a_set_of_an_unknown_kind_is_one_line(raw: Path, tmp_path: Path) -> None:
    run(spec(raw, tmp_path / "out"))
    marker = tmp_path / "out/dataset.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"modality": "smell"}))
    with pytest.raises(DataError, match="is of 'smell', this aigc knows image, audio"):
        open_dataset(str(tmp_path / "out")).read("train")


def test_a_damaged_shard_is_one_line(raw: Path, tmp_path: Path) -> None:
    run(spec(raw, tmp_path / "out"))
    marker = tmp_path / "out/dataset.json"
    info = json.loads(marker.read_text())
    info["item"]["shape"] = [1999, 1]
    marker.write_text(json.dumps(info))
    with pytest.raises(DataError, match="a stored sound is damaged"):
        open_dataset(str(tmp_path / "out")).read("train")


def test_a_source_that_is_gone_is_found_finished(raw: Path, tmp_path: Path) -> None:
    source = shutil.copytree(raw, tmp_path / "raw")
    values = {"source": str(source), "out": str(tmp_path / "out"), "seconds": 0.25, "rate": 8000}
    run(load(None, values))
    shutil.rmtree(source)
    again = run(load(None, values))
    assert (again["reused"], again["source_gone"]) == (True, True)


def test_without_soundfile_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, raw: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(SpecError, match=r"pip install 'aigc\[audio\]'"):
        load(None, {"source": str(raw), "out": str(tmp_path / "out")})
