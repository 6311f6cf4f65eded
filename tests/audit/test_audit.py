from __future__ import annotations

import errno
import hashlib
import json
import logging
import multiprocessing
import os
import resource
import threading
from pathlib import Path

import pytest

from aigc.audit import Audit, AuditLog, Head, open_log, verify
from aigc.audit.entries import check
from aigc.errors import AuditError, SpecError, StorageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log" / "audit.jsonl"


def log_of(file: Path, **options) -> AuditLog:
    return AuditLog(str(file), who="ann@desk", **options)


def filled(file: Path, count: int = 5) -> list[bytes]:
    log = log_of(file)
    for number in range(count):
        log.record("set.released", set=f"out/{number}")
    return file.read_bytes().splitlines()


def problems(file: Path, kept: Head | None = None) -> list[str]:
    return [str(problem) for problem in verify(str(file), kept).problems]


def test_each_line_holds_the_hash_of_the_line_before(file: Path) -> None:
    lines = filled(file)
    values = [json.loads(line) for line in lines]
    assert [one["n"] for one in values] == [1, 2, 3, 4, 5]
    assert [one["before"] for one in values[1:]] == [
        hashlib.sha256(line).hexdigest() for line in lines[:-1]
    ]
    assert values[2] | {"at": "", "before": ""} == {
        "n": 3,
        "at": "",
        "what": "set.released",
        "who": "ann@desk",
        "about": {"set": "out/2"},
        "before": "",
    }
    verdict = verify(str(file))
    assert (verdict.lines, verdict.problems) == (5, [])
    assert verdict.head == Head(5, hashlib.sha256(lines[-1]).hexdigest())
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("at", range(5))
def test_an_edited_line_is_found(file: Path, at: int) -> None:
    lines = filled(file)
    lines[at] = lines[at].replace(b"ann@desk", b"bob@desk")
    file.write_bytes(b"\n".join(lines) + b"\n")
    [found] = problems(file)
    assert "edited" in found
    assert str(at + 1) in found


@pytest.mark.parametrize("at", range(5))
def test_a_removed_line_is_found(file: Path, at: int) -> None:
    lines = filled(file)
    del lines[at]
    file.write_bytes(b"\n".join(lines) + b"\n")
    [found] = problems(file)
    assert "removed" in found


@pytest.mark.parametrize("at", range(4))
def test_reordered_lines_are_found(file: Path, at: int) -> None:
    lines = filled(file)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    file.write_bytes(b"\n".join(lines) + b"\n")
    found = problems(file)
    assert any("reordered" in problem for problem in found)


def test_an_inserted_or_foreign_line_is_found(file: Path) -> None:
    lines = filled(file)
    file.write_bytes(b"\n".join([*lines[:2], lines[1], *lines[2:]]) + b"\n")
    assert any("reordered" in found for found in problems(file))
    file.write_bytes(b"\n".join([*lines[:2], b"hello", *lines[2:]]) + b"\n")
    assert problems(file)[0] == "line 3: is not a line of an audit log, or is damaged"


def test_a_log_written_anew_is_found_by_a_head_kept_elsewhere(file: Path) -> None:
    filled(file)
    kept = Head.parse(str(verify(str(file)).head))
    assert kept is not None
    log_of(file).record("model.published", model="a@v1")
    assert problems(file, kept) == []
    for one in (file, file.with_name("audit.jsonl.head")):
        one.unlink()
    filled(file, 6)
    assert problems(file) == []
    assert "line 5: was edited: it is not the line of the kept head" in problems(file, kept)
    for one in (file, file.with_name("audit.jsonl.head")):
        one.unlink()
    filled(file, 3)
    assert "removed from the end" in problems(file, kept)[0]


def test_nothing_is_added_after_lines_that_were_removed(file: Path) -> None:
    lines = filled(file)
    file.write_bytes(b"\n".join(lines[:3]) + b"\n")
    with pytest.raises(AuditError, match="lines were changed or removed"):
        log_of(file).record("set.released")
    assert file.read_bytes().splitlines() == lines[:3]


def test_an_unfinished_line_never_counted(file: Path) -> None:
    lines = filled(file, 2)
    with file.open("ab") as more:
        more.write(b'{"n":3,"at"')
    log_of(file).record("set.released", set="later")
    assert file.read_bytes().splitlines()[:2] == lines
    assert problems(file) == []


def test_a_head_that_a_crash_left_behind_is_taken_up(file: Path) -> None:
    filled(file, 2)
    head = file.with_name("audit.jsonl.head")
    before = head.read_bytes()
    log_of(file).record("set.released")
    head.write_bytes(before)
    assert problems(file) == []
    log_of(file).record("set.released")
    assert (verify(str(file)).lines, problems(file)) == (4, [])


def _many(file: str, name: str) -> None:
    log = AuditLog(file, who=name)
    for number in range(20):
        log.record("model.published", number=number)


def test_processes_and_threads_append_to_one_chain(file: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many, args=(str(file), f"p{n}")) for n in range(3)]
    threads = [threading.Thread(target=_many, args=(str(file), f"t{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for thread in threads:
        thread.start()
    for worker in workers:
        worker.join(60)
    for thread in threads:
        thread.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (verify(str(file)).lines, problems(file)) == (120, [])
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    for name in ("p0", "p1", "p2", "t0", "t1", "t2"):
        own = [line["about"]["number"] for line in lines if line["who"] == name]
        assert own == list(range(20))


def _on_a_full_disk(file: str, policy: str, pipe) -> None:
    """No file of this process may grow beyond its present size."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(file).stat().st_size + 10,) * 2)
    try:
        AuditLog(file, policy, who="x").record("set.released")  # type: ignore[arg-type]
        pipe.send("went on")
    except AuditError as error:
        pipe.send(str(error))


@pytest.mark.parametrize(
    ("policy", "said"), [("stop", os.strerror(errno.EFBIG)), ("continue", "went on")]
)
def test_a_full_disk_stops_or_warns_and_leaves_the_log_whole(
    file: Path, policy: str, said: str
) -> None:
    lines = filled(file)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_on_a_full_disk, args=(str(file), policy, theirs))
    worker.start()
    assert ours.poll(30)
    assert said in ours.recv()
    worker.join(30)
    assert file.read_bytes().splitlines() == lines
    assert problems(file) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, caplog) -> None:
    place = tmp_path / "is-a-folder"
    place.mkdir()
    with pytest.raises(AuditError, match=r"directory; set\.started cannot be logged") as caught:
        AuditLog(str(place)).record("set.started")
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING, "aigc"):
        AuditLog(str(place), "continue").record("set.started")
    assert "set.started is not logged" in caplog.text
    AuditLog(None).record("set.started")


def test_settings_come_from_the_spec_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIGC_AUDIT_LOG", raising=False)
    assert open_log().place is None
    monkeypatch.setenv("AIGC_AUDIT_LOG", str(tmp_path / "a.jsonl"))
    monkeypatch.setenv("AIGC_AUDIT_ON_FAILURE", "continue")
    monkeypatch.setenv("AIGC_ACCOUNT", "release-bot")
    found = open_log()
    assert (found.place, found.on_failure, found.who) == (
        str(tmp_path / "a.jsonl"),
        "continue",
        "release-bot",
    )
    own = open_log(Audit(log=str(tmp_path / "b.jsonl"), on_failure="stop"))
    assert (own.place, own.on_failure) == (str(tmp_path / "b.jsonl"), "stop")
    monkeypatch.setenv("AIGC_AUDIT_ON_FAILURE", "maybe")
    with pytest.raises(SpecError, match="AIGC_AUDIT_ON_FAILURE = 'maybe': expected stop or"):
        open_log()


def test_no_log_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        verify(str(tmp_path / "none.jsonl"))
    assert check([]).lines == 0
