from __future__ import annotations

import shutil

import pytest

from aigc.bench import wrk
from aigc.errors import JobError, SpecError

OUTPUT = """Running 4s test @ http://127.0.0.1:8711/v1/images/generations
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    45.50ms   14.36ms 100.92ms   69.66%
    Req/Sec   708.45     79.05     0.87k    70.00%
  2840 requests in 4.02s, 2.92MB read
  Non-2xx or 3xx responses: 40
Requests/sec:    706.86
Transfer/sec:    743.10KB

{"requests":2840,"took_us":4000000,"bytes":3061841,"refused":40,"broken":3,"p50_us":42320,\
"p95_us":61000,"p99_us":68450,"max_us":100920}
"""


def test_what_was_refused_is_not_counted_as_served() -> None:
    load = wrk.parse(OUTPUT)
    assert load.requests_per_s == 700
    assert (load.answered, load.refused, load.broken) == (2840, 40, 3)
    assert (load.p50_ms, load.p95_ms, load.p99_ms, load.max_ms) == (42.32, 61.0, 68.45, 100.92)


def test_output_without_figures_is_an_error_that_shows_it() -> None:
    with pytest.raises(JobError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_without_wrk_one_line_says_so(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SpecError, match="wrk: the load generator is not installed") as raised:
        wrk.drive("http://127.0.0.1:1", b"{}", connections=1, seconds=1)
    assert raised.value.exit_code == 2


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_where_nobody_listens_one_line_says_so() -> None:
    with pytest.raises(JobError, match="unable to connect"):
        wrk.drive("http://127.0.0.1:1", b"{}", connections=1, seconds=1)
