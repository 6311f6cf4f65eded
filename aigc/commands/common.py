"""Shared by all commands: common options, overrides, progress on a terminal or in a log."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from aigc.commands import streams
from aigc.errors import AigcError, SpecError

if TYPE_CHECKING:
    from aigc.types import Report

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Set a field of the spec, such as placement.workers=2."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster, for example auto or 10.0.0.1:6379; default: RAY_ADDRESS."),
]
SpecFile = Annotated[
    str | None, typer.Option("--spec", metavar="FILE", help="YAML spec; options override it.")
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: as many as fit.")]

console = Console(stderr=True, emoji=False)

_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
"""What typer raises for wrong options; it exports only this class's child by name."""


def exit_code(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run `app` on `arguments`, by default the process's own.

    Returns 0 when done, 1 when the job failed or stdout cannot be written, 2 when the input was
    wrong, 130 when interrupted, 143 when ended by SIGTERM. A user error is one line on stderr,
    never a traceback.
    """
    code = _run(app, arguments)
    if broken := streams.unwritten():
        return _unwritten(broken)
    return code


def _run(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    streams.accept_any_text()
    try:
        with _ended_by_sigterm():
            code = app(arguments, standalone_mode=False)
    except AigcError as error:
        return _complain(str(error), error.exit_code)
    except _UsageError as error:
        return _complain(error.format_message(), 2)
    except _Terminated:
        return _complain("ended by SIGTERM; run the same command again to continue", 143)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except OSError as error:
        if broken := streams.unwritten(error):
            return _unwritten(broken)
        raise
    if code == 130:  # typer makes this of a KeyboardInterrupt
        return _complain("interrupted; run the same command again to continue", 130)
    return code if isinstance(code, int) else 0


class _Terminated(BaseException):
    """SIGTERM came. No KeyboardInterrupt, which typer would take for Ctrl-C."""


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into `_Terminated`. Ray sets a handler of its own, which raises SystemExit."""

    def end(number: int, frame: object) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except SystemExit as stop:
        if stop.code == signal.SIGTERM:
            raise _Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def job(main: Callable[..., None]) -> None:
    """Run `main` as a program of its own, with the exit codes of `aigc`."""
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    leave(exit_code(app))


def leave(code: int) -> NoReturn:
    """End the process. What is left goes with it: it need not be looked through once more."""
    gc.freeze()
    sys.exit(code)


def _complain(message: str, code: int) -> int:
    if message:  # without arguments typer has printed the help already
        with contextlib.suppress(OSError):
            print(f"aigc: {message}", file=sys.stderr, flush=True)  # noqa: T201
    return code


def _unwritten(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):  # `| head` has what it wants
        return 1
    return _complain(f"standard output: {error.strerror}; redirect it to another place", 1)


def overrides(settings: list[str] | None, **flags: Any) -> dict[str, Any]:
    """Flags that were given plus every --set, as dotted keys; --set wins."""
    from aigc.specs import parse_setting

    given = {key.replace("__", "."): value for key, value in flags.items() if value is not None}
    return given | dict(parse_setting(text) for text in settings or [])


def place(uri: str | None) -> str | None:
    """Of an option that names a path or s3:// URI, as its callback. Raises StorageError."""
    from aigc import storage

    if uri is not None:
        storage.absolute(uri)
    return uri


def local_folder(text: str) -> Path:
    """Of an argument that names a folder here, as its parser. Raises SpecError, StorageError."""
    if "://" in text:
        raise SpecError(f"{text!r}: expected a folder of this machine")
    place(text)
    return Path(text)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, sort_keys=True, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; nothing is cut short when it goes to a file or a pipe."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold", no_wrap=column != columns[-1])
    for row in rows:
        table.add_row(*map(Text, row))
    wide = None if streams.is_terminal() else 1000
    Console(width=wide, emoji=False).print(table, highlight=False)


def print_yaml(text: str) -> None:
    """On stdout, in ASCII where that lacks characters of it: YAML has escapes of its own."""
    if not streams.can_encode(text):
        import yaml

        text = yaml.safe_dump(yaml.safe_load(text), sort_keys=False)
    typer.echo(text, nl=False)


def say(message: str) -> None:
    """One line of news on stderr, so that stdout stays for results. News that stderr does not take,
    on a full disk say, stops nothing."""
    with contextlib.suppress(OSError):
        console.print(message, highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def progress(what: str, unit: str) -> Iterator[Report]:
    """A `Report` that draws a bar on a terminal and prints a line every ten seconds elsewhere."""
    if not console.is_terminal:
        yield _lines(what, unit)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, note="")
        rate = _Rate()

        def report(done: float, total: float, **metrics: Any) -> None:
            note = f"{done:,.0f}/{total:,.0f} {unit}  {rate(done):,.0f}/s  {_metrics(metrics)}"
            bar.update(task, completed=done, total=total, note=note)

        yield report


class _Rate:
    """Units a second since the first report; work resumed from disk does not count."""

    def __init__(self) -> None:
        self._start: tuple[float, float] | None = None

    def __call__(self, done: float) -> float:
        now = time.monotonic()
        if self._start is None:
            self._start = (now, done)
        elapsed = now - self._start[0]
        return (done - self._start[1]) / elapsed if elapsed > 0 else 0.0


def _lines(what: str, unit: str) -> Report:
    rate, last, said = _Rate(), 0.0, (-1.0, -1.0, "")

    def report(done: float, total: float, **metrics: Any) -> None:
        nonlocal last, said
        speed = rate(done)
        now = time.monotonic()
        ended = done >= total and said[:2] != (done, total)
        if (now - last < 10 and not ended) or (done, total, _metrics(metrics)) == said:
            return
        last, said = now, (done, total, _metrics(metrics))
        pace = [f"{speed:,.0f}/s"] if speed else []  # of the first report there is none
        left = [f"{(total - done) / speed:,.0f} s left"] if speed and done < total else []
        parts = [f"{done:,.0f}/{total:,.0f} {unit}", *pace, *left, _metrics(metrics)]
        line = f"{what}: {', '.join(filter(None, parts))}"
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    return report


def _metrics(metrics: dict[str, Any]) -> str:
    return "  ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in metrics.items()
    )
