"""Names of tests that failed once and passed when they were run again.

A pytest plugin, loaded by tests/conftest.py. With `--note-failures=FILE` a run writes the tests
that failed, one a line; a run with `--failed-before=FILE` runs those alone and, at its very end,
names those that pass now. A test that is named there is to be made deterministic. Before a
conftest is read, pytest takes what follows an option that it does not know for a folder of tests;
hence the `=`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("flaky tests")
    group.addoption("--note-failures", metavar="FILE", help="write the tests that failed to FILE")
    group.addoption("--failed-before", metavar="FILE", help="run the tests that FILE names")


class NoteFailures:
    """Writes what failed, errors of fixtures included."""

    def __init__(self, file: Path) -> None:
        self._file, self._failed = file, dict[str, None]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_sessionfinish(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("".join(f"{name}\n" for name in self._failed), encoding="utf-8")


class RunAgain:
    """Runs what failed before and says what passes now."""

    def __init__(self, file: Path) -> None:
        self._before = file.read_text(encoding="utf-8").splitlines()
        self._failed, self._ran = set[str](), dict[str, None]()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        chosen = [item for item in items if item.nodeid in self._before]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ran[report.nodeid] = None
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_unconfigure(self, config: pytest.Config) -> Iterator[None]:
        """After everything else that is printed."""
        yield
        flaky = [name for name in self._ran if name not in self._failed]
        if flaky:
            sys.stdout.write(f"\n{len(flaky)} test(s) failed and passed when run again:\n")
            sys.stdout.writelines(f"FLAKY {name}\n" for name in flaky)
            sys.stdout.flush()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # of pytest-xdist: the controller notes
        return
    if file := config.getoption("--note-failures"):
        config.pluginmanager.register(NoteFailures(Path(file)))
    if file := config.getoption("--failed-before"):
        config.pluginmanager.register(RunAgain(Path(file)))
