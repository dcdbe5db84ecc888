"""The contract of a keeper of credentials: subclass :class:`CredentialRowsContract`, run it with pytest.

class TestRedis(CredentialRowsContract):
    @pytest.fixture
    def rows(self, redis_url): return RedisState(redis_url).credentials

    @pytest.fixture
    def other(self, redis_url): return RedisState(redis_url).credentials      # as another process opens it

    def overwrite(self, rows, row): ...                                       # what only an intruder can do
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headrace.core.contracts import Secret
from headrace.core.credentials import CredentialRow, CredentialRows
from headrace.core.errors import CredentialUnreadable, InputError, SecretMissing
from headrace.secrets.keys._local import LocalKey
from headrace.secrets.vault import Check, Vault

KEY = LocalKey(bytes(range(32)))
HOSTS = ["api.hubapi.com"]


class CredentialRowsContract:
    """Versions, one in force; one organisation's apart from another's; and no row that was tampered with opens."""

    @pytest.fixture
    def rows(self) -> CredentialRows:
        raise NotImplementedError("a fixture that gives an empty table")

    @pytest.fixture
    def other(self) -> CredentialRows:
        raise NotImplementedError("a fixture that gives the same table, as another process opens it")

    def overwrite(self, rows: CredentialRows, row: CredentialRow) -> None:
        """Write ``row`` over what stands in its place, or add it, past every rule."""
        raise NotImplementedError

    @pytest.fixture
    def vault(self, rows: CredentialRows) -> Vault:
        return Vault(rows, service=lambda create: KEY)

    @pytest.fixture
    def beside(self, other: CredentialRows) -> Vault:
        return Vault(other, service=lambda create: KEY)

    def test_it_comes_back_whole_in_another_process(self, vault: Vault, beside: Vault) -> None:
        check = Check("https://api.hubapi.com/me", {"type": "header", "header_name": "X-Key"})
        stored = vault.store("acme", "hubspot", '{"api_key": "k\u00e9y-1", "portal": "7"}', hosts=HOSTS, check=check)
        assert beside.find("acme", "HubSpot") == Secret(
            "k\u00e9y-1", {"api_key": "k\u00e9y-1", "portal": "7"}, ("api.hubapi.com",)
        )
        assert beside.list() == [replace(stored, sealed="")]
        assert (stored.version, stored.status, stored.check_url) == (1, "active", check.url)

    def test_what_is_kept_holds_no_value(self, vault: Vault, rows: CredentialRows) -> None:
        vault.store("acme", "HUBSPOT", "a-value-to-look-for")
        vault.propose("acme", "HUBSPOT", "another-value-to-look-for")
        assert "look-for" not in repr([(row, row.sealed) for row in rows.credential_rows()])

    def test_an_organisation_sees_its_own_alone(self, vault: Vault, beside: Vault) -> None:
        vault.store("acme", "HUBSPOT", "of-acme")
        vault.store("globex", "HUBSPOT", "of-globex")
        vault.store("acme", "STRIPE", "of-acme-too")
        found = [vault.find(org, "HUBSPOT") for org in ("acme", "globex", "ACME", "acm", "initech")]
        assert [secret and secret.value for secret in found] == ["of-acme", "of-globex", None, None, None]
        assert [(row.org, row.provider) for row in vault.list("acme")] == [("acme", "HUBSPOT"), ("acme", "STRIPE")]
        with pytest.raises(SecretMissing):
            beside.remove("initech", "HUBSPOT")
        beside.remove("globex", "HUBSPOT")
        with pytest.raises(SecretMissing):
            beside.propose("globex", "HUBSPOT", "x")
        assert [row.org for row in vault.list()] == ["acme", "acme"]

    @pytest.mark.parametrize("org", ["", "a/b", "../acme", "acme ", "%", "acme\n", "a" * 64])
    def test_what_is_no_organisation_is_refused(self, vault: Vault, org: str) -> None:
        with pytest.raises(InputError, match="organisation"):
            vault.store(org, "HUBSPOT", "value")

    def test_the_old_one_is_in_force_until_the_new_one_is_committed(self, vault: Vault, beside: Vault) -> None:
        vault.store("acme", "HUBSPOT", "the-old-one", hosts=HOSTS)
        proposed = vault.propose("acme", "HUBSPOT", "the-new-one")
        assert _value(beside) == "the-old-one"
        assert vault.open(proposed).value == "the-new-one"
        assert proposed.hosts == tuple(HOSTS)
        assert vault.commit(proposed)
        assert _value(beside) == "the-new-one"

    def test_one_that_was_given_up_leaves_the_old_one(self, vault: Vault, beside: Vault) -> None:
        vault.store("acme", "HUBSPOT", "the-old-one")
        proposed = vault.propose("acme", "HUBSPOT", "the-new-one")
        vault.drop(proposed)
        assert not vault.commit(proposed)
        assert _value(beside) == "the-old-one"
        assert vault.propose("acme", "HUBSPOT", "a-third").version == 3

    def test_of_two_rotations_at_once_the_later_wins(self, vault: Vault, beside: Vault) -> None:
        vault.store("acme", "HUBSPOT", "first")
        slow = vault.propose("acme", "HUBSPOT", "slow")
        fast = beside.propose("acme", "HUBSPOT", "fast")
        assert beside.commit(fast)
        assert not vault.commit(slow)
        assert _value(vault) == "fast"

    def test_what_is_out_of_force_is_deleted(self, vault: Vault, rows: CredentialRows) -> None:
        for value in ("first", "second"):
            vault.store("acme", "HUBSPOT", value)
        vault.drop(vault.propose("acme", "HUBSPOT", "third"))
        assert [(row.version, row.status, bool(row.sealed)) for row in rows.credential_rows("acme", "HUBSPOT")] == [
            (3, "failed", False), (2, "active", True), (1, "retired", False),
        ]  # fmt: skip
        vault.remove("acme", "HUBSPOT")
        assert not any(row.sealed for row in rows.credential_rows())
        assert vault.store("acme", "HUBSPOT", "again").version == 4

    def test_many_at_once_leave_one_in_force(self, vault: Vault, beside: Vault, rows: CredentialRows) -> None:
        def store(number: int) -> int:
            return (vault, beside)[number % 2].store("acme", "HUBSPOT", f"value-{number}").version

        with ThreadPoolExecutor(4) as pool:
            versions = list(pool.map(store, range(4)))
        active = [row for row in rows.credential_rows() if row.status == "active"]
        assert [row.version for row in active] == [max(versions)]
        assert _value(vault) == f"value-{versions.index(max(versions))}"

    def test_what_a_test_found_is_noted(self, vault: Vault, beside: Vault) -> None:
        row = vault.store("acme", "HUBSPOT", "value")
        vault.note(row, "invalid")
        assert [(each.validity, each.checked_at > 0) for each in beside.list()] == [("invalid", True)]
        assert _value(beside) == "value"

    def test_a_moved_row_does_not_open(self, vault: Vault, rows: CredentialRows) -> None:
        mine = vault.store("acme", "HUBSPOT", "of-acme")
        theirs = vault.store("globex", "HUBSPOT", "of-globex")
        self.overwrite(rows, replace(theirs, sealed=mine.sealed))
        self._refused(vault, "globex", "HUBSPOT", "moved")
        self.overwrite(rows, replace(mine, org="globex"))
        self._refused(vault, "globex", "HUBSPOT", "moved")
        self.overwrite(rows, replace(mine, provider="STRIPE"))
        self._refused(vault, "acme", "STRIPE", "moved")
        self.overwrite(rows, replace(mine, credential_id=theirs.credential_id))
        self._refused(vault, "acme", "HUBSPOT", "moved")

    @pytest.mark.parametrize(
        "change", [{"hosts": ("evil.example",)}, {"hosts": ()}, {"check_url": "https://evil.example"}]
    )
    def test_the_hosts_and_the_check_are_sealed_with_it(
        self, vault: Vault, rows: CredentialRows, change: dict[str, object]
    ) -> None:
        row = vault.store("acme", "HUBSPOT", "value", hosts=HOSTS)
        self.overwrite(rows, replace(row, **change))  # type: ignore[arg-type]  # one field each
        self._refused(vault, "acme", "HUBSPOT", "moved")

    def test_a_row_that_was_rolled_back_does_not_open(self, vault: Vault, rows: CredentialRows) -> None:
        first = vault.store("acme", "HUBSPOT", "first")
        second = vault.store("acme", "HUBSPOT", "second")
        self.overwrite(rows, replace(second, sealed=first.sealed))
        self._refused(vault, "acme", "HUBSPOT", "rolled back")
        self.overwrite(rows, replace(second, status="retired", sealed=""))
        self.overwrite(rows, first)
        self._refused(vault, "acme", "HUBSPOT", "rolled back")

    def test_a_ciphertext_that_was_cut_does_not_open(self, vault: Vault, rows: CredentialRows) -> None:
        row = vault.store("acme", "HUBSPOT", "value")
        for length in (0, 1, 9, len(row.sealed) // 2, len(row.sealed) - 1):
            self.overwrite(rows, replace(row, sealed=row.sealed[:length]))
            self._refused(vault, "acme", "HUBSPOT", "cut short")

    def test_a_wrong_key_is_named(self, vault: Vault, rows: CredentialRows) -> None:
        vault.store("acme", "HUBSPOT", "value")
        stranger = Vault(rows, service=lambda create: LocalKey(bytes(32)))
        self._refused(stranger, "acme", "HUBSPOT", "another key")

    def _refused(self, vault: Vault, org: str, provider: str, why: str) -> None:
        with pytest.raises(CredentialUnreadable, match=why) as caught:
            vault.find(org, provider)
        assert org in str(caught.value)
        assert provider in str(caught.value)
        assert caught.value.hint


def _value(vault: Vault) -> str | None:
    found = vault.find("acme", "HUBSPOT")
    return None if found is None else found.value
