"""The page: everything is said, everything is escaped, nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aigc.errors import JobError
from aigc.provenance.profiles import ASKS, READ_ON
from aigc.sets.release import cells
from aigc.sets.release.checks import the_labels
from aigc.sets.release.facts import ReleaseFacts, ReleaseRequest, gather
from aigc.sets.release.markup import bars, histogram, text
from aigc.sets.release.page import render
from tests.sets.release.conftest import Shop

HOSTILE = '"><script>alert(1)</script>\u202e\0\n<img src=x onerror=alert(1)>&amp;'


@pytest.fixture(scope="module")
def release(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> ReleaseFacts:
    return gather(shop.out, str(tmp_path_factory.mktemp("where")), ReleaseRequest())


@pytest.fixture(scope="module")
def page(release: ReleaseFacts) -> str:
    return render(release)


class Elements(HTMLParser):
    """Names of elements and their attributes; raises where one is not closed."""

    VOID = frozenset(("meta", "img", "input", "br"))

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_it_says_what_the_set_is(page: str, release: ReleaseFacts, shop: Shop) -> None:
    for said in (
        f"100 images by {release.job.model}",
        release.manifest["content_digest"],
        release.job.model_digest,
        shop.dataset.digest,
        shop.dataset.source,
        "Every image of this set is AI-generated",
        "64 of 64",
        READ_ON,
        "Iptc4xmpExt:DigitalSourceType",
    ):
        assert text(said) in page
    for asks in ASKS.values():
        for ask in asks:
            assert text(ask.demand) in page


def test_it_is_whole_and_loads_nothing(page: str) -> None:
    elements = Elements(page)
    addresses = [
        a.get("src") or a.get("href") for _, a in elements.found if "src" in a or "href" in a
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses if address)
    assert not elements.of("script")
    assert not elements.of("link")
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = [a for a in elements.of("meta") if "http-equiv" in a]
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:")
    ids = [a["id"] for _, a in elements.found if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {(a.get("href") or "").removeprefix("#") for a in elements.of("a")}
    assert targets <= set(ids)


def test_pictures_are_there_at_once_and_have_names(page: str, release: ReleaseFacts) -> None:
    images = Elements(page).of("img")
    assert len(images) == 12 + 2 * len(release.pairs) + 4 * 10
    assert all(image["alt"] for image in images)
    assert "lazy" not in page


def test_what_comes_from_outside_is_escaped(release: ReleaseFacts) -> None:
    dataset = release.data.dataset
    assert dataset is not None
    said = {"source": HOSTILE, "source_url": HOSTILE, "licence": HOSTILE,
            "licences": {HOSTILE: 3}, "creators": {HOSTILE: 2}, "creator_count": 1}  # fmt: skip
    row = release.rows[0]
    pair = release.pairs[0]
    original = replace(pair.original, id=HOSTILE, creator=HOSTILE, licence=HOSTILE)
    harmed = replace(
        release,
        out=HOSTILE,
        manifest=release.manifest | {"labels": {HOSTILE: 5}, "created": HOSTILE},
        figures=release.figures | {"refused": {HOSTILE: 9}},
        data=replace(
            release.data,
            dataset=replace(dataset, info=dataset.info | said),
            said=release.data.said | said,
            credits=f'licence,creator,images\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",x,1\n',
        ),
        rows=(replace(row, name=HOSTILE),),
        pairs=(replace(pair, original=original),),
        job=release.job.model_copy(update={"model": HOSTILE}),
    )
    plain, found = Elements(render(release)), Elements(render(harmed))
    assert {name for name, _ in found.found} == {name for name, _ in plain.found}
    assert not [a for _, a in found.found if any(name.startswith("on") for name in a)]
    assert "\0" not in render(harmed)
    problem = Elements(render(replace(harmed, memorisation=None, memorisation_problem=HOSTILE)))
    assert not problem.of("script")


def test_gates_scores_and_memorisation_are_said(page: str, release: ReleaseFacts) -> None:
    assert "All 100 candidates were delivered" in page
    assert "Realism of 100 of 100 items" in page
    assert "No memorisation is suspected" in page
    assert page.count('class="two"') == len(release.pairs) > 0
    assert f"The {len(release.pairs)} closest pairs" in page


def test_items_without_a_time_stamp_are_counted(release: ReleaseFacts) -> None:
    stated = release.manifest["provenance"] | {"unstamped": 3}
    lacking = replace(release, manifest=release.manifest | {"provenance": stated})
    assert "Items without its time stamp" not in the_labels(release)
    assert f"3 of {release.job.count:,}" in the_labels(lacking)


def test_what_is_not_known_is_said(shop: Shop, sets, tmp_path: Path) -> None:
    sets.finished(str(tmp_path / "set"))
    plain = render(gather(str(tmp_path / "set"), str(tmp_path), ReleaseRequest()))
    assert "Not compared with the training data: the model does not say" in plain
    assert "The set keeps no scores" in plain
    assert "was not evaluated" in plain
    assert not (tmp_path / "nearest.parquet").exists()
    left_out = gather(shop.out, str(tmp_path), ReleaseRequest(nearest=False))
    assert (left_out.memorisation, left_out.memorisation_problem) == (None, "not asked for")


def test_an_unfinished_set_is_refused(sets, tmp_path: Path) -> None:
    job = sets.start(str(tmp_path))
    with pytest.raises(JobError, match="not finished"):
        gather(str(tmp_path), str(tmp_path), ReleaseRequest())
    sets.shards(str(tmp_path), job, [0])
    with pytest.raises(JobError, match="not finished"):
        gather(str(tmp_path), str(tmp_path), ReleaseRequest())


def test_items_beyond_the_bound_are_shown_small(sets, tmp_path: Path, monkeypatch) -> None:
    out = str(tmp_path)
    sets.finished(out, width=400, height=300, count=20)
    whole = gather(out, out, ReleaseRequest()).rows[0].cells[0][1]
    assert "data:image/png" in whole
    monkeypatch.setattr(cells, "MOST_FILE_BYTES", 100)
    small = gather(out, out, ReleaseRequest())
    assert all("data:image/jpeg" in html for row in small.rows for _, html in row.cells)
    elements = cells.PageElements(most_bytes=10_000)
    monkeypatch.setattr(cells, "MOST_FILE_BYTES", 10**9)
    from aigc.output import commit
    from aigc.sets import read

    job = commit.read_job(out)
    item = read.stored(out, job, commit.read_records(out), [0])[0]
    assert "image/jpeg" in elements.item(item, "a")


def test_a_set_of_one_label_has_one_row(sets, tmp_path: Path) -> None:
    sets.finished(str(tmp_path), labels=["one"])
    found = gather(str(tmp_path), str(tmp_path), ReleaseRequest())
    assert [(row.name, len(row.cells)) for row in found.rows] == [("one", 10)]


def test_of_many_labels_the_first_are_shown() -> None:
    said = bars({f"label {at:03d}": at for at in range(100)}, "labels")
    assert said.count("<li>") == 40
    assert "60 more labels" in said
    assert "label 099" in said


def test_a_histogram_without_counts_is_drawn() -> None:
    assert "<rect" not in histogram("none", [0.0, 1.0], [0])
    drawn = histogram("some", [0.0, 1.0, 2.0], [1, 2], [0.5, 2.5], 1.5)
    assert drawn.count("<rect") == 2
    assert 'class="limit" x1="660.0"' in drawn
    assert not re.search(r"nan|inf", drawn)
