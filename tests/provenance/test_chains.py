from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509

from aigc.errors import CredentialsError
from aigc.provenance import certificates, chains
from aigc.provenance.spec import Credentials


def test_a_chain_on_disk_can_sign(tmp_path) -> None:
    chain, key, root = chains.write_test_chain(tmp_path / "new", "Ä Corp " * 30, 7)
    found = certificates.load(Credentials(certificate=str(chain), key=str(key)), {})
    assert found.algorithm == "ES256"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    trusted = x509.load_pem_x509_certificate(root.read_bytes())
    found.leaf.verify_directly_issued_by(trusted)
    assert found.chain[-1] == trusted


def test_nothing_is_overwritten_and_nothing_is_left_half_written(tmp_path) -> None:
    (tmp_path / "root.pem").write_text("mine")
    with pytest.raises(CredentialsError, match=r"root\.pem: exists; choose another --out"):
        chains.write_test_chain(tmp_path, "A", 7)
    assert [path.name for path in tmp_path.iterdir()] == ["root.pem"]
    assert (tmp_path / "root.pem").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(CredentialsError, match="file"):
        chains.write_test_chain(Path(file) / "inside", "A", 7)
