"""A store's URL as it may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Scheme, host, port and database; no user, password or option."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
    except ValueError:
        return f"{url.partition('://')[0]}://..."
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"
