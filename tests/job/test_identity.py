from __future__ import annotations

import numpy as np

from aigc.job.identity import item_ids
from aigc.job.keys import keys_of
from tests.job.test_plan import make_job
from tests.keys_for_tests import keys


def test_ids_follow_from_model_seed_counter_and_condition() -> None:
    found = item_ids("ab" * 32, keys(np.arange(3), np.array([2, 0, 1]), seed=7))
    assert found == [f"abababababab-7-00000000000{at}-{mark}" for at, mark in enumerate((2, 0, 1))]
    assert item_ids("ab" * 32, keys_of(2**63 - 1, np.array([2**40]))) == [
        f"abababababab-{2**63 - 1}-{2**40}-x"
    ]


def test_a_set_has_the_ids_that_an_address_has() -> None:
    asked, indices = keys(np.arange(5), np.arange(5) % 4, seed=3), np.arange(5)
    job = make_job()
    assert job.item_ids(asked, indices, None) == item_ids(job.model_digest, asked)
