"""The Grafana dashboard asks for what the endpoint and bulk jobs say, by labels they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aigc.execution.metrics import JobMetrics
from aigc.types import ShardRecord
from tests.endpoint.conftest import Endpoint, behind_haproxy
from tests.sets.conftest import SetMaker

FOLDER = Path(__file__).parents[2] / "cluster/grafana"
DASHBOARD = json.loads((FOLDER / "aigc.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
FROM_PROMETHEUS = {"job", "instance", "le", "replica"}


@pytest.fixture(scope="module")
def series(models: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of each series' name, as they are scraped; no model has failed its check."""
    job = SetMaker().start(str(tmp_path_factory.mktemp("set")))
    record = ShardRecord(0, 0, 32, "", 1, "", "", refused={"blank": 1})
    metrics = JobMetrics()
    metrics.begin(job, [record])
    texts = [generate_latest(metrics.registry).decode()]
    with behind_haproxy(models, tmp_path_factory.mktemp("haproxy")) as (outside, client):
        _use(outside)
        texts.append(client.get("/metrics").text)
    found: dict[str, set[str]] = {}
    for family in (one for text in texts for one in text_string_to_metric_families(text)):
        found |= {sample.name: set(sample.labels) for sample in family.samples}
        if not family.samples:
            found[family.name] = {"model", "version"}
    return found


def _use(client: httpx.Client) -> None:
    assert client.post("/v1/images/generations", json={"model": "tiny", "n": 2}).status_code == 200


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_is_there(series: dict[str, set[str]], panel: dict) -> None:
    for target in panel["targets"]:
        names = re.findall(r"\baigc_[a-z_]+", target["expr"])
        assert names
        known = set.union(*(series.get(name, set()) for name in names)) | FROM_PROMETHEUS
        for name in names:
            assert name in series
        by_labels = re.findall(r"by \(([^)]*)\)|([a-z]+)=~?\"", target["expr"])
        used = {part for by, label in by_labels for part in (by or label).split(", ")}
        used |= set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert used <= known, used - known


def test_its_jobs_are_those_that_are_scraped() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    chosen = [one["current"]["value"] for one in DASHBOARD["templating"]["list"][1:]]
    assert chosen == [job["job_name"] for job in scraped]
