"""The pages a user reads: links lead somewhere, commands and settings exist, README stays short."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from aigc.cli import app
from aigc.modalities import MODALITIES
from aigc.specs import SPECS, AppendSpec
from aigc.specs.files import _models

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "cluster/README.md")),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "docs/llms.txt",
    ]
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`(aigc [^`]+)`")
_SETTING = re.compile(r"--set '?\"?([a-z_0-9.]+)=")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of `page`."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def commands(page: Path) -> Iterator[list[str]]:
    """Each `aigc …` of `page` as words, without comments and what the shell does with it."""
    text = page.read_text()
    lines = [line for block in _BLOCK.findall(text) for line in _joined(block)]
    for line in [*lines, *_INLINE.findall(text)]:
        for part in re.split(r"&&|;|\|(?!\|)|\$\(", line.split(" #")[0].replace("…", "")):
            words = part.strip(' )"').split(">")[0]
            if words.startswith("aigc "):
                yield shlex.split(words.replace("'", "").replace('"', ""))[1:]


def _joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def named(words: list[str]) -> Any:
    """The command that `words` name; None where one of them is no command."""
    found = typer.main.get_command(app)
    for word in words:
        inner = getattr(found, "commands", None)
        if inner is None:
            return found
        if word not in inner:
            return None
        found = inner[word]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    wrong = []
    for words in commands(page):
        if words[0].isupper() or words[0] == "--help":  # `aigc COMMAND --help`
            continue
        command = named(words)
        known = {o for p in getattr(command, "params", ()) for o in (*p.opts, *p.secondary_opts)}
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        if command is None or not options <= known | {"--help"}:
            wrong.append(" ".join(words))
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_fields_of_a_spec(page: Path) -> None:
    kinds = [modality.source.spec for modality in MODALITIES.values()]
    specs = [*SPECS.values(), *kinds, AppendSpec]
    free = {"splits", "synonyms"}  # their own fields are the user's words
    unknown = []
    for name in _SETTING.findall(page.read_text()):
        *parents, last = name.split(".")
        models = [m for spec in specs for m in _found(spec, parents)]
        if last not in free and not any(last in model.model_fields for model in models):
            unknown.append(name)
    assert unknown == []


def _found(spec: Any, parents: list[str]) -> list[Any]:
    return list(_models(spec, parents))


def test_every_page_is_listed() -> None:
    names = [f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")]
    readme, index = (ROOT / "README.md").read_text(), (ROOT / "docs/llms.txt").read_text()
    assert [name for name in names if f"]({name})" not in readme] == []
    assert [name for name in names if f"]({name.removeprefix('docs/')})" not in index] == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_field_of_the_specs_pages_name_their_default() -> None:
    """Defaults that docs/watching.md and docs/serving.md state."""
    watching, serving = ((ROOT / f"docs/{name}.md").read_text() for name in ("watching", "serving"))
    placement = SPECS["generate"].model_fields["placement"].get_default()
    for name in ("batch_timeout_s", "max_retries", "startup_timeout_s"):
        assert f"| `placement.{name}` | {getattr(placement, name):g} |" in watching
    fields = SPECS["serve"].model_fields
    for name in ("max_wait_s", "max_in_flight", "max_queued_images", "startup_timeout_s"):
        assert f"| `{name}` | {fields[name].default:g} |" in serving
