"""What was checked of the set, and what rules ask: the last sections of the page."""

from __future__ import annotations

from aigc.evaluation.memorisation import COPY_LEVELS
from aigc.modalities import MODALITIES
from aigc.provenance.profiles import READ_ON
from aigc.sets import origin
from aigc.sets.release import markup
from aigc.sets.release.facts import ReleaseFacts, SampleRow, ShownPair, columns_of
from aigc.sets.release.labels import TIME_STAMP, AskedFor, RuleStanding, rule_standings
from aigc.sets.release.markup import Html, facts, mark, note, problem, table, text
from aigc.sets.release.memorisation import SetMemorisation
from aigc.sets.release.nearest import FILE

_SMALL_PX = 96
"""Images up to here are enlarged without blur."""
_MARKS = {
    "yes": ("good", "met"),
    "no": ("bad", "not met"),
    "not asked": ("rest", "not asked for"),
}


def the_labels(release: ReleaseFacts) -> Html:
    said, found, asked = origin.described(release.job), release.found, release.asked
    is_earlier = said["profile"] == origin.EARLIER
    rows: list[tuple[str, object]] = [
        (
            "Profile",
            f"default, as aigc {origin.EARLIER} wrote it" if is_earlier else said["profile"],
        ),
        ("Reason", said.get("reason")),
        ("Metadata in files", "yes" if said["metadata"] else "no"),
        ("Words on each item", said["visible"] or "none"),
        ("Watermark", said.get("watermark") or "none"),
        ("Provider", asked.provider if asked else None),
        ("Prompts in files", "yes" if asked and asked.prompts else "no"),
        ("Content Credentials", "in each file" if said["signed"] else "not asked for"),
        ("Time-stamp authority", said.get("authority")),
        ("Items without its time stamp", _unstamped(release)),
    ]
    counted = [(text(name), _of(count, found.files)) for name, count in found.counts.items()]
    counted += [
        (text(f"Content Credential, {standing.replace('_', ' ')}"), _of(count, found.files))
        for standing, count in found.credentials.items()
    ]
    if found.time_stamped:
        counted.append((text(TIME_STAMP), _of(found.time_stamped, found.files)))
    caption = f"Found in {found.files:,} files, read from places spread evenly over the set"
    return facts(rows) + table(caption, ("statement", "files"), counted, 1)


def _unstamped(release: ReleaseFacts) -> str | None:
    found = release.manifest.get("provenance", {}).get("unstamped")
    return None if found is None else f"{found:,} of {release.job.count:,}"


def _of(count: int, files: int) -> str:
    return f"{count:,} of {files:,}"


def the_nearest(release: ReleaseFacts) -> Html:
    found = release.memorisation
    if found is None:
        return problem(f"not compared with the training data: {release.memorisation_problem}")
    dataset = release.data.dataset
    assert dataset is not None
    learning, several = MODALITIES[dataset.modality].learning, dataset.title
    title = (
        f"distance of each item to its nearest of {dataset.counts['train']:,} training {several}"
    )
    edges = found.histogram.edges
    chart = markup.histogram(
        title, edges, found.histogram.items, found.histogram.baseline, COPY_LEVELS,
        _caption(found, learning.level),
    )  # fmt: skip
    pairs = "".join(_pair(one) for one in release.pairs)
    return (
        _verdict(found)
        + chart
        + f"<h3>The {len(release.pairs)} closest pairs</h3>"
        + note(
            f"Left: an item of the set. Right: the training {dataset.kind.noun} nearest to it, "
            "with its id, creator and licence. Each training item is shown once."
        )
        + f'<ul class="pairs {_size(release)}">{pairs}</ul>'
        + note(f"{FILE} holds the nearest training item of every item of the set.")
    )


def _verdict(found: SetMemorisation) -> Html:
    lost = found.items - found.compared
    missing = f" {lost:,} items could not be compared." if lost else ""
    floor = found.baseline_share
    beside = "the data has no test items to compare with" if floor is None else (
        f"{floor:.2%} of the test items of the same data, which nobody copied"
    )  # fmt: skip
    said = (
        f"{found.suspect:,} of {found.compared:,} items ({found.share:.2%}) sit on a training "
        f"item, {found.copies:,} of them within {COPY_LEVELS:g} levels; against {beside}.{missing}"
    )
    if found.is_suspected:
        return problem(f"Memorisation is suspected: {said}")
    return f"<p><strong>No memorisation is suspected.</strong> {text(said)}</p>"


def _caption(found: SetMemorisation, level: str) -> Html:
    mine = f'<span class="key"></span>the set, median {found.median:.1f}'
    floor = found.baseline_median
    other = (
        ""
        if floor is None
        else f' <span class="key test"></span>test items of the same data, median {floor:.1f}'
    )
    said = f". Root mean square; 1 is one {level}. Left of the dashed line are copies."
    return mine + other + text(said)


def _pair(one: ShownPair) -> Html:
    whose = [one.original.id, one.original.creator, one.original.licence]
    said = " · ".join(text(part) for part in whose if part)
    return (
        f'<li><div class="two"><div>{one.item}{one.pair.index:,}</div>'
        f"<div>{one.training}training</div></div>"
        f'<p class="far"><strong>{one.pair.distance:.1f}</strong> levels apart</p>'
        f'<p class="whose">{said}</p></li>'
    )


def the_samples(release: ReleaseFacts) -> Html:
    said = (
        f"The first {columns_of(release.job)} items of each label in the order of the set. Nobody "
        "chose them."
    )
    rows = "".join(_row(row) for row in release.rows)
    more = note(f"{release.more_labels:,} more labels have no row here.")
    return note(said) + f'<div class="{_size(release)}">{rows}</div>' + (
        more if release.more_labels > 0 else ""
    )  # fmt: skip


def _row(row: SampleRow) -> Html:
    cells = "".join(f"<li>{element}<span>{index:,}</span></li>" for index, element in row.cells)
    heading = f"<h3>{text(row.name)}</h3>" if row.name else ""
    return f'<div class="row">{heading}<ul class="cells">{cells}</ul></div>'


def _size(release: ReleaseFacts) -> str:
    form = release.job.item_format
    shape = release.job.delivery.delivered(release.job.form, form).shape
    return "small" if max(shape[:2]) <= _SMALL_PX else ""


def the_rules(release: ReleaseFacts) -> Html:
    standings = rule_standings(release.asked, release.found, release.title)
    groups = "".join(_rule(one, release.found.files) for one in standings)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("demand", "in this set", "where"))
    return (
        note(
            f"The rules as read on {READ_ON}, most of them through secondary sources; this is not "
            "legal advice. What files must carry counts as met if every file that was read carries "
            "it. What only you can meet is yours to tick."
        )
        + "<table><caption>What each profile asks</caption>"
        + f"<thead><tr>{head}</tr></thead>{groups}</table>"
    )


def _rule(one: RuleStanding, files: int) -> Html:
    own = " (the profile of this set)" if one.is_own else ""
    rows = "".join(_demand(asked, files) for asked in one.demands)
    return (
        f'<tbody class="{"own" if one.is_own else ""}"><tr class="group">'
        f'<th colspan="3" scope="rowgroup">{text(one.profile)}{own}'
        f"<small>{text(one.rule)}</small></th></tr>{rows}</tbody>"
    )


def _demand(asked: AskedFor, files: int) -> Html:
    if asked.standing == "yours":
        label = text(f"met by us: {asked.ask.demand}")
        box = f'<input type="checkbox" aria-label="{label}">'
        standing = f'<span class="mark open">{box}by you</span>'
    else:
        standing = mark(*_MARKS.get(asked.standing, ("rest", asked.standing)))
    where = asked.ask.where.replace("`", "")
    if asked.files is not None:
        where += f"; in {_of(asked.files, files)} files"
    return (
        f'<tr><th scope="row">{text(asked.ask.demand)}</th><td>{standing}</td>'
        f"<td>{text(where)}</td></tr>"
    )
