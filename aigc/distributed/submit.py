"""Any verb as a job on a Ray cluster: submit, follow, list, stop.

Ray's job client is used with four things it lacks: every request is bounded in time, the address
given is the one used whatever RAY_ADDRESS says, the token is sent also when RAY_AUTH_MODE is unset,
and whatever goes wrong is one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shlex
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

import aigc
from aigc import storage
from aigc.distributed.address import dashboard_of
from aigc.distributed.follow import Follower, Write
from aigc.errors import JobError, PlacementError, SpecError
from aigc.specs import Spec
from aigc.storage import proxies
from aigc.store import named_store

_CONNECT_S, _HELLO_S, _ANSWER_S = 5, 8, 60
"""Bounds on connecting, on the first answer, and between two packets of any later one."""
_NOT_RAY = "{}: the server there is not a Ray dashboard; give http://HEAD:8265"
_MAX_SPEC_BYTES = 100_000
_PATHS = (
    *("source", "data", "out", "model", "briefs", "inception_weights"),
    *("path", "words_file", "log", "certificate", "key"),
)
_ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
_FORWARDED = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_COMMANDS = {"prepare": "data prepare"}
VERBS = ("prepare", "train", "evaluate", "generate")


class Cluster:
    """The jobs of the Ray cluster whose dashboard is at `address`, such as http://10.0.0.1:8265.

    Raises:
        SpecError: `address` is no such URL.
        PlacementError: nothing answers there within 15 s, or the token is missing or wrong.
    """

    def __init__(self, address: str | None) -> None:
        self.address = _url(address)
        with self._errors():
            self._client = _connect(self.address)

    @property
    def is_this_machine(self) -> bool:
        host = urlsplit(self.address).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")

    def submit(
        self,
        verb: str,
        spec: Spec,
        options: Sequence[str] = (),
        *,
        ship: bool = False,
        forward_credentials: bool = False,
        signing_key: Mapping[str, str] | None = None,
    ) -> tuple[str, list[str]]:
        """Start `aigc VERB` with `spec` there; returns the job's id and warnings for the user.

        Args:
            options: Of the verb, beyond what a spec says: `--metrics-port`, `9090`.
            ship: Send the installed aigc along, for a cluster that has only its dependencies.
            forward_credentials: Pass AWS_* credentials on. Whoever may read the cluster's jobs can
                then read them, so it is never done unasked.
            signing_key: Variables that name what signs, passed on as they are, likewise.
        """
        spec, warnings = self.absolute(spec)
        # A preset fills in the rest where the job runs, from the hardware it finds there.
        text = spec.model_dump_json(exclude_unset=bool(getattr(spec, "preset", None)))
        if len(text) > _MAX_SPEC_BYTES:
            raise SpecError(f"the spec has {len(text):,} bytes, a job takes {_MAX_SPEC_BYTES:,}")
        arguments = shlex.join(["--spec", "-", *options])
        command = f"python -m aigc {_COMMANDS.get(verb, verb)} {arguments}"
        environment, more = self._environment(forward_credentials)
        environment |= signing_key or {}
        runtime_env: dict[str, Any] = {"env_vars": environment}
        if ship:
            runtime_env["py_modules"] = [str(Path(aigc.__file__).parent)]
        with self._errors():
            job = self._client.submit_job(
                entrypoint=f"printf %s {shlex.quote(text)} | {command}",
                submission_id=f"{verb}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
                runtime_env=runtime_env,
                metadata={"aigc": aigc.__version__, "verb": verb, "spec": text},
            )
        return job, warnings + more

    def follow(self, job: str, write: Write, notice: Write) -> int:
        """Pass the job's log to `write` until it ends; returns its exit code (stopped: 1).

        KeyboardInterrupt leaves the job running.

        Raises:
            JobError: the cluster stopped answering.
        """
        details = asyncio.run(Follower(self, job, write, notice).run())
        if details.status == JobStatus.SUCCEEDED:
            return 0
        if details.status == JobStatus.STOPPED:
            notice(f"job {job} was stopped")
            return 1
        if details.driver_exit_code is None:
            notice(f"job {job} failed: {_one_line(details.message or 'no reason given')}")
        return details.driver_exit_code or 1

    def details(self, job: str) -> JobDetails:
        with self._errors(job):
            return self._client.get_job_info(job)

    def logs(self, job: str) -> str:
        """All the job has printed so far."""
        with self._errors(job):
            return self._client.get_job_logs(job)

    def tail(self, job: str) -> AsyncGenerator[str]:
        """The job's log from its beginning, as an asynchronous iterator of texts."""
        return cast("AsyncGenerator[str]", self._client.tail_job_logs(job))

    def submitted(self) -> list[dict[str, Any]]:
        """What was submitted to the cluster, newest first."""
        with self._errors():
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        return [_summary(job) for job in sorted(jobs, key=lambda j: -(j.start_time or 0))]

    def stop(self, job: str) -> bool:
        """Ask the job to end; False when it had ended already. What it committed stays."""
        with self._errors(job):
            return self._client.stop_job(job)

    def absolute(self, spec: Spec, inside: str = "") -> tuple[Spec, list[str]]:
        """`spec` with every local path absolute, also those of specs in it; and which they are."""
        changes: dict[str, object] = {}
        warnings: list[str] = []
        for field, value in spec:
            if isinstance(value, Spec):
                changes[field], more = self.absolute(value, f"{inside}{field}.")
                warnings += more
            elif isinstance(value, str) and _is_local_path(field, value):
                changes[field] = storage.absolute(value)
                where = f"{inside}{field}: the cluster must see {changes[field]}, or use s3://"
                warnings += [] if self.is_this_machine else [where]
        return spec.model_copy(update=changes), warnings

    def _environment(self, forward_credentials: bool) -> tuple[dict[str, str], list[str]]:
        names = _FORWARDED + (_CREDENTIALS if forward_credentials else ())
        found = {name: os.environ[name] for name in names if os.environ.get(name)}
        store = named_store()
        if not store and not self.is_this_machine:
            return found, ["AIGC_STORE is not set here, so the cluster's own model store is used"]
        store = storage.absolute(store or "./aigc-store")
        warn = not (self.is_this_machine or storage.is_s3(store))
        warnings = [f"AIGC_STORE: the cluster must see {store}, or use s3://"] if warn else []
        return found | {"AIGC_STORE": store}, warnings

    @contextlib.contextmanager
    def _errors(self, job: str = "") -> Iterator[None]:
        try:
            yield
        except AuthenticationError:
            raise PlacementError(
                f"{self._spot}: the cluster's token is missing or wrong; set RAY_AUTH_TOKEN, or "
                f"RAY_AUTH_TOKEN_PATH to its file, or put it into ~/.ray/auth_token{self._around}"
            ) from None
        except (ConnectionError, requests.Timeout, requests.ConnectionError):
            raise PlacementError(
                f"{self._spot}: no Ray dashboard answers; check the address "
                f"(http://HEAD:8265), the network and that the cluster is up{self._around}"
            ) from None
        except (requests.RequestException, ValueError, KeyError):
            raise PlacementError(_NOT_RAY.format(self._spot) + self._around) from None
        except RuntimeError as error:
            if "Version check" in str(error):
                raise PlacementError(_NOT_RAY.format(self._spot) + self._around) from None
            if job and re.search(r"status code 404|does not exist", str(error)):
                raise SpecError(f"no job {job!r} at {self.address}; see aigc jobs list") from None
            raise JobError(f"{self._spot}: {_one_line(str(error))}{self._around}") from None

    @property
    def _spot(self) -> str:
        return self.address + proxies.through(self.address)

    @property
    def _around(self) -> str:
        return proxies.way_around(self.address)


def _is_local_path(field: str, value: str) -> bool:
    named = field in _PATHS and not (field == "model" and "/" not in value)
    return named and not storage.is_s3(value)


class _Client(JobSubmissionClient):
    """Ray's client with a bound on every request."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> requests.Response:
        answer_s = _HELLO_S if endpoint == "/api/version" else _ANSWER_S
        return super()._do_request(method, endpoint, timeout=(_CONNECT_S, answer_s), **options)


def _url(address: str | None) -> str:
    """The dashboard's URL as `address` or the environment names it, without blanks and path.

    Raises:
        SpecError: none is named, or what is named is not a URL of a dashboard.
    """
    given = (address, *(os.environ.get(name) for name in _ADDRESSES))
    found = next((text.strip() for text in given if text and text.strip()), "")
    if not found:
        raise SpecError("no cluster named; give --address http://HEAD:8265 or set RAY_ADDRESS")
    match = re.fullmatch(r"(https?)://([\w.%-]+|\[[\w:.%]+\])(:[0-9]{1,5})?/*", found, re.I)
    if match:
        return f"{match[1].lower()}://{match[2]}{match[3] or ''}"
    shown = re.sub("//[^/@]*@", "//", found)
    raise SpecError(
        f"address {shown!r}: jobs go to the dashboard of the cluster's head, "
        f"for example --address {dashboard_of(found)}"
    )


def _connect(address: str) -> JobSubmissionClient:
    for name in ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Ray prefers these to its argument; what the user typed counts.
    hidden = {name: os.environ.pop(name) for name in _ADDRESSES if name in os.environ}
    try:
        return _Client(address, headers=_token_header())
    finally:
        os.environ.update(hidden)


def find_token() -> tuple[str, str]:
    """The token and where it stands: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token.

    The token is empty when there is none.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token, "RAY_AUTH_TOKEN"
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        return path.read_text(encoding="utf-8").strip(), str(path)
    except (OSError, UnicodeDecodeError):
        return "", str(path)


def _token_header() -> dict[str, str]:
    token = find_token()[0]
    enabled = os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"
    return {"Authorization": f"Bearer {token}"} if token and enabled else {}


def _summary(job: JobDetails) -> dict[str, Any]:
    metadata = job.metadata or {}
    with contextlib.suppress(ValueError):
        metadata = metadata | {"out": json.loads(metadata.get("spec", "{}")).get("out", "")}
    ended = job.end_time or (time.time() * 1000)
    return {
        "job": job.submission_id,
        "verb": metadata.get("verb", ""),
        "status": str(job.status.value),
        "exit_code": job.driver_exit_code,
        "started_at": (job.start_time or 0) / 1000,
        "seconds": round((ended - job.start_time) / 1000, 1) if job.start_time else 0.0,
        "out": metadata.get("out", ""),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
