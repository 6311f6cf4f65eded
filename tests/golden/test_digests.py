"""Golden digests: small sets and answers are what they were when `recorded/` was written.

A test that fails names what changed. If it was meant to change, see CONTRIBUTING.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.golden import api, describe, grown, record, rounding
from tests.golden.cases import CASES, Case
from tests.golden.compare import differences
from tests.golden.make import Golden
from tests.golden.models import ORDINARY
from tests.golden.versions import kind_of_machine, not_compared

DETAILED = [name for name, case in CASES.items() if case.detailed]
_PRECISIONS = ("fp32", "bf16")
Record = dict[str, Any]


def recorded(group: str, name: str) -> Record:
    found: Record = record.read(group)["found"][name]
    return found


def libraries(group: str) -> dict[str, str]:
    found: dict[str, str] = record.read(group)["libraries"]
    return found


def require_equal(before: Record, now: Record, left_out: dict[str, str]) -> None:
    """Fails with a line for each difference; skips, saying why, when not all was compared."""
    changed = differences(before, now, left_out)
    assert not changed, "\n".join(["golden digests changed:", *changed])
    if left_out:
        reasons = sorted({*left_out.values()})
        pytest.skip(f"all is equal, without {', '.join(left_out)}: {'; '.join(reasons)}")


@pytest.mark.parametrize("name", CASES)
def test_a_set_is_what_it_was(golden: Golden, name: str) -> None:
    group = f"sets-{name.partition('/')[0]}"
    found = describe.summary(golden, CASES[name], golden.made(name))
    require_equal(recorded(group, name), found, not_compared(CASES[name], libraries(group)))


@pytest.mark.parametrize("name", DETAILED)
def test_what_is_read_of_a_set_is_what_it_was(golden: Golden, name: str) -> None:
    found = describe.details(golden, CASES[name], golden.made(name))
    changed = not_compared(CASES[name], libraries("details"))
    answers = {"batch_output.jsonl": changed["bytes"]} if "bytes" in changed else {}
    require_equal(recorded("details", name), found, answers)


def test_sets_that_grew_or_were_merged_are_what_they_were(golden: Golden) -> None:
    before, found = record.read("grown")["found"], grown.described(golden)
    left_out = not_compared(Case("gan"), libraries("grown"))
    digests = {name: why for name, why in left_out.items() if name == "content_digest"}
    changed = differences(before["append"], found["append"], left_out)
    for name in ("merge", "merge verified"):
        changed += differences(before[name], found[name], digests)
    assert not changed, "\n".join(changed)


def test_a_model_gets_the_digest_it_got(golden: Golden) -> None:
    before = record.read("grown")["found"]["published"]
    assert not differences(before, grown.published(golden))


def test_near_duplicates_are_found_by_the_hashes_they_had(golden: Golden) -> None:
    assert not differences(record.read("grown")["found"]["hashes"], grown.hashes(golden))


def test_the_endpoint_answers_what_it_answered(golden: Golden) -> None:
    before, found = record.read("api")["found"], api.answers(golden)
    everything = Case("gan", {"briefs": "mixed", "writer": "webdataset"})
    if left_out := not_compared(everything, libraries("api")):
        before, found = _statuses(before), _statuses(found)
    require_equal(before, found, {})
    if left_out:
        pytest.skip(f"pictures were not compared: {left_out['bytes']}")


def _statuses(answers: Record) -> Record:
    """What does not depend on an encoder."""
    kept = ("status", "headers")
    return {asked: {name: told[name] for name in kept} for asked, told in answers.items()}


@pytest.mark.parametrize("precision", _PRECISIONS)
@pytest.mark.parametrize("model", ORDINARY, ids=lambda model: model.name)
def test_networks_that_round_are_what_they_were_on_this_kind_of_machine(
    golden: Golden, model: Any, precision: str
) -> None:
    by_kind = record.read("rounding")["found"]
    here, name = kind_of_machine(), f"{model.name} {precision}"
    pixels = golden.rendered(model, rounding.ITEMS, precision)
    if here in by_kind:
        assert describe.digest([pixels.tobytes()]) == by_kind[here][name]["digest"]
        return
    if precision == "fp32":
        known = rounding.levels(next(iter(by_kind.values()))[name]["pixels"])
        assert np.abs(pixels.reshape(-1)[: len(known)].astype(np.int64) - known).max() <= 1
    pytest.skip(f"not recorded on {here}; pixels compared within one level in fp32 only")


def test_what_is_recorded_is_what_is_tested() -> None:
    sets = [group for group in record.groups() if group.startswith("sets-")]
    assert {name for group in sets for name in record.read(group)["found"]} == {*CASES}
    assert list(record.read("details")["found"]) == DETAILED
    files = {path.stem for path in record.FOLDER.glob("*.json")}
    assert files == {*record.groups()}
