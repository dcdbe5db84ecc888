"""The contract of a key service: subclass :class:`KeyServiceContract`, say how one is made, run it with pytest.

class TestVaultTransit(KeyServiceContract):
    @pytest.fixture
    def service(self, server): return VaultTransit(server.url, "headrace")

    @pytest.fixture
    def another(self, server): return VaultTransit(server.url, "another-key")

    def revoke(self, service): ...
"""

from __future__ import annotations

import base64
import logging

import pytest

from headrace.core.credentials import KeyService
from headrace.core.errors import CredentialError, CredentialUnreadable, KeyUnavailable
from headrace.secrets import envelope

CONTEXT = {"organisation": "acme", "provider": "HUBSPOT", "id": "7d1f", "version": "3", "hosts": "api.hubapi.com"}
KEY = bytes(range(200, 232))


class KeyServiceContract:
    """Whatever keeps the key: it opens what it sealed, where it was sealed, and says what is wrong otherwise."""

    @pytest.fixture
    def service(self) -> KeyService:
        raise NotImplementedError("a fixture that gives the service with a key")

    @pytest.fixture
    def another(self) -> KeyService:
        raise NotImplementedError("a fixture that gives the service with another key")

    def revoke(self, service: KeyService) -> KeyService:
        """The same service, whose key was taken away, as a process would find it."""
        raise NotImplementedError

    def test_a_key_comes_back(self, service: KeyService) -> None:
        wrapped = service.wrap(KEY, CONTEXT)
        assert service.unwrap(wrapped, dict(reversed(CONTEXT.items()))) == KEY
        assert KEY not in wrapped

    def test_no_two_seals_are_alike(self, service: KeyService) -> None:
        assert service.wrap(KEY, CONTEXT) != service.wrap(KEY, CONTEXT)
        assert envelope.seal("text", CONTEXT, service) != envelope.seal("text", CONTEXT, service)

    def test_the_id_is_lasting_and_differs_from_key_to_key(self, service: KeyService, another: KeyService) -> None:
        before = service.id
        service.wrap(KEY, CONTEXT)
        assert service.id == before != another.id
        assert before.partition(":")[1] == ":"

    @pytest.mark.parametrize("name", CONTEXT)
    def test_in_another_row_it_does_not_open(self, service: KeyService, name: str) -> None:
        wrapped = service.wrap(KEY, CONTEXT)
        with pytest.raises(CredentialUnreadable) as caught:
            service.unwrap(wrapped, {**CONTEXT, name: CONTEXT[name] + "x"})
        assert caught.value.hint

    def test_by_another_key_it_does_not_open(self, service: KeyService, another: KeyService) -> None:
        with pytest.raises(CredentialError) as caught:  # a cloud may only say that it refuses
            another.unwrap(service.wrap(KEY, CONTEXT), CONTEXT)
        assert another.id in str(caught.value)
        assert caught.value.hint

    def test_a_sealed_text_says_which_key_is_wrong(self, service: KeyService, another: KeyService) -> None:
        sealed = envelope.seal("the credential itself", CONTEXT, service)
        assert envelope.unseal(sealed, CONTEXT, service)[0] == "the credential itself"
        with pytest.raises(CredentialUnreadable) as caught:
            envelope.unseal(sealed, CONTEXT, another)
        assert another.id in str(caught.value)
        assert "HEADRACE_KEY_SERVICE" in caught.value.hint

    def test_cut_or_altered_it_does_not_open(self, service: KeyService) -> None:
        wrapped = service.wrap(KEY, CONTEXT)
        last = bytes([wrapped[-1] ^ 1])
        for damaged in (wrapped[:-1], wrapped[: len(wrapped) // 2], wrapped[:3], wrapped[:-1] + last):
            with pytest.raises(CredentialError) as caught:
                service.unwrap(damaged, CONTEXT)
            assert caught.value.hint

    def test_no_log_holds_a_key(self, service: KeyService, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            service.unwrap(service.wrap(KEY, CONTEXT), CONTEXT)
        told = repr([record.__dict__ for record in caplog.records])
        for spelling in (
            KEY.hex(),
            repr(KEY)[2:-1],
            base64.b64encode(KEY).decode(),
            base64.urlsafe_b64encode(KEY).decode(),
        ):
            assert spelling not in told

    def test_a_revoked_key_says_so(self, service: KeyService) -> None:
        wrapped = service.wrap(KEY, CONTEXT)
        revoked = self.revoke(service)
        with pytest.raises(KeyUnavailable) as caught:
            revoked.unwrap(wrapped, CONTEXT)
        assert caught.value.hint
        assert KEY.hex() not in str(caught.value)
