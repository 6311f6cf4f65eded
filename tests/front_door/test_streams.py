"""Output that the other side does not take: one line or escapes, never a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml

from aigc.cli import app
from aigc.commands import common
from aigc.commands.common import exit_code, print_json, print_table, print_yaml, progress, say

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
STRANGE = "→ café ユニクロ [/sale] 100 × µ"
NOT_UTF8 = b"caf\xe9".decode(errors="surrogateescape")


def _bar(text: str) -> None:
    with progress(text, "images") as report:
        report(1, 1, note=text)


PRINTERS: dict[str, Callable[[str], None]] = {
    "echo": typer.echo,
    "json": lambda text: print_json({"name": text}),
    "table": lambda text: print_table((text,), [(text,)]),
    "yaml": lambda text: print_yaml(yaml.safe_dump({"name": text}, allow_unicode=True)),
    "much": lambda text: typer.echo(text * 100_000),
    "print": print,
}
NEWS: dict[str, Callable[[str], None]] = {"say": say, "progress": _bar}


def run(printer: Callable[[str], None], text: str) -> int:
    """As a verb that prints `text`."""
    verb = typer.Typer()
    verb.command()(lambda: printer(text))
    return exit_code(verb, [])


def stream(encoding: str, errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, write_through=True)


@FULL
@pytest.mark.parametrize("printer", PRINTERS)
def test_a_full_device_is_one_line(printer: str, monkeypatch, capsys) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        assert run(PRINTERS[printer], "text") == 1
    line = "aigc: standard output: No space left on device; redirect it to another place\n"
    assert capsys.readouterr().err == line


@FULL
@pytest.mark.parametrize("printer", NEWS)
def test_news_nobody_can_read_stops_nothing(printer: str, monkeypatch) -> None:
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115
    monkeypatch.setattr(sys, "stderr", full)
    monkeypatch.setattr(common.console, "_file", full)  # `file` is a property
    assert run(NEWS[printer], "text") == 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    full.close()


def test_a_reader_that_has_enough_is_no_error(monkeypatch, capsys) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run(print, "text") == 1
    assert capsys.readouterr().err == ""


def test_a_closed_stdout_takes_nothing(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    for printer in PRINTERS.values():
        assert run(printer, "text") == 0


@pytest.mark.parametrize("text", [STRANGE, NOT_UTF8, "\u2028", "😀", "a\x00b"])
@pytest.mark.parametrize("printer", sorted(PRINTERS.keys() - {"yaml"}))
@pytest.mark.parametrize(
    ("encoding", "errors"),
    [("ascii", "strict"), ("ascii", "surrogateescape"), ("latin-1", "strict"), ("utf-8", "strict")],
)
def test_any_text_on_any_terminal(
    encoding: str, errors: str, printer: str, text: str, monkeypatch
) -> None:
    terminal = stream(encoding, errors)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(PRINTERS[printer], text) == 0
    assert terminal.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_spec_means_the_same_on_any_terminal(encoding: str, monkeypatch) -> None:
    terminal = stream(encoding, "strict")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(PRINTERS["yaml"], STRANGE) == 0
    written = terminal.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert yaml.safe_load(written) == {"name": STRANGE}


def test_errors_keep_their_line_in_ascii(monkeypatch) -> None:
    terminal = stream("ascii", "strict")
    monkeypatch.setattr(sys, "stderr", terminal)
    assert exit_code(app, ["frobnicate→"]) == 2
    assert b"frobnicate\\u2192" in terminal.buffer.getvalue()  # type: ignore[attr-defined]


@FULL
@pytest.mark.parametrize("arguments", ["--help", "--version", "spec train", "train --presets"])
def test_the_process_ends_with_one_line(arguments: str, tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "aigc", *arguments.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert done.returncode == 1
    assert done.stderr == (
        "aigc: standard output: No space left on device; redirect it to another place\n"
    )
