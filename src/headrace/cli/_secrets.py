"""Where the commands that ask an API find its credential."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from headrace.core.contracts import CredentialRef, Secret
    from headrace.pipeline.load import Loaded
    from headrace.runner.secrets import OrgTokens


def prompt() -> Callable[[str], str | None] | None:
    """A prompt without echo on stderr, or ``None`` where nobody sits at a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(what: str) -> str | None:
        # A run's event loop takes Ctrl-C as a request to stop, which nobody reads while a person is asked.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            value: str = click.prompt(
                what.rstrip(": "), hide_input=True, default="", show_default=False, err=True, prompt_suffix=": "
            )
        except click.exceptions.Abort:
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, before)
        return value or None

    return ask


@contextmanager
def opened(
    loaded: Loaded, secrets_file: Path | None, folder: Path | None
) -> Iterator[tuple[Callable[[CredentialRef], Secret], OrgTokens]]:
    """How `run` looks a credential up, and where it keeps tokens. What a decrypting step of the file would put under
    another name is found under that name too."""
    from headrace.cli._database import opened_state
    from headrace.core.contracts import CredentialRef
    from headrace.runner.secrets import OrgTokens, RunSecrets
    from headrace.secrets.vault import Vault
    from headrace.state.file import FILE
    from headrace.state.folder import state_folder
    from headrace.steps.integrations.kms_decrypt import KmsDecrypt

    files = (secrets_file,) if secrets_file is not None else ()
    with ExitStack() as held:
        keeper: Any = _LaterState(folder)
        vault = None
        if ((folder or state_folder()) / FILE).exists():
            keeper = held.enter_context(opened_state(folder))
            vault = Vault(keeper.credentials)
        secrets = RunSecrets(loaded.org, {}, vault, files=files, prompt=prompt())

        def find(reference: CredentialRef) -> Secret:
            for entry in loaded.pipeline.steps:
                config = entry.config
                if (
                    isinstance(config, KmsDecrypt)
                    and reference.secret_key
                    and config.context_key == reference.secret_key
                ):
                    secrets.keep(reference.secret_key, secrets.find(CredentialRef(config.provider)))
            return secrets.find(reference)

        yield find, OrgTokens(keeper, loaded.org, vault)


class _LaterState:
    """A state folder that there is not yet: made when a token has to be kept, and not before."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[str, dict[str, Any] | None] = {}

    def get_token(self, name: str) -> dict[str, Any] | None:
        return self._kept.get(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        from headrace.cli._database import opened_state

        self._kept[name] = None if token is None else dict(token)
        with opened_state(self._folder) as store:
            store.put_token(name, token)

    def take_turn(self, name: str, owner: str) -> bool:
        return True

    def end_turn(self, name: str, owner: str) -> None:
        """Nobody else has a token here."""
