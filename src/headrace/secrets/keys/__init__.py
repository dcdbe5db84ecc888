"""The key services: a module each, named as ``HEADRACE_KEY_SERVICE`` names it (``aws-kms`` is ``aws_kms.py``)."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from headrace.core.credentials import KeyService
from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean

VARIABLE = "HEADRACE_KEY_SERVICE"


def names() -> list[str]:
    """What a key service may be called."""
    return [m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def key_service(environ: Mapping[str, str], *, create: bool = True) -> KeyService:
    """The service that ``HEADRACE_KEY_SERVICE`` names, as ``file:PATH``, ``env:NAME``, ``aws-kms:KEY`` or
    ``google-kms:NAME``; by default a key file of the user.

    ``create``: a key file that is missing may be made. Raises InputError for a service that there is not.
    """
    scheme, _, rest = environ.get(VARIABLE, "").partition(":")
    scheme = scheme or "file"
    known = names()
    if scheme not in known:
        raise InputError(
            f"{VARIABLE}: there is no key service {scheme!r}{did_you_mean(scheme, known)}",
            hint=f"write one of {', '.join(f'{name}:...' for name in known)}",
        )
    module = importlib.import_module(f"{__name__}.{scheme.replace('-', '_')}")
    service: KeyService = module.make(rest, environ, create)
    return service
