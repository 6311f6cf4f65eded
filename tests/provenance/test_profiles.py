from __future__ import annotations

from pathlib import Path
from typing import get_args

from aigc.provenance.profiles import ASKS, PROFILES, READ_ON, Met, wording_of
from aigc.provenance.spec import ProfileName, Provenance, VisibleLabel


def test_every_profile_of_the_spec_is_described() -> None:
    assert set(PROFILES) == set(ASKS) == set(get_args(ProfileName))
    assert all(ask.met in get_args(Met) for asks in ASKS.values() for ask in asks)


def test_the_page_shows_every_demand_and_its_date() -> None:
    page = (Path(__file__).parents[2] / "docs/provenance.md").read_text(encoding="utf-8")
    shown = {
        "yes": "yes",
        "with credentials": "with credentials",
        "with watermark": "with watermark",
        "no": "**no**",
        "yours": "by you",
    }
    for asks in ASKS.values():
        for ask in asks:
            assert f"| {ask.demand} | {shown[ask.met]} | {ask.where} |" in page
    assert READ_ON in page


def test_no_rule_is_called_met_without_the_watermark_that_it_needs() -> None:
    demands = [ask for asks in ASKS.values() for ask in asks]
    unmet = [a for a in demands if "watermark" in a.demand or "difficult to remove" in a.demand]
    assert len(unmet) == 2
    assert {ask.met for ask in unmet} == {"with watermark"}
    assert len(READ_ON) == 10


def test_profiles_draw_as_they_ask_and_the_spec_decides() -> None:
    assert wording_of(Provenance()) is None
    china = wording_of(Provenance(profile="china", provider="A"))
    assert china is not None
    assert (china.text, china.corner, china.height) == ("AI生成", "bottom right", 0.05)
    assert wording_of(Provenance(profile="china", provider="A", visible=False)) is None
    own = wording_of(Provenance(visible=VisibleLabel(text="AI", corner="top left", height=0.1)))
    assert own is not None
    assert (own.text, own.corner, own.height) == ("AI", "top left", 0.1)
