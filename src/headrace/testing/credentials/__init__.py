"""The contracts of what keeps credentials, and of what keeps the key that seals them.

A keeper of rows passes :class:`CredentialRowsContract`, a key service :class:`KeyServiceContract`.
"""

from headrace.testing.credentials.keys import KeyServiceContract
from headrace.testing.credentials.rows import CredentialRowsContract

__all__ = ["CredentialRowsContract", "KeyServiceContract"]
