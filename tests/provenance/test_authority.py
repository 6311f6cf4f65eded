from __future__ import annotations

import datetime as dt
import socket

import pytest

from aigc.errors import CredentialsError
from aigc.provenance import authority
from aigc.provenance.authority import ClockSkewError
from tests.provenance.authority import time_stamp_authority
from tests.provenance.signers import root


def test_an_authority_that_answers_is_accepted_and_clocks_are_compared() -> None:
    with time_stamp_authority(root()) as found:
        authority.check(found.url)
        assert found.requests == 1
        now = dt.datetime.now(dt.UTC)
        for minutes in (-10, 10):
            with pytest.raises(ClockSkewError, match="correct the clock that is wrong"):
                authority.check(found.url, now + dt.timedelta(minutes=minutes))
        found.is_up = False
        with pytest.raises(CredentialsError, match="Service Unavailable"):
            authority.check(found.url)


def test_an_authority_that_is_not_there_takes_a_bounded_time() -> None:
    with pytest.raises(CredentialsError, match="Connection refused"):
        authority.check("http://127.0.0.1:9/")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(CredentialsError, match="does not answer: timed out"):
            authority.check(url, wait_s=0.2)


@pytest.mark.parametrize("reply", [b"", b"<html>", b"\x30\x03\x02\x01\x02", b"\x30\x00"])
def test_other_answers_are_refused_in_one_line(reply) -> None:
    with pytest.raises(CredentialsError, match="does not answer as RFC 3161 says") as caught:
        authority._time(reply, "http://x/")
    assert "\n" not in str(caught.value)
