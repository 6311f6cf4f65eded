"""What is exported, and what keys count, without a Ray session."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import yaml
from ray.serve.config import HTTPOptions

from aigc.distributed import bind_check, replicas, serve
from aigc.errors import DamagedError, JobError, SpecError, StorageError
from aigc.service import keys
from aigc.specs import ServeSpec, build
from aigc.specs.serve import KEYS_VARIABLE
from aigc.types import Json
from tests.models_for_tests import publish_tiny


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def exported(**values: object) -> tuple[Json, Json]:
    """The config and its application's args."""
    config: Json = yaml.safe_load(serve.export_config(build(ServeSpec, values)))
    args: Json = config["applications"][0]["args"]
    return config, args


def test_an_exported_config_listens_where_the_spec_says_and_is_no_less_closed() -> None:
    config, args = exported()
    assert config["http_options"]["host"] == "127.0.0.1"
    assert "insecure" not in args
    assert serve.from_config(args) is not None
    with pytest.raises(SpecError, match="there are no keys"):
        serve.from_config(args | {"host": "0.0.0.0"})
    config, args = exported(host="0.0.0.0", insecure=True)
    assert (config["http_options"]["host"], args["insecure"]) == ("0.0.0.0", True)
    assert serve.from_config(args) is not None


def test_serve_that_runs_already_is_no_way_to_listen_without_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It listens where it was begun, whatever is asked for now."""
    client = SimpleNamespace(http_config=HTTPOptions(host="0.0.0.0", port=8000))
    monkeypatch.setattr(bind_check, "_get_global_client", lambda **_: client)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    _, args = exported()
    with pytest.raises(SpecError, match=r"host 0\.0\.0\.0 can be reached from other machines"):
        serve.from_config(args)
    assert serve.from_config(args | {"insecure": True}) is not None
    assert serve.from_config(args | {"keys": "s3://bucket/keys.jsonl"}) is not None
    client.http_config.host = "127.0.0.1"
    assert serve.from_config(args) is not None


class Serve:
    """Ray Serve with one application, as far as it is begun and ended with."""

    def __init__(self, patch: pytest.MonkeyPatch, *stands: str) -> None:
        self.applications, self.ends = set(stands), False
        calls = (self.start, self.status, self.delete, self.shutdown)
        for call in calls:
            patch.setattr(f"ray.serve.{call.__name__}", call)
        patch.setattr(serve, "_run", lambda *_, name, **__: self.applications.add(name))
        patch.setattr(serve, "connect", lambda *_, **__: contextlib.nullcontext())
        patch.setattr(serve, "_hear_sigterm", lambda: None)
        patch.setattr(replicas, "require_capacity", lambda _: None)
        patch.setattr(bind_check, "_get_global_client", lambda **_: None)

    def start(self, **_: object) -> None:
        pass

    def status(self) -> SimpleNamespace:
        return SimpleNamespace(applications=dict.fromkeys(self.applications))

    def delete(self, name: str, **_: object) -> None:
        self.applications.remove(name)

    def shutdown(self) -> None:
        self.ends = True


@pytest.mark.parametrize("stands", [True, False])
def test_what_runs_is_not_deleted_when_nothing_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    def failing(*_: object) -> None:
        raise JobError("no replica could start")

    spec = build(ServeSpec, {"models": [publish_tiny("tiny-stands").name]})
    found = Serve(monkeypatch, *["aigc"] * stands)
    monkeypatch.setattr(replicas, "wait", failing)
    with pytest.raises(JobError), serve.running(spec, "a-cluster"):
        pass
    assert (found.applications, found.ends) == ({"aigc"} if stands else set(), not stands)
    monkeypatch.setattr(replicas, "wait", lambda *_: None)
    with serve.running(spec, "a-cluster"):
        assert found.applications == {"aigc"}
    assert (found.applications, found.ends) == (set(), True)


def test_what_the_nodes_must_be_given_as_well_is_told() -> None:
    told: list[str] = []
    serve.export_config(build(ServeSpec, {"max_queued_images": 7}), told.append)
    assert told == []
    serve.export_config(build(ServeSpec, {"max_in_flight": 64}), told.append)
    serve.export_config(build(ServeSpec, {"cors_origins": ["https://a.example"]}), told.append)
    assert [line.partition(":")[0] for line in told] == ["max_in_flight", "cors_origins"]
    assert all("--export-environment" in line for line in told)


def test_exported_keys_are_found_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, args = exported(host="0.0.0.0", keys="keys.jsonl")
    assert args["keys"] == str(tmp_path / "keys.jsonl")
    assert exported(keys="s3://bucket/keys.jsonl")[1]["keys"] == "s3://bucket/keys.jsonl"
    monkeypatch.setenv(KEYS_VARIABLE, "of-all.jsonl")
    assert exported(host="0.0.0.0")[1]["keys"] == str(tmp_path / "of-all.jsonl")


def test_keys_in_the_environment_itself_are_not_exported_and_needed_where_it_is_deployed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys.create("keys.jsonl", ["generate"])
    monkeypatch.setenv(KEYS_VARIABLE, Path("keys.jsonl").read_text())
    config, args = exported(host="0.0.0.0")
    assert "hash" not in str(config)
    assert serve.from_config(args) is not None
    monkeypatch.delenv(KEYS_VARIABLE)
    with pytest.raises(SpecError, match="there are no keys"):
        serve.from_config(args)


def test_a_key_file_that_the_environment_names_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = publish_tiny("tiny-keyed").ref
    monkeypatch.setenv(KEYS_VARIABLE, "nowhere.jsonl")
    with pytest.raises(StorageError, match=r"nowhere\.jsonl"):
        serve.check(build(ServeSpec, {"models": [model], "host": "0.0.0.0", "port": 18931}))


def test_an_index_that_is_damaged_stops_the_start(tmp_path: Path) -> None:
    model = publish_tiny("tiny-verifying").ref
    (tmp_path / "index.json").write_text('{"format": 1, "items": 1, "sets": []}')
    asked = {"models": [model], "port": 18932, "trace_indexes": [str(tmp_path)]}
    with pytest.raises(DamagedError, match=f"{tmp_path}: not a whole index: .*; make it again$"):
        serve.check(build(ServeSpec, asked))
    _, args = exported(trace_indexes=["index"], trust_roots=["root.pem"])
    assert (args["trace_indexes"], args["trust_roots"]) == (
        [str(Path("index").absolute())],
        [str(Path("root.pem").absolute())],
    )


def test_why_a_replica_did_not_start_is_the_last_error_of_its_report() -> None:
    told = (
        "The deployment failed to start 3 times in a row. Error:\n"
        "ray::ServeReplica (pid=1)\n  File x, line 1\nValueError: first\n\n"
        "During handling of it:\naigc.errors.StoreError: m@v1 is damaged; restore it\n"
    )
    assert replicas.reason(told) == "m@v1 is damaged; restore it"
    assert replicas.reason("Failed to update the deployments") == "Failed to update the deployments"
    assert replicas.reason("") == "Ray gives no reason"


def test_a_proxy_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(JobError, match="not available after 60s; give"), replicas.proxies_in_time():
        raise TimeoutError("HTTP proxies not available after 60s.")


def test_the_manifest_for_kubernetes_holds_what_is_exported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(serve.__file__).parents[2] / "cluster" / "kuberay"
    service = yaml.safe_load((folder / "service.yaml").read_text())["spec"]
    monkeypatch.setenv("AIGC_STORE", "s3://my-bucket/aigc-store")
    config, _ = exported(
        models=["fashion@production"],
        host="0.0.0.0",
        keys="s3://my-bucket/keys.jsonl",
        scaling={"max_replicas": 4},
    )
    assert yaml.safe_load(service["serveConfigV2"]) == config
    assert service["rayClusterConfig"]["rayVersion"] == ray.__version__
