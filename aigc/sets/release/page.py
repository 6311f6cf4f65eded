"""The page: one HTML file that loads nothing from elsewhere, for the screen and for paper."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from aigc import __version__
from aigc.modalities import MODALITIES
from aigc.sets.release import checks, sections
from aigc.sets.release.facts import ReleaseFacts, columns_of
from aigc.sets.release.labels import rule_standings
from aigc.sets.release.markup import Html, count_of, section, text

_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_SECTIONS: tuple[tuple[str, str, Callable[[ReleaseFacts], Html]], ...] = (
    ("set", "The set", sections.the_set),
    ("model", "The model", sections.the_model),
    ("data", "Training data and rights", sections.the_data),
    ("gates", "Gates", sections.the_gates),
    ("labels", "Labels and signatures", checks.the_labels),
    ("scores", "Scores", sections.the_scores),
    ("nearest", "Nearest training items", checks.the_nearest),
    ("samples", "Samples", checks.the_samples),
    ("rules", "Rules", checks.the_rules),
)
_CHOICES = ("released", "released under the remarks below", "not released")


def render(release: ReleaseFacts) -> str:
    """HTML of the whole report."""
    title = f"{release.manifest['items']:,} {release.title} by {release.job.model}"
    body = "".join(
        section(number, name, heading, make(release))
        for number, (name, heading, make) in enumerate(_SECTIONS, 1)
    )
    columns = columns_of(release.job)
    sizes = f"--cell:{release.job.delivery.cell_px}px;--columns:{columns};--pairs:{columns // 2}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="{_POLICY}">
<meta name="robots" content="noindex">
<title>Release report: {text(title)}</title>
<style>{_style()}:root{{{sizes}}}</style></head>
<body><div class="sheet">{_header(release, title)}<main>{_cards(release)}{_contents()}
{body}{_signature(release)}</main>{_footer(release)}</div></body></html>
"""


def _style() -> str:
    file = resources.files(__package__) / "release.css"
    return file.read_text(encoding="utf-8")


def _header(release: ReleaseFacts, title: str) -> Html:
    noun = MODALITIES[release.job.modality].source.noun
    strip = "".join(f"<li>{one}</li>" for one in release.strip)
    return (
        f'<header><p class="kicker">Release report</p><h1>{text(title)}</h1>'
        f'<p class="lead">Every {noun} of this set is AI-generated. Report of '
        f"{text(release.made_at)}.</p>"
        f'<ul class="strip" aria-label="Items spread evenly over the set">{strip}</ul></header>'
    )


def _cards(release: ReleaseFacts) -> Html:
    cards = (_items(release), _accepted(release), _label(release), _credential(release),
             _memorised(release), _demands(release))  # fmt: skip
    inner = "".join(
        f'<li class="{kind}"><span class="name">{text(name)}</span>'
        f'<span class="value">{text(value)}</span><span class="more">{text(more)}</span></li>'
        for kind, name, value, more in cards
    )
    return f'<ul class="cards" aria-label="Summary">{inner}</ul>'


Card = tuple[str, str, str, str]
"""Class, name, value, and one line more."""


def _items(release: ReleaseFacts) -> Card:
    shards = sections.len_shards(release.manifest)
    return "", "Items", f"{release.manifest['items']:,}", f"{count_of(shards, 'shard')}, complete"


def _accepted(release: ReleaseFacts) -> Card:
    share = release.figures.get("accepted_share")
    if not release.job.gates.any:
        return "", "Gates", "none", "every candidate was delivered"
    refused = sum(release.figures.get("refused", {}).values())
    return "", "Accepted by gates", f"{share:.1%}", f"{refused:,} candidates refused"


def _label(release: ReleaseFacts) -> Card:
    found = release.found
    kind = "good" if found.labelled == found.files else "bad"
    value = f"{found.labelled} of {found.files}"
    return kind, "Files with the AI label", value, "read from all parts of the set"


def _credential(release: ReleaseFacts) -> Card:
    found, asked = release.found.credentials, release.asked
    wanted = bool(asked and asked.credentials)
    name = "Content Credentials"
    if not found:
        return "bad" if wanted else "", name, "not checked", "needs aigc[credentials]"
    whole = found.get("trusted", 0) + found.get("valid", 0)
    if not wanted and not whole:
        return "", name, "none", "not asked for"
    kind = "good" if whole == release.found.files else "bad"
    trusted = f"{found.get('trusted', 0)} under a trusted root"
    return kind, name, f"{whole} of {release.found.files} valid", trusted


def _memorised(release: ReleaseFacts) -> Card:
    found, name = release.memorisation, "Training items repeated"
    if found is None:
        return "bad", name, "not checked", "see below for the reason"
    more = f"{found.copies:,} copies in {found.compared:,} items"
    if found.is_suspected:
        return "bad", name, f"suspected, {found.share:.1%}", more
    return "good", name, "none suspected", more


def _demands(release: ReleaseFacts) -> Card:
    standings = rule_standings(release.asked, release.found, release.title)
    own = next(one for one in standings if one.is_own)
    yours = sum(one.standing == "yours" for one in own.demands)
    name = f"Profile {own.profile}"
    if not own.demands:
        return "bad", name, "asks nothing", "files state nothing of their origin"
    kind = "good" if own.met + yours == len(own.demands) else "bad"
    value = f"{own.met} of {len(own.demands)} demands met"
    return kind, name, value, f"{yours} left to you" if yours else "see Rules"


def _contents() -> Html:
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in _SECTIONS)
    links += '<li><a href="#release">Release</a></li>'
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _signature(release: ReleaseFacts) -> Html:
    choices = "".join(
        f'<label><input type="radio" name="decision">{text(choice)}</label>' for choice in _CHOICES
    )
    digest = text(release.manifest["content_digest"])
    body = (
        f'<div class="signature"><fieldset class="choices"><legend>This set is</legend>{choices}'
        '</fieldset><label class="remarks">Remarks<textarea rows="2"></textarea></label>'
        '<div class="lines"><label>Name<input type="text" autocomplete="off"></label>'
        '<label>Date<input type="text" autocomplete="off"></label>'
        '<div>Signature<span class="blank"></span></div></div></div>'
        f'<p class="note">It is the set with the content digest <code>{digest}</code>; '
        "<code>aigc verify</code> says whether a copy of it still has that digest. What is typed "
        "here is not saved: print the page, or print it to PDF.</p>"
    )
    return section(len(_SECTIONS) + 1, "release", "Release", body)


def _footer(release: ReleaseFacts) -> Html:
    return f"<footer>Made by aigc {__version__} from {text(release.out)}.</footer>"
