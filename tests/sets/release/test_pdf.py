from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from aigc.errors import JobError, SpecError
from aigc.sets.release import pdf
from aigc.sets.release.pdf import find_browser, print_pdf

PAGE = b"<!doctype html><html lang=en><title>t</title><p>A page &amp; its text</p></html>"


def program(folder: Path, body: str) -> str:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_a_page_becomes_a_pdf() -> None:
    try:
        browser = find_browser()
    except SpecError:
        pytest.skip("no Chromium on PATH")
    found = print_pdf(PAGE, browser)
    assert found.startswith(b"%PDF-")
    assert re.search(rb"/MediaBox \[0 0 (595|594|612)", found)


def test_without_a_browser_one_line_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match=r"no Chromium on PATH .* print it$"):
        find_browser()
    program(tmp_path, "exit 0")
    assert find_browser() == str(tmp_path / "chromium")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo cannot open display >&2; exit 3", "ended with 3: cannot open display"),
        ("exit 0", "ended with 0"),
    ],
)
def test_a_browser_that_fails_is_one_line(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(JobError, match=f"pdf: .*chromium {said}"):
        print_pdf(PAGE, program(tmp_path, body))


def test_a_browser_that_hangs_is_ended(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pdf, "_TIMEOUT_S", 0.3)
    with pytest.raises(JobError, match=r"did not finish within"):
        print_pdf(PAGE, program(tmp_path, "exec sleep 60"))
    with pytest.raises(JobError, match=r"No such file"):
        print_pdf(PAGE, str(tmp_path / "gone"))
