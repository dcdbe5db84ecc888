"""The local key services and the SQLite state pass the contracts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core.credentials import CredentialRow, CredentialRows, KeyService
from headrace.core.errors import InputError, KeyUnavailable
from headrace.secrets import keys
from headrace.secrets.keys import key_service
from headrace.secrets.keys.file import FileKey
from headrace.secrets.vault import Vault
from headrace.state.credentials import StoredCredentials, _values
from headrace.state.store import StateStore
from headrace.testing.credentials import CredentialRowsContract, KeyServiceContract
from headrace.testing.credentials.keys import CONTEXT, KEY


class TestFile(KeyServiceContract):
    @pytest.fixture
    def service(self, tmp_path: Path) -> KeyService:
        self.path = tmp_path / "keys" / "one.key"
        return FileKey(self.path)

    @pytest.fixture
    def another(self, tmp_path: Path) -> KeyService:
        key = FileKey(tmp_path / "another.key")
        key.wrap(KEY, CONTEXT)  # makes it
        return key

    def revoke(self, service: KeyService) -> KeyService:
        self.path.unlink()
        return FileKey(self.path)

    def test_it_is_made_at_first_use_for_its_owner_alone(self, service: KeyService) -> None:
        assert not self.path.exists()
        service.wrap(KEY, CONTEXT)
        assert self.path.stat().st_mode & 0o777 == 0o600
        assert self.path.parent.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in self.path.parent.iterdir()] == ["one.key"]

    def test_opening_makes_none(self, service: KeyService) -> None:
        with pytest.raises(KeyUnavailable, match="missing") as caught:
            service.unwrap(b"x" * 80, CONTEXT)
        assert str(self.path) in str(caught.value)
        assert not self.path.exists()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
    def test_one_that_others_may_read_is_refused(self, service: KeyService, mode: int) -> None:
        wrapped = service.wrap(KEY, CONTEXT)
        self.path.chmod(mode)
        with pytest.raises(KeyUnavailable, match=f"others may read the key file .mode {mode:04o}") as caught:
            FileKey(self.path).unwrap(wrapped, CONTEXT)
        assert f"chmod 600 {self.path}" in caught.value.hint
        self.path.chmod(0o400)
        assert FileKey(self.path).unwrap(wrapped, CONTEXT) == KEY

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "c2hvcnQ=\n", "not base64!\n", "AA\nAA\n"])
    def test_what_is_no_key_file_is_refused(self, service: KeyService, text: str) -> None:
        self.path.parent.mkdir()
        self.path.write_text(text)
        self.path.chmod(0o600)
        with pytest.raises(KeyUnavailable, match="no key file") as caught:
            service.wrap(KEY, CONTEXT)
        assert "not base64" not in str(caught.value)

    def test_of_two_that_make_it_at_once_one_stays(self, tmp_path: Path) -> None:
        from headrace.secrets.keys.file import _write_new

        path = tmp_path / "a.key"
        _write_new(path)
        before = path.read_bytes()
        _write_new(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


class TestVariable(KeyServiceContract):
    @pytest.fixture
    def service(self) -> KeyService:
        return key_service({"HEADRACE_KEY_SERVICE": "env:", "HEADRACE_KEY": base64.b64encode(bytes(32)).decode()})

    @pytest.fixture
    def another(self) -> KeyService:
        return key_service({"HEADRACE_KEY_SERVICE": "env:MINE", "MINE": bytes(range(32)).hex()})

    def revoke(self, service: KeyService) -> KeyService:
        with pytest.raises(KeyUnavailable, match="HEADRACE_KEY is not set"):
            key_service({"HEADRACE_KEY_SERVICE": "env:"})
        return _Gone()

    def test_what_is_no_key_is_refused_and_not_shown(self) -> None:
        with pytest.raises(KeyUnavailable, match="holds no key of 32 bytes") as caught:
            key_service({"HEADRACE_KEY_SERVICE": "env:", "HEADRACE_KEY": "too-short-to-be-one"})
        assert "too-short" not in str(caught.value)


class _Gone:
    """A variable that is gone is noticed before anything is opened."""

    id = "local:gone"

    def wrap(self, key: bytes, context: object) -> bytes:
        raise NotImplementedError

    def unwrap(self, wrapped: bytes, context: object) -> bytes:
        return key_service({"HEADRACE_KEY_SERVICE": "env:"}).unwrap(wrapped, CONTEXT)


class TestSqlite(CredentialRowsContract):
    @pytest.fixture
    def rows(self, tmp_path: Path) -> Iterator[CredentialRows]:
        with StateStore.open(tmp_path / "state") as store:
            yield store.credentials

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[CredentialRows]:
        with StateStore.open(tmp_path / "state") as store:
            yield store.credentials

    def overwrite(self, rows: CredentialRows, row: CredentialRow) -> None:
        assert isinstance(rows, StoredCredentials)
        values = _values(row)
        sql = f"INSERT OR REPLACE INTO org_integration_credentials VALUES ({', '.join('?' * len(values))})"
        rows._write(lambda connection: connection.execute(sql, values))


def test_every_service_is_named_by_its_module() -> None:
    assert keys.names() == ["aws-kms", "env", "file", "google-kms"]
    with pytest.raises(InputError, match="no key service 'aws-kmss', did you mean 'aws-kms'"):
        key_service({"HEADRACE_KEY_SERVICE": "aws-kmss:x"})
    for text in ("aws-kms:", "google-kms:projects/p"):
        with pytest.raises(InputError, match="-kms"):
            key_service({"HEADRACE_KEY_SERVICE": text})


def test_the_usual_key_lies_in_the_users_configuration(tmp_path: Path) -> None:
    key_service({"XDG_CONFIG_HOME": str(tmp_path)}).wrap(KEY, CONTEXT)
    key_service({"XDG_CONFIG_HOME": "relative", "HOME": str(tmp_path)}).wrap(KEY, CONTEXT)
    assert (tmp_path / "headrace/credentials.key").exists()
    assert (tmp_path / ".config/headrace/credentials.key").exists()


def test_a_lost_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    with StateStore.open(tmp_path / "state") as store:
        vault = Vault(store.credentials, service=lambda create: FileKey(path, create=create))
        vault.store("acme", "HUBSPOT", "value")
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(KeyUnavailable, match="key file is missing") as caught:
            vault.store("acme", "STRIPE", "value")
        assert "remove them" in caught.value.hint
        assert not path.exists()
        vault.remove("acme", "HUBSPOT")
        vault.store("acme", "STRIPE", "value")
        assert path.exists()
