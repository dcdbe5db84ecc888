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

    def credential(self) -> CredentialRef:
        return CredentialRef(self.provider, self.secret_key)

    def need(self, secret: Secret | None) -> Secret:
        """Raises SecretMissing when nothing was found."""
        if secret is None:
            name = self.provider or self.secret_key
            raise SecretMissing(
                f"no credential{f' for {name}' if name else ''}",
                hint=f"set {name.upper()}_API_KEY" if self.provider and name else "name it: auth: {provider: NAME}",
                place="auth",
            )
        return secret
