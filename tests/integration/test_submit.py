"""Jobs on a real cluster of two nodes, from an installed wheel in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from aigc.store import ModelStore
from tests.models_for_tests import tiny_config, tiny_tensors

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


@dataclass
class User:
    """Somebody who installed the wheel and sits in an empty folder."""

    python: Path
    folder: Path
    address: str
    environment: dict[str, str]
    seconds: float = field(default=0.0)

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        began = time.monotonic()
        result = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.seconds = time.monotonic() - began
        return result

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python.with_name("aigc")), *arguments]

    def spec(self, file: str, **fields: object) -> str:
        (self.folder / file).write_text(yaml.safe_dump(fields))
        return file

    def jobs(self) -> dict[str, str]:
        """The status of every job, by its id."""
        found = json.loads(self("jobs", "list", "--json").stdout)
        return {job["job"]: job["status"] for job in found}

    def everything_known_of_jobs(self) -> str:
        token = (Path(self.environment["HOME"]) / ".ray" / "auth_token").read_text()
        header = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.address}/api/jobs/", headers=header)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            text: str = answer.read().decode()
        return text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[User]:
    """With a cluster of two nodes whose Python has aigc's dependencies, but not aigc."""
    home = tmp_path_factory.mktemp("home")
    environment = _environment(home)
    python, cluster_python = _interpreter(home / "user"), _interpreter(home / "cluster")
    _install(wheel, python)
    (home / "work").mkdir()
    port, dashboard_port = _free_port(), _free_port()
    local = [str(cluster_python), str(ROOT / "cluster" / "local.py"), f"--dir={home}/nodes"]
    start = ["start", "--nodes=2", "--cpus-per-node=1", f"--port={port}"]
    start += [f"--dashboard-port={dashboard_port}"]
    subprocess.run([*local, *start], check=True, env=environment, timeout=240)
    address = f"http://127.0.0.1:{dashboard_port}"
    try:
        yield User(python, home / "work", address, environment | {"RAY_ADDRESS": address})
    finally:
        subprocess.run([*local, "stop"], check=True, env=environment, timeout=120)
    assert not nodes_of(cluster_python), "nodes outlive their cluster"


def nodes_of(python: Path) -> list[str]:
    """Nodes of the interpreter of a cluster that are still there."""
    every = ["ps", "-ww", "-eo", "args="]
    listed = subprocess.run(every, capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(f"{python} -m ray.scripts")]


def test_a_cluster_without_aigc_takes_it_along(user: User) -> None:
    config = tiny_config()
    store = ModelStore(str(user.folder / "aigc-store"))
    store.publish("tiny", config, tiny_tensors(config))
    spec = user.spec("tiny.yaml", model="tiny", count=200, out="out/tiny")
    without = user("submit", "generate", spec, AWS_SECRET_ACCESS_KEY="hush-hush")
    assert without.returncode == 1
    assert "No module named aigc" in without.stdout
    shipped = user("submit", "generate", spec, "--ship", "--metrics-port", "0")
    assert shipped.returncode == 0, shipped.stdout + shipped.stderr
    assert "200 items" in shipped.stdout
    assert "metrics: http://127.0.0.1:" in shipped.stdout


def test_credentials_travel_only_when_asked(user: User) -> None:
    assert "AIGC_STORE" in user.everything_known_of_jobs()
    assert "hush-hush" not in user.everything_known_of_jobs()
    spec = user.spec("missing.yaml", model="nothing", count=10, out="out/missing")
    arguments = ["submit", "generate", spec, "--no-follow", "--forward-aws-credentials"]
    submitted = user(*arguments, AWS_SECRET_ACCESS_KEY="hush-hush")
    assert submitted.returncode == 0
    assert submitted.stdout.strip() in user.jobs()
    assert "hush-hush" in user.everything_known_of_jobs()


def test_train_then_generate(user: User, wheel: Path, digits_data: str) -> None:
    _install(wheel, user.folder.parent / "cluster" / "bin" / "python")
    training = user.spec(
        "train.yaml",
        name="digits",
        data=digits_data,
        out="runs/digits",
        steps=12,
        model={"width": 4, "latent_dim": 16},
        batch_size=32,
        placement={"workers": 2},
        watch={"publish_collapsed": True},
    )
    trained = user("submit", "train", training)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "digits@v1" in trained.stdout
    generating = user.spec("generate.yaml", model="digits", count=1, out="out/digits")
    made = user("submit", "generate", generating, "--set", "count=300")
    assert made.returncode == 0, made.stdout + made.stderr
    assert (user.folder / "aigc-store/models/digits/v1/model.safetensors").exists()
    assert json.loads((user.folder / "out/digits/manifest.json").read_text())["items"] == 300
    refused = user("submit", "generate", generating, "--set", "count=400")
    assert refused.returncode == 2
    assert "holds a different job" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_interrupting_detaches_and_stop_stops(user: User) -> None:
    spec = user.spec("long.yaml", model="digits", count=5_000_000, out="out/long")
    process = subprocess.Popen(
        user.command("submit", "generate", spec),
        cwd=user.folder,
        env=user.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("generate: "):
            break
    process.send_signal(signal.SIGINT)
    _, notices = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "keeps running" in notices
    job = next(iter(re.findall(r"aigc jobs stop (\S+)", notices)))
    assert user.jobs()[job] == "RUNNING"
    assert "stopping" in user("jobs", "stop", job).stdout
    followed = user("jobs", "logs", job, "--follow")
    assert followed.returncode == 1
    assert "was stopped" in followed.stderr
    assert user.jobs()[job] == "STOPPED"
    assert "already ended" in user("jobs", "stop", job).stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["jobs", "list"], {"RAY_AUTH_TOKEN": "wrong"}, "token is missing or wrong"),
        (["jobs", "list"], {"RAY_AUTH_TOKEN_PATH": "/nowhere"}, "token is missing or wrong"),
        (["jobs", "logs", "no-such-job"], {}, "no job 'no-such-job'"),
        (["jobs", "list"], {"RAY_ADDRESS": ""}, "no cluster named"),
        (["jobs", "list", "--address", "10.0.0.1:6379"], {}, "http://10.0.0.1:8265"),
        (["submit", "prepare", "absent.yaml"], {}, "absent.yaml: No such file"),
        (["submit", "fly", "absent.yaml"], {}, "verb 'fly'"),
    ],
)
def test_a_mistake_is_one_line(
    user: User, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    result = user(*arguments, **environment)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_address_given_wins_over_the_environment(user: User) -> None:
    result = user("jobs", "list", "--address", user.address, RAY_ADDRESS="http://127.0.0.1:1")
    assert result.returncode == 0, result.stderr


def test_a_silent_address_is_given_up(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = user("jobs", "list", "--address", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert result.returncode == 2
    assert "no Ray dashboard answers" in result.stderr
    assert user.seconds < 120, "Ray's own client waits for ever"


def test_doctor_sees_the_cluster(user: User) -> None:
    rows = json.loads(user("doctor", "--json").stdout)
    states = {row["subject"]: row["state"] for row in rows}
    assert states["cluster"] == states["token"] == "ok"


def _environment(home: Path) -> dict[str, str]:
    """What a fresh login would have: nothing of the tests' own settings."""
    mine = ("AIGC_", "AWS_", "RAY_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return kept | {"HOME": str(home), "NO_PROXY": "*"}


def _interpreter(folder: Path) -> Path:
    """A Python that sees this one's packages, but not the checkout installed beside them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    (Path(site.stdout.strip()) / "shared.pth").write_text(sysconfig.get_path("purelib"))
    return python


def _install(wheel: Path, python: Path) -> None:
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    offline = ["--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *offline, str(wheel)], check=True, timeout=120)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
