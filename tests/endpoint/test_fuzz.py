"""Requests made up from the OpenAPI document: nothing of what comes is our fault."""

from __future__ import annotations

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from aigc.endpoint.document import document
from aigc.service.settings import ServiceSettings

SCHEMA = schemathesis.openapi.from_dict(document(ServiceSettings(), secured=False))
CALLS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
CHECKS = [not_a_server_error, response_schema_conformance]
RUN = hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)


VALID, WRONG = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CAN_BE_WRONG = [call for call in CALLS if call.startswith("POST") or call.endswith("{file}")]


@pytest.mark.parametrize(
    ("call", "mode"),
    [*((call, VALID) for call in CALLS), *((call, WRONG) for call in CAN_BE_WRONG)],
)
def test_nothing_is_our_fault(
    client: httpx.Client, call: str, mode: schemathesis.GenerationMode
) -> None:
    @RUN
    @hypothesis.given(case=CALLS[call].as_strategy(generation_mode=mode))
    def fuzz(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=str(client.base_url), checks=CHECKS)

    fuzz()
