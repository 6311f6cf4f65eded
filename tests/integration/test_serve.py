"""The endpoint as users start it, by `aigc serve` or as a job: Ray Serve, HAProxy, real replicas,
real clients."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import psutil
import pytest
import yaml

from aigc.distributed.generate import run
from aigc.modalities.image import encode
from aigc.output import commit
from aigc.sets import read
from aigc.specs import GenerateSpec
from aigc.store import ModelStore
from tests import hostile
from tests.load import Load
from tests.models_for_tests import publish_tiny
from tests.provenance.indexes import two_sets
from tests.provenance.statements import pixels
from tests.provenance.tampering import reencode
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
AIGC = [sys.executable, "-m", "aigc"]
JOBS = Path(__file__).parents[2] / "jobs"


@pytest.fixture(scope="module")
def model() -> str:
    return publish_tiny("tiny-served").ref


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return os.environ | {"AIGC_STORE": ModelStore().uri}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def url(server) -> str:
    return server[0]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, list[bytes]]:
    """An index of published items, and their files."""
    shown = pixels(3, 96, seed=4)
    files, folder = encode(shown, "png"), tmp_path_factory.mktemp("published") / "index"
    two_sets(folder, shown, pixels(1, 96, seed=5), [*files, b"x"])
    return folder, files


@pytest.fixture(scope="module")
def server(model, environment, published, tmp_path_factory) -> Iterator[tuple[str, psutil.Process]]:
    port, log = free_port(), tmp_path_factory.mktemp("serve") / "log"
    settings = ["models=[tiny-served]", f"port={port}", "precision=fp32", "poll_interval_s=1"]
    settings.append(f"trace_indexes=[{published[0]}]")
    command = [sys.executable, str(JOBS / "serve.py"), str(JOBS / "specs/serve.yaml")]
    command += [part for setting in settings for part in ("--set", setting)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    address = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        ended = process.poll() is not None
        return ended or (is_ready(address) and "Studio" in log.read_text())

    try:
        wait_until(is_up, 240, poll_s=0.2, explain=log.read_text)
        assert process.poll() is None, log.read_text()
        yield address, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 130, log.read_text()
    said = log.read_text()
    assert f"Studio     {address}/" in said
    assert "Traceback" not in said


def is_ready(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{address}/readyz", timeout=2).status == 200)
    except OSError:
        return False


def scraped(address: str) -> str:
    return str(urllib.request.urlopen(f"{address}/metrics").read().decode())


def test_the_openai_client_gets_pictures(url) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
    found = client.images.generate(model="tiny-served", prompt="two", n=3)
    assert found.data is not None
    pictures = [base64.b64decode(item.b64_json or "") for item in found.data]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3
    with pytest.raises(openai.BadRequestError, match="zero, one, two, three"):
        client.images.generate(model="tiny-served", prompt="giraffe")
    assert [found.id for found in client.models.list()] == ["tiny-served"]


def test_a_file_is_verified(url, published) -> None:
    files = published[1]
    for at, file in enumerate(files):
        found = httpx.post(f"{url}/v1/verify", files={"file": ("ad.png", file)}, timeout=60).json()
        assert (found["found"], found["evidence"][0]["item"]) == (True, f"a-{at}")
    again = reencode(files[1], 0.8)
    headers = {"content-type": "image/jpeg"}
    found = httpx.post(f"{url}/v1/verify", content=again, headers=headers, timeout=60).json()
    assert [one["item"] for one in found["evidence"]] == ["a-1"]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
    (result,) = client.content_provenance_checks.create(file=files[0]).results
    assert result.type == "c2pa"
    assert (result.outcome, result.validation_state) == ("not_detected", "not_present")


def test_an_address_gives_the_bytes_of_the_bulk_set(url, model, tmp_path) -> None:
    out = str(tmp_path / "set")
    asked = {"model": model, "out": out, "count": 64, "seed": 11, "precision": "fp32"}
    run(GenerateSpec.model_validate(asked))
    job = commit.read_job(out)
    stored = read.items(out, job, commit.read_records(out), range(0, 64, 7))
    for index, file in stored.items():
        label = job.names[job.pattern[index % len(job.pattern)]]
        address = f"{url}/v1/images/{model}/{label}/11/{index}.png"
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == file
            assert "immutable" in answer.headers["Cache-Control"]


def metric(url: str, name: str) -> float:
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def hang_up(url: str, clients: int) -> None:
    """Ask for images on as many connections and close them while images wait to be rendered."""
    body = b'{"model":"tiny-served","prompt":"one","n":8,"size":"1024x1024"}'
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    request = head.encode() + b"content-type: application/json\r\n\r\n" + body
    parts = urlsplit(url)
    connections = [socket.create_connection((parts.hostname, parts.port)) for _ in range(clients)]
    for connection in connections:
        connection.sendall(request)
    wait_until(lambda: metric(url, "aigc_queue_images{") > 0)
    for connection in connections:
        connection.close()
    wait_until(lambda: metric(url, "aigc_queue_images{") == 0)


def test_who_hangs_up_frees_the_place(url) -> None:
    """Also behind HAProxy, which must tell the replica."""
    before, requests = metric(url, "aigc_images_total{"), 0
    # A fast replica may have rendered all of them before it hears of the hang-up.
    while requests < 200 and not metric(url, "aigc_requests_cancelled_total{"):
        hang_up(url, clients=40)
        requests += 40
    assert metric(url, "aigc_requests_cancelled_total{") >= 1
    assert metric(url, "aigc_images_total{") - before < requests * 8


def test_the_page_and_the_document_are_there(url) -> None:
    for path in ("/", "/docs", "/openapi.json", "/metrics"):
        assert urllib.request.urlopen(url + path).status == 200
    assert b'replica="' in urllib.request.urlopen(f"{url}/metrics").read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{url}/nothing")


def logged(process: psutil.Process) -> str:
    files = [f.path for p in process.children(recursive=True) for f in p.open_files()]
    return "".join(Path(path).read_text() for path in {f for f in files if "aigc-access" in f})


def is_logged(process: psutil.Process, request_id: str) -> bool:
    return f'"id": "{request_id}"' in logged(process)


def test_an_answer_has_one_id_and_the_log_has_it(server) -> None:
    url, process = server
    secret = "aigc-0123abcd-" + "x" * 43
    for given in (None, "mine-1", secret):
        request = urllib.request.Request(f"{url}/v1/models")
        if given:
            request.add_header("X-Request-ID", given)
        with urllib.request.urlopen(request) as answer:
            [found] = answer.headers.get_all("X-Request-ID")
        # It is written down after the answer is sent.
        wait_until(functools.partial(is_logged, process, found), explain=lambda: logged(process))
        assert (found == given) == (given == "mine-1")
    assert secret not in logged(process)


def test_the_exported_config_is_what_serve_deploy_takes(model, environment) -> None:
    done = subprocess.run(
        [*AIGC, "serve", model, "--export-config", "--set", "scaling.max_replicas=4"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    config = yaml.safe_load(done.stdout)
    [application] = config["applications"]
    assert application["import_path"] == "aigc.distributed.serve:from_config"
    assert application["args"]["scaling"]["max_replicas"] == 4
    from aigc.distributed.serve import from_config

    assert from_config(application["args"]) is not None


@pytest.mark.faults
def test_a_promotion_and_a_killed_replica_cost_no_request(server) -> None:
    """No request is repeated for a promotion; openai's own two retries get over a kill -9."""
    url, process = server
    with Load(url, "tiny-served", clients=6).running() as load:
        load.until(100)
        version = publish_tiny("tiny-served", seed=1).version
        offered = f'version="{version}"'
        wait_until(lambda: offered in scraped(url), poll_s=0.2, explain=lambda: scraped(url))
        load.until(load.count + 100)
    assert load.failures == []
    with Load(url, "tiny-served", clients=6, retries=2).running() as load:
        load.until(100)
        [replica] = [p for p in process.children(recursive=True) if "ServeReplica" in p.name()]
        replica.kill()
        load.until(1000)
    assert load.failures == []


def test_others_are_answered_while_some_clients_hold_on(url) -> None:
    with hostile.idle(url, 500), hostile.slow(url, 200):
        said = hostile.oddities(url)
        hostile.leave_early(url, 20)
        with Load(url, "tiny-served", clients=2).running() as load:
            load.until(50)
    assert hostile.answered_meanwhile(url, "tiny-served", 200)
    assert said["large body"] == 413
    assert all(status in (400, None) for name, status in said.items() if name != "large body"), said
    assert load.failures == []


_COMMANDS = """
import json, os, sys
from aigc.cli import app
from aigc.commands.common import exit_code
environment = dict(os.environ)
for options in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(environment)
    print(f"exit {exit_code(app, ['serve', *options])}", file=sys.stderr, flush=True)
"""


def test_what_cannot_be_served_is_one_line_at_once(model, environment) -> None:
    """The commands run in one process, which imports Ray once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = [
            (["no-such-model"], 2, "no-such-model"),
            (["tiny-served", "--host", "0.0.0.0"], 2, "there are no keys"),
            (["tiny-served", "--keys", "/nowhere/keys.jsonl"], 2, "/nowhere/keys.jsonl"),
            (["tiny-served", "--set", "scaling.max_replicas=0"], 2, "max_replicas"),
            (["tiny-served", "--set", "cpus_per_replica=4096"], 2, "no capacity for 1 replica(s)"),
            (["tiny-served", "--port", str(taken.getsockname()[1])], 1, "choose another"),
            (["tiny-served", "--host", "no.such.host.invalid", "--insecure"], 2, "host = no.such"),
            (["tiny-served", "--set", "public_url=img.example"], 2, "public_url"),
        ]
        done = subprocess.run(
            [sys.executable, "-c", _COMMANDS],
            input=json.dumps([options for options, _, _ in wrong]),
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,  # less than `startup_timeout_s`: nothing is waited for
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    said = re.split(r"^exit (\d+)\n", done.stderr, flags=re.MULTILINE)
    assert [int(code) for code in said[1::2]] == [code for _, code, _ in wrong]
    for lines, (_, _, message) in zip(said[0::2], wrong, strict=False):
        assert message in lines.strip().splitlines()[-1]


@pytest.mark.faults
def test_a_model_that_no_replica_can_load_is_one_line(environment, tmp_path: Path) -> None:
    environment = environment | {"AIGC_STORE": str(tmp_path / "store")}
    version = publish_tiny("tiny-damaged", store=ModelStore(environment["AIGC_STORE"]))
    [weights] = Path(version.uri).rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    done = subprocess.run(
        [*AIGC, "serve", "tiny-damaged", "--port", str(free_port())],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("aigc: no replica could start: ")
    assert "damaged" in last
    assert "Traceback" not in done.stderr


def test_nothing_but_the_endpoint_can_be_reached_from_elsewhere(server) -> None:
    """HAProxy's metrics, statistics and admin socket are this machine's and this user's alone."""
    ours = [p for p in server[1].children(recursive=True) if p.name() == "haproxy"]
    assert ours, "no HAProxy stands in front"
    listening = [c.laddr.ip for p in ours for c in p.net_connections() if c.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}
    paths = [path for p in ours for word in p.cmdline() for path in Path(word).parents]
    folders = {path for path in paths if path.name.startswith("aigc-haproxy-")}
    admin = [path for folder in folders for path in folder.rglob("admin.sock")]
    assert admin
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*folders, *admin])
