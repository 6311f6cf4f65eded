from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aigc.errors import CredentialsError
from aigc.modalities.image import encode
from aigc.modalities.image.marks import finder
from aigc.output import commit
from aigc.provenance.profiles import ASKS, PROFILES, RULES
from aigc.provenance.spec import Credentials, Provenance
from aigc.provenance.watermark import open_watermark
from aigc.provenance.watermark.keys import PUBLIC
from aigc.provenance.watermark.payload import payload_of
from aigc.sets.release import labels
from aigc.sets.release.labels import LabelsFound, find_labels, provenance_of, rule_standings
from tests.provenance.signers import marked, root_pem, signer
from tests.provenance.statements import ITEM
from tests.provenance.watermark.shown import smooth


def test_what_is_in_the_files_is_counted(shop, tmp_path: Path) -> None:
    job = commit.read_job(shop.out)
    found = find_labels(shop.out, job, commit.read_records(shop.out))
    assert (found.files, found.labelled) == (64, 64)
    assert found.credentials == {"not_present": 64}
    assert found.counts["provider"] == 0


def test_files_without_a_label_are_seen(sets, tmp_path: Path) -> None:
    job = sets.finished(str(tmp_path), codec="raw", count=10)
    found = find_labels(str(tmp_path), job, commit.read_records(str(tmp_path)))
    assert (found.files, found.labelled) == (10, 0)


def test_signed_files_are_counted_by_their_standing() -> None:
    signed = [signer().sign(marked("png", seed=at), "png", ITEM) for at in range(3)]
    from aigc.provenance.checking import CredentialReader

    found = labels._count([*signed, marked("jpeg")], CredentialReader([root_pem()]))
    assert found.credentials == {"trusted": 3, "not_present": 1}
    assert (found.files, found.labelled, found.time_stamped) == (4, 4, 0)
    assert found.counts["AI system"] == found.counts["item id"] == 4


def test_watermarks_are_looked_for_in_the_files() -> None:
    mark = open_watermark("spread", PUBLIC)
    shown = smooth(192, seed=3)[None]
    marked = mark.embed(shown, [payload_of("a-0", mark.payload_bits)])
    files = [encode(one, "png")[0] for one in (shown, marked)]
    assert labels._count(files, None, finder([mark])).of(labels.WATERMARK) == 1
    eu = Provenance(profile="eu", watermark="spread")
    for count, standing in ((5, "yes"), (4, "no")):
        found = replace(WHOLE, counts={**WHOLE.counts, labels.WATERMARK: count})
        demands = rule_standings(eu, found, "images")[0].demands
        (told,) = [one for one in demands if one.ask.met == "with watermark"]
        assert told.standing == standing


def test_a_root_that_is_none_is_refused(shop, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("nothing")
    job = commit.read_job(shop.out)
    with pytest.raises(CredentialsError, match="no PEM certificate"):
        find_labels(shop.out, job, commit.read_records(shop.out), [str(tmp_path / "root.pem")])


def test_jobs_of_earlier_versions_may_state_nothing(shop) -> None:
    job = commit.read_job(shop.out)
    assert provenance_of(job) == Provenance()
    earlier = job.model_copy(update={"embed_provenance": False})
    assert provenance_of(earlier) is None
    china = Provenance(profile="china", provider="ACME-1")
    assert provenance_of(job.model_copy(update={"provenance": china})) == china


WHOLE = LabelsFound(
    5,
    dict.fromkeys(labels._PROPERTIES, 5) | {labels._LABEL: 5, labels.WATERMARK: 5},
    {"trusted": 4, "valid": 1},
    5,
)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "none"])
def test_the_demands_of_the_own_profile_come_first(profile) -> None:
    asked = Provenance(profile=profile, provider="ACME-1")
    own, *others = rule_standings(asked, WHOLE, "images")
    assert (own.profile, own.is_own, own.rule) == (profile, True, RULES[profile])
    assert [one.ask for one in own.demands] == list(ASKS[profile])
    expected = {"yes": "yes", "no": "no", "yours": "yours"}
    for one in own.demands:
        assert one.standing == expected.get(one.ask.met, "no")
    assert all(not one.is_own for one in others)
    assert {one.standing for other in others for one in other.demands} == {"not asked"}
    assert {one.profile for one in (own, *others)} == set(ASKS) - {"none"}


def test_credentials_meet_what_asks_for_them() -> None:
    signed = Provenance(profile="eu", credentials=Credentials(authority="http://tsa.example/"))
    wanted = sum(one.met == "with credentials" for one in ASKS["eu"])
    plain = rule_standings(Provenance(profile="eu"), WHOLE, "images")[0]
    assert rule_standings(signed, WHOLE, "images")[0].met == plain.met + wanted
    unstamped = replace(WHOLE, time_stamped=4)
    assert rule_standings(signed, unstamped, "images")[0].met == plain.met + wanted - 1
    unchecked = replace(WHOLE, credentials={}, time_stamped=0)
    found = rule_standings(signed, unchecked, "images")[0]
    assert sum(one.standing == "not checked" for one in found.demands) == wanted


def test_what_is_not_in_every_file_is_not_met() -> None:
    one_less = replace(WHOLE, counts=dict(WHOLE.counts) | {"AI system": 4})
    (found,) = rule_standings(Provenance(), one_less, "images")[0].demands
    assert (found.standing, found.files) == ("no", 4)
    (found,) = rule_standings(Provenance(), WHOLE, "images")[0].demands
    assert (found.standing, found.files) == ("yes", 5)


def test_a_label_on_images_only_is_none_on_sounds() -> None:
    asked = Provenance(profile="china", provider="ACME-1")
    met = [
        sum(one.standing == "yes" for one in rule_standings(asked, WHOLE, title)[0].demands)
        for title in ("images", "sounds")
    ]
    assert met == [2, 1]


def test_nothing_stated_meets_nothing() -> None:
    own = rule_standings(None, WHOLE, "images")[0]
    assert (own.profile, own.demands, own.met) == ("none", (), 0)
