"""What an endpoint refuses, in the settings of its replicas, and its first line in the audit
log."""

from __future__ import annotations

from typing import Any

from aigc import storage
from aigc.audit import open_log
from aigc.generation.gates import classifiers
from aigc.job.blocked import block_list
from aigc.specs import Gates, SafetyGate, ServeSpec
from aigc.types import Json


def require_content_rules(spec: ServeSpec) -> None:
    """Raises SpecError: the list of words or the classifier cannot be read."""
    block_list(spec.blocked)
    if spec.gates.safety is not None:
        classifiers.digest(spec.gates.safety)


def content_rules(spec: ServeSpec) -> dict[str, Any]:
    """Fields of `ServiceSettings`, with the words of files and absolute paths; the classifier is
    not read. Raises SpecError: the list of words cannot be read."""
    return {
        "blocked": block_list(spec.blocked),
        "safety": _safety(spec),
        "max_draws": spec.gates.max_draws,
    }


def with_absolute_paths(spec: ServeSpec) -> ServeSpec:
    """`spec` with the paths of its content rules as they mean the same anywhere. Raises SpecError:
    the list of words or the classifier cannot be read."""
    require_content_rules(spec)
    gates = spec.gates.model_copy(update={"safety": _safety(spec)})
    file, log = spec.blocked.words_file, spec.audit.log
    words = spec.blocked.model_copy(update={"words_file": file and storage.absolute(file)})
    audit = spec.audit.model_copy(update={"log": log and storage.absolute(log)})
    return spec.model_copy(update={"gates": gates, "blocked": words, "audit": audit})


def log_start(spec: ServeSpec) -> None:
    """Raises AuditError: the log cannot be written, and its policy is `stop`."""
    about: Json = {"models": list(spec.models) or "all", "host": spec.host, "port": spec.port}
    open_log(spec.audit).record("endpoint.started", **about)


def _safety(spec: ServeSpec) -> SafetyGate | None:
    gates = Gates(safety=spec.gates.safety)
    return gates.with_data({name: storage.absolute(uri) for name, uri in gates.data.items()}).safety
