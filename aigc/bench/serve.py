"""`aigc bench serve`: `aigc serve` and what a user would write instead, under the same load.

Servers take turns, round after round, each started, warmed up, loaded and stopped; the first of a
round is another one each time. Loads: `one` image a request and `many`, in closed loops, where a
client that is answered asks again; `open`, one image a request, at times that do not depend on
answers. Bulk generation by the same model runs just before our endpoint and just after it: a shared
machine's own speed changes within minutes.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from aigc.bench import generate, open_loop, wrk
from aigc.bench.servers import SERVERS, Running, running
from aigc.cpus import usable_cpus
from aigc.errors import SpecError
from aigc.store import ModelStore, ModelVersion
from aigc.types import Json, Notice, no_notice

LOADS = ("one", "many", "open")
_WARM_S = 2.0
_MANY_CONNECTIONS = 8
"""Keeps two cores busy: a batch each being rendered, one prefetched and one queued."""
_SHARE = 0.8
"""Rate of the open loop, as a share of the server's closed-loop throughput."""
_OPEN_CONNECTIONS = 256


@dataclass(frozen=True)
class ServeBench:
    model: str
    rounds: int = 3
    seconds: float = 10.0
    """Of load, for each server and number of images, after it has been warmed up."""
    connections: int = 32
    """With one image a request."""
    many: int = 64
    """Images of a large request; these come on few connections."""
    servers: tuple[str, ...] = tuple(SERVERS)
    same_network: bool = False
    """Alternatives use aigc's inference network, so that only serving is compared."""
    rate: float | None = None
    """Requests per second of the open loop. Default: four fifths of each server's throughput."""
    bulk_items: int = 100_000
    """0 leaves bulk generation out."""


@dataclass(frozen=True)
class ServeMetrics:
    """Result of one server under one load."""

    requests_per_s: float
    images_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms_per_request: float
    """Of all its processes, and not of the load generator."""
    memory_bytes: int
    """Of all its processes at the end of the load."""
    answered: int
    failed: int
    """Answers of 4xx or 5xx, and connections that broke."""
    due_per_s: float = 0.0
    """Requests sent a second, in an open loop."""


def named(only: Sequence[str] | None) -> tuple[str, ...]:
    """All servers, or those of these names. Raises SpecError."""
    for name in only or ():
        if name not in SERVERS:
            raise SpecError(f"only: there is no server {name!r} here; one of {', '.join(SERVERS)}")
    return tuple(only or SERVERS)


def run(bench: ServeBench, notice: Notice = no_notice) -> Json:
    """Medians over interleaved rounds, ratios, and the rounds themselves.

    Raises:
        SpecError: wrk is not there. JobError: a server does not answer.
    """
    wrk.require()
    version = ModelStore().resolve(bench.model)
    names = _installed(bench.servers, notice)
    rounds: list[Json] = []
    for number in range(bench.rounds):
        found: Json = {}
        for name in _turned(names, number):
            beside = bench.bulk_items and name == "aigc"
            bulk = [_bulk(bench, version.ref, number)] if beside else []
            found[name] = _measured(bench, version, name)
            notice(f"round {number + 1}, {name}: " + _shown(found[name]))
            if beside:
                bulk.append(_bulk(bench, version.ref, number))
                found["bulk_items_per_s"] = statistics.mean(bulk)
                shown = " and ".join(f"{rate:,.0f}" for rate in bulk)
                notice(f"round {number + 1}, aigc generate: {shown} images/s")
        rounds.append(found)
    return _summary(bench, version.ref, names, rounds)


def _installed(names: Sequence[str], notice: Notice) -> list[str]:
    for name in names:
        if not SERVERS[name].installed:
            notice(f"{name} is left out: pip install {SERVERS[name].package}")
    return [name for name in names if SERVERS[name].installed]


def _turned(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def _measured(bench: ServeBench, version: ModelVersion, name: str) -> Json:
    one, many = (_body(version, n) for n in (1, bench.many))
    with running(name, version.ref, one, bench.same_network) as server:
        single = _loaded(bench, server, one, 1, bench.connections)
        large = _loaded(bench, server, many, bench.many, _MANY_CONNECTIONS)
        crowd = _crowded(bench, server, one, bench.rate or _SHARE * single.requests_per_s)
    return {"one": asdict(single), "many": asdict(large), "open": asdict(crowd)}


def _body(version: ModelVersion, n: int) -> bytes:
    asked: Json = {"model": version.ref, "n": n}
    if version.config.conditional:
        asked["prompt"] = version.config.labels[-1]
    return json.dumps(asked).encode()


def _loaded(
    bench: ServeBench, server: Running, body: bytes, n: int, connections: int
) -> ServeMetrics:
    wrk.drive(server.url, body, connections, min(_WARM_S, bench.seconds))
    before_s = server.family.cpu_s()
    load = wrk.drive(server.url, body, connections, bench.seconds)
    used_s = server.family.cpu_s() - before_s
    return ServeMetrics(
        requests_per_s=load.requests_per_s,
        images_per_s=load.requests_per_s * n,
        p50_ms=load.p50_ms,
        p95_ms=load.p95_ms,
        p99_ms=load.p99_ms,
        cpu_ms_per_request=used_s * 1e3 / max(1, load.answered),
        memory_bytes=server.family.memory_bytes(),
        answered=load.answered,
        failed=load.refused + load.broken,
    )


def _crowded(bench: ServeBench, server: Running, body: bytes, due_per_s: float) -> ServeMetrics:
    before_s = server.family.cpu_s()
    seen = open_loop.drive(server.url, body, due_per_s, bench.seconds, _OPEN_CONNECTIONS)
    used_s = server.family.cpu_s() - before_s
    good = round(seen.goodput_per_s * bench.seconds)
    return ServeMetrics(
        requests_per_s=seen.goodput_per_s,
        images_per_s=seen.goodput_per_s,
        p50_ms=seen.p50_ms,
        p95_ms=seen.p95_ms,
        p99_ms=seen.p99_ms,
        cpu_ms_per_request=used_s * 1e3 / max(1, seen.sent),
        memory_bytes=server.family.memory_bytes(),
        answered=seen.sent - seen.by_status.get(open_loop.NO_ANSWER, 0),
        failed=seen.sent - good,
        due_per_s=due_per_s,
    )


def _bulk(bench: ServeBench, model: str, number: int) -> float:
    job = generate.GenerateBench(model, bench.bulk_items, workers=usable_cpus())
    rate: float = generate.once(job, model, number)["generate_items_per_s"]
    return rate


def _summary(bench: ServeBench, model: str, names: list[str], rounds: list[Json]) -> Json:
    found: Json = {
        "model": model,
        **{key: value for key, value in asdict(bench).items() if key not in ("model", "servers")},
        "servers": {
            name: {
                load: {
                    figure: statistics.median(each[name][load][figure] for each in rounds)
                    for figure in rounds[0][name][load]
                }
                for load in LOADS
            }
            for name in names
        },
        "ratios": _ratios(names, rounds),
        "rounds_found": rounds,
    }
    if "bulk_items_per_s" in rounds[0]:
        found["bulk_items_per_s"] = statistics.median(each["bulk_items_per_s"] for each in rounds)
    return found


def _ratios(names: list[str], rounds: list[Json]) -> Json:
    """Ratios of aigc to the others: medians of the ratios within each round."""
    if "aigc" not in names:
        return {}
    ratios: Json = {
        f"{load}, {figure}, to {name}": statistics.median(
            each["aigc"][load][figure] / each[name][load][figure] for each in rounds
        )
        for name in names
        if name != "aigc"
        for load in ("one", "many")
        for figure in ("requests_per_s", "p99_ms")
    }
    if "bulk_items_per_s" in rounds[0]:
        ratios["many, images_per_s, to aigc generate"] = statistics.median(
            each["aigc"]["many"]["images_per_s"] / each["bulk_items_per_s"] for each in rounds
        )
    return ratios


def _shown(found: Json) -> str:
    one, many = found["one"], found["many"]
    failed = sum(found[load]["failed"] for load in LOADS)
    return (
        f"{one['requests_per_s']:,.0f} requests/s, p99 {one['p99_ms']:.1f} ms; "
        f"{many['images_per_s']:,.0f} images/s in large requests; "
        f"p99 {found['open']['p99_ms']:.1f} ms at {found['open']['due_per_s']:,.0f} requests/s"
        + (f"; {failed:,} failed" if failed else "")
    )
