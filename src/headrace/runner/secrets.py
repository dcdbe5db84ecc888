"""The credentials of one run, and the tokens made from them: in memory, and sealed where they have to be kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from headrace.core.contracts import CredentialRef, Secret
from headrace.core.errors import StateError
from headrace.core.trust import EVERYTHING, Trust
from headrace.secrets.resolve import resolve
from headrace.secrets.vault import Vault


class RunSecrets:
    """Looks credentials up in one order for every step; remembers what a step has decrypted, and forgets it with the
    run. ``vault`` has the organisation's stored credentials, if there is a state that holds any."""

    def __init__(
        self,
        org: str,
        given: Mapping[str, Any],
        vault: Vault | None,
        *,
        files: Sequence[Path] = (),
        prompt: Callable[[str], str | None] | None = None,
        trust: Trust = EVERYTHING,
    ) -> None:
        self._trust = trust
        self._org, self._given, self._vault = org, given, vault
        self._files, self._prompt = files, prompt
        self._kept: dict[str, Secret] = {}

    def find(self, reference: CredentialRef) -> Secret:
        """Raises SecretMissing, InputError and CredentialError."""
        return resolve(
            reference,
            org=self._org,
            run_secrets={**self._kept, **self._given},
            environ=os.environ,
            stored=self._stored,
            files=self._files,
            prompt=self._prompt,
            trust_environment=self._trust.allowed_env is None,
        )

    def keep(self, name: str, secret: Secret) -> None:
        """``secret`` is the run's secret ``name`` from now on."""
        self._kept[name] = secret

    def _stored(self, org: str, provider: str) -> Secret | None:
        if self._vault is None:
            return None
        try:
            return self._vault.find(org, provider)
        except StateError:
            return None  # a run goes on without its state; the store itself has warned of it


class TokenKeeper(Protocol):
    """What a state store offers for tokens."""

    def get_token(self, name: str) -> dict[str, Any] | None: ...
    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None: ...
    def take_turn(self, name: str, owner: str) -> bool: ...
    def end_turn(self, name: str, owner: str) -> None: ...


class OrgTokens:
    """One organisation's tokens in a state store, as the API client asks for them. A token that belongs to a stored
    credential is sealed by that credential's key."""

    def __init__(self, state: TokenKeeper, org: str, vault: Vault | None) -> None:
        self._state, self._org, self._vault = state, org, vault
        self._opened: dict[str, tuple[str, dict[str, Any] | None]] = {}

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        kept = self._state.get_token(self._name(name))
        if kept is None or "sealed" not in kept:
            return kept
        sealed = str(kept["sealed"])
        known, token = self._opened.get(name, ("", None))
        if known != sealed:
            text = self._vault.open_token(self._org, _provider(name), name, sealed) if self._vault is not None else None
            token = json.loads(text) if text is not None else None
            self._opened[name] = (sealed, token)
        return token

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        if token is not None and self._vault is not None:
            sealed = self._vault.seal_token(self._org, _provider(name), name, json.dumps(dict(token)))
            token = {"sealed": sealed} if sealed is not None else token
        self._state.put_token(self._name(name), token)

    def take_turn(self, name: str, owner: str) -> bool:
        return self._state.take_turn(self._name(name), owner)

    def end_turn(self, name: str, owner: str) -> None:
        self._state.end_turn(self._name(name), owner)

    def _name(self, name: str) -> str:
        return f"{self._org}/{name}"


def _provider(name: str) -> str:
    """The provider in a token's name: ``oauth2/PROVIDER/<digest>``."""
    return name.partition("/")[2].rpartition("/")[0]
