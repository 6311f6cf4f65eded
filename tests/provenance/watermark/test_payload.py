from __future__ import annotations

import pytest

from aigc.provenance.trace_index import id_key
from aigc.provenance.watermark.payload import payload_of


def test_it_is_the_beginning_of_the_key_that_indexes_are_sorted_by() -> None:
    for bits in (8, 32, 40, 56):
        payload = payload_of("ab-7-000000000001-0", bits)
        assert len(payload) * 8 == bits
        assert int.from_bytes(payload, "big") == int(id_key("ab-7-000000000001-0")) >> (63 - bits)


@pytest.mark.parametrize("bits", [32, 40])
def test_items_of_a_set_differ(bits) -> None:
    payloads = {payload_of(f"ab-7-{at:012}-0", bits) for at in range(2000)}
    assert len(payloads) == 2000


def test_payloads_never_change() -> None:
    assert payload_of("ab-7-000000000001-0", 40).hex() == "d40b995238"
