"""Where a credential comes from: one order, the same for every step, said in full when nothing is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.contracts import CredentialRef, Secret
from headrace.core.errors import SecretMissing
from headrace.secrets.files import read_secrets, read_text
from headrace.secrets.references import read_reference

_VALUE_MEMBERS = ("api_key", "token", "access_token")

Stored = Callable[[str, str], Secret | str | Mapping[str, Any] | None]
"""(organisation, provider) to the organisation's stored credential."""
Prompt = Callable[[str], str | None]
"""Asks a person at the terminal, without echo; ``None`` or nothing when they give none."""


def resolve(
    ref: CredentialRef,
    *,
    org: str,
    run_secrets: Mapping[str, Any],
    environ: Mapping[str, str],
    stored: Stored | None = None,
    files: Sequence[Path] = (),
    prompt: Prompt | None = None,
    trust_environment: bool = True,
    warn: Callable[[str], None] | None = None,
) -> Secret:
    """The credential that ``ref`` names.

    In this order: the run's secrets ``[provider]``, ``[provider_api_key]``, ``[provider_credential]``; the
    organisation's; the run's secret ``[secret_key]``; and, with ``trust_environment`` (the CLI and the
    library, never a run started over HTTP), what ``reference`` names; the environment ``<PROVIDER>_API_KEY``,
    ``<PROVIDER>_CREDENTIAL``, ``<SECRET_KEY>``; what ``<PROVIDER>_API_KEY_REF`` refers to; the file that
    ``<PROVIDER>_API_KEY_FILE`` names; ``files`` and the one that ``HEADRACE_SECRETS`` names; ``prompt``. Names
    match in any case; an empty value counts as not found. Raises SecretMissing, which lists the places, InputError
    for a file that cannot be read, and what ``stored`` raises; none shows a value. Without a terminal ``prompt`` is
    ``None``.
    """
    search = _Search()
    found = _find(search, ref, org, run_secrets, stored)
    if found is None and trust_environment and ref.reference:
        found = credential(read_reference(ref.reference, environ, warn))
        search.places.append(f"{ref.reference} (empty)")
    if found is None and trust_environment and (ref.provider or ref.secret_key):
        found = _find_around(search, ref, environ, files, prompt, warn)
    if found is not None:
        return found
    raise _missing(ref, org, search.places, trust_environment)


def credential(value: Any) -> Secret | None:
    """A secret from what a place holds: text, JSON text, a mapping, or a secret already; ``None`` when there is
    nothing in it.

    The value of a JSON credential is its ``api_key``, ``token`` or ``access_token``; empty when it has none
    of them (OAuth2 clients, user and password), and ``fields`` has all of it.
    """
    if isinstance(value, Secret):
        return value if value.value or value.fields else None
    if isinstance(value, str):
        value = value.strip()
        if not value.startswith("{"):
            return Secret(value) if value else None
        try:
            members = json.loads(value)
        except ValueError:
            return Secret(value)  # a token may well begin with a brace
    else:
        members = value
    if not isinstance(members, Mapping):
        return None if members is None else credential(_text(members))
    fields = {str(name): _text(member) for name, member in members.items() if member not in (None, "")}
    if not fields:
        return None
    return Secret(next((fields[name] for name in _VALUE_MEMBERS if name in fields), ""), fields)


@dataclass
class _Search:
    """The places looked at so far, in order, as the error shows them."""

    places: list[str] = field(default_factory=list)

    def names(self, where: str, held: Mapping[str, Any], names: Iterable[str]) -> Secret | None:
        """The first of ``names`` that ``held`` has something under; an exact name before one in another case."""
        wanted = list(names)
        if not wanted:
            return None
        folded = {str(name).casefold(): value for name, value in held.items()}
        shown = []
        for name in wanted:
            value = held.get(name, folded.get(name.casefold()))
            found = credential(value)
            if found is not None:
                return found
            shown.append(name if value is None else f"{name} (empty)")
        self.places.append(f"{where}: {', '.join(shown)}")
        return None


def _find(
    search: _Search, ref: CredentialRef, org: str, run_secrets: Mapping[str, Any], stored: Stored | None
) -> Secret | None:
    found = search.names("the run's secrets", run_secrets, _provider_names(ref))
    if found is None and ref.provider and stored is not None:
        found = credential(stored(org, ref.provider))
        search.places.append(f"the stored credentials of organisation {org!r}: {ref.provider}")
    if found is None and ref.secret_key:
        found = search.names("the run's secrets", run_secrets, [ref.secret_key])
    return found


def _find_around(
    search: _Search,
    ref: CredentialRef,
    environ: Mapping[str, str],
    files: Sequence[Path],
    prompt: Prompt | None,
    warn: Callable[[str], None] | None,
) -> Secret | None:
    variables = _variables(ref)
    found = search.names("the environment", {name: environ.get(name) for name in variables}, variables)
    if found is not None:
        return found
    if ref.provider:
        pointer = f"{_variable(ref.provider)}_API_KEY_REF"
        if environ.get(pointer):
            found = credential(read_reference(environ[pointer], environ, warn))
            if found is not None:
                return found
        search.places.append(f"what {pointer} refers to: {'empty' if environ.get(pointer) else 'not set'}")
        pointer = f"{_variable(ref.provider)}_API_KEY_FILE"
        if environ.get(pointer):
            path = Path(environ[pointer]).expanduser()
            found = credential(read_text(path, f"file that {pointer} names", warn))
            if found is not None:
                return found
            search.places.append(f"the file that {pointer} names: {path} (empty)")
        else:
            search.places.append(f"the file that {pointer} names: not set")
    all_files = [*files, *(Path(name).expanduser() for name in [environ.get("HEADRACE_SECRETS")] if name)]
    for path in all_files:
        names = [*_provider_names(ref), *([ref.secret_key] if ref.secret_key else []), *variables]
        found = search.names(f"the secrets file {path}", read_secrets(path, warn), dict.fromkeys(names))
        if found is not None:
            return found
    if not all_files:
        search.places.append("a secrets file: none given (--secrets-file, HEADRACE_SECRETS)")
    if prompt is None:
        search.places.append("a prompt: no terminal")
        return None
    found = credential(prompt(f"Credential for {ref.provider or ref.secret_key}: "))
    search.places.append("a prompt: nothing was entered")
    return found


def _missing(ref: CredentialRef, org: str, places: list[str], trust_environment: bool) -> SecretMissing:
    name = ref.provider or ref.secret_key or ref.reference
    if not name:
        return SecretMissing(
            "the credential has no name", hint="name it, such as auth: {type: bearer, provider: HUBSPOT}", place="auth"
        )
    listed = "\n".join(f"  {number}. {place}" for number, place in enumerate(places, 1))
    what = f"provider {ref.provider}" if ref.provider else f"secret_key {ref.secret_key}"
    if not (ref.provider or ref.secret_key):
        what, hint = f"the reference {ref.reference}", "a run that was not started here reads no references"
    elif trust_environment:
        hint = f"write: export {_variables(ref)[0]}=..."
    else:
        hint = f"give the run a secret {name.lower()}, or store a credential of organisation {org!r}"
    return SecretMissing(f"no credential for {what}; looked for, in this order:\n{listed}", hint=hint)


def _provider_names(ref: CredentialRef) -> list[str]:
    provider = ref.provider
    return [provider, f"{provider}_api_key", f"{provider}_credential"] if provider else []


def _variables(ref: CredentialRef) -> list[str]:
    """The environment variables a credential may stand in, the usual one first."""
    names = []
    if ref.provider:
        names = [f"{_variable(ref.provider)}_API_KEY", f"{_variable(ref.provider)}_CREDENTIAL"]
    if ref.secret_key:
        names.append(_variable(ref.secret_key))
    return names


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def _text(member: Any) -> str:
    return member if isinstance(member, str) else json.dumps(member, ensure_ascii=False, default=str)
