"""What signs, as the environment names it: paths or PEM texts, and how workers elsewhere get it.

Keys never reach specs, jobs, logs or manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from aigc import storage
from aigc.errors import CredentialsError, StorageError
from aigc.provenance.spec import Credentials, Provenance
from aigc.provenance.watermark import keys

CERTIFICATE, KEY, SIGNER = "AIGC_SIGNING_CERTIFICATE", "AIGC_SIGNING_KEY", "AIGC_SIGNER"
WATERMARK = keys.VARIABLE
VARIABLES = (CERTIFICATE, KEY, SIGNER, WATERMARK)


class Secrets(Mapping[str, str]):
    """Variables of an environment for workers. Its text shows no value."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def adopt(self, environment: MutableMapping[str, str]) -> None:
        """Put them into `environment`, in place of what it has of them."""
        for name in VARIABLES:
            environment.pop(name, None)
        environment.update(self._values)

    def __repr__(self) -> str:
        return f"<{', '.join(self._values)}>"


def carried(asked: Provenance, environment: Mapping[str, str]) -> Secrets | None:
    """What signs, and the key of watermarks, as texts for a worker that may not see the files of
    this machine; None where nothing is signed and no image has a watermark.

    Raises CredentialsError, SpecError where something is missing or cannot be read.
    """
    if asked.credentials is None and asked.watermark is None:
        return None
    signs = {} if asked.credentials is None else _signing(asked.credentials, environment)
    key = keys.key_from(environment) if asked.watermark is not None else keys.PUBLIC
    return Secrets(signs | ({WATERMARK: key.hex()} if key else {}))


def _signing(asked: Credentials, environment: Mapping[str, str]) -> dict[str, str]:
    values = {CERTIFICATE: pem_text(asked.certificate, environment, CERTIFICATE, "certificate")}
    if signs_by_function(asked, environment):
        return values | {SIGNER: environment[SIGNER]}
    return values | {KEY: pem_text(asked.key, environment, KEY, "key")}


def of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set, files as their texts. Raises CredentialsError."""
    fields = {CERTIFICATE: "certificate", KEY: "key"}
    return {
        name: pem_text(None, environment, name, fields[name]) if name in fields else given
        for name in VARIABLES
        if (given := environment.get(name))
    }


def signs_by_function(asked: Credentials, environment: Mapping[str, str]) -> bool:
    """Whether AIGC_SIGNER signs. A key that is named goes before it."""
    return bool(environment.get(SIGNER)) and asked.key is None and KEY not in environment


def pem_text(given: str | None, environment: Mapping[str, str], variable: str, field: str) -> str:
    """The PEM text that a field of the spec or a variable names or holds.

    Raises CredentialsError where neither does, or the file cannot be read.
    """
    held = environment.get(variable, "")
    if given is None and held.lstrip().startswith("-----BEGIN"):
        return held
    path = given or held
    if not path:
        raise CredentialsError(
            f"credentials.{field} is missing: name a PEM file there or in {variable}; `aigc keys "
            "certify` makes one for tests"
        )
    try:
        data = storage.read_bytes(path) if storage.is_s3(path) else Path(path).read_bytes()
        return data.decode("ascii")
    except UnicodeDecodeError:
        reason: object = "not PEM text"
    except (OSError, StorageError) as error:
        reason = getattr(error, "strerror", None) or error
    raise CredentialsError(f"credentials.{field} {path!r}: {reason}")
