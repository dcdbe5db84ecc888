"""What all kinds that use a stored credential share."""

from __future__ import annotations

from headrace.core.contracts import Auth, CredentialRef, Secret
from headrace.core.errors import SecretMissing


class WithCredential(Auth):
    """A kind whose credential is looked up by ``provider`` and ``secret_key``."""

    provider: str | None = None
    """Whose credential it is: looked up among the run's secrets, the organisation's, and ``<PROVIDER>_API_KEY``."""
    secret_key: str | None = None
    """The name of one secret, looked up after the provider."""
    secret_ref: str | None = None
    """Where it lies, if it was not found under those: ``env:NAME``, ``file:PATH``, ``aws:NAME`` (AWS Secrets Manager)
    or ``google:projects/P/secrets/S``; with ``#member``, that member of a JSON secret. Takes ``{variables}``."""

    def credential(self) -> CredentialRef:
        return CredentialRef(self.provider, self.secret_key, self.secret_ref)

    def need(self, secret: Secret | None) -> Secret:
        """Raises SecretMissing when nothing was found."""
        if secret is None:
            name = self.provider or self.secret_key or self.secret_ref
            raise SecretMissing(
                f"no credential{f' for {name}' if name else ''}",
                hint=f"set {name.upper()}_API_KEY" if self.provider and name else "name it: auth: {provider: NAME}",
                place="auth",
            )
        return secret
