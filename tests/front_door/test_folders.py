"""Folders, archives and tables of pictures as users have them, each with the right result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc.data.opening import open_source
from aigc.errors import AigcError
from tests.data.pictures import spec
from tests.front_door.folder_cases import ENTRIES, IGNORED, LAYOUTS
from tests.front_door.folders import Case, plant
from tests.front_door.source_cases import ARCHIVES, FORMATS, NAMES, TABLES

CASES = [*LAYOUTS, *ENTRIES, *IGNORED, *TABLES, *ARCHIVES, *NAMES, *FORMATS]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_source_is_read_right_or_refused(tmp_path: Path, case: Case) -> None:
    root = plant(tmp_path / "source", case.tree)
    source = root / case.source if case.source else root
    chosen = spec(source, tmp_path / "out", **case.fields)
    if case.refused:
        with pytest.raises(AigcError, match=re.escape(case.refused)) as caught:
            list(open_source(chosen).chunks[0].items(chosen))
        assert "\n" not in str(caught.value)
        assert str(caught.value).encode()
        return
    opened = open_source(chosen)
    items = {item.id: item for chunk in opened.chunks for item in chunk.items(chosen)}
    good = {id: item for id, item in items.items() if item.pixels is not None}
    rejected = {id: item.reason for id, item in items.items() if item.pixels is None}
    assert rejected.keys() == case.rejects.keys(), rejected
    assert all(part in rejected[id] for id, part in case.rejects.items()), rejected
    assert " ".join(opened.labels) == case.labels
    assert {id for id, item in good.items() if item.test} == set(case.test.split())
    assert opened.ignored == dict(case.ignored), opened.reading
    assert case.told in opened.reading
    assert "\n" not in opened.reading
    assert case.items in (None, len(items)), sorted(items)
    assert opened.total == len(items)
    assert {id: opened.labels[good[id].label] for id in case.classes} == dict(case.classes)
    assert {id: good[id].notes.caption for id in case.captions} == dict(case.captions)


def test_the_table_has_no_name_twice() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
