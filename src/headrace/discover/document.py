"""Reading an API description, from a file or from where it is served."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.core.errors import InputError
from headrace.discover.asked import Asked
from headrace.discover.openapi import is_openapi
from headrace.discover.probe import Probe

_MOST_BYTES = 50_000_000


def named_so(source: str) -> bool:
    """Whether a URL or path has the look of an API description."""
    path = urlsplit(source).path if re.match(r"https?://", source) else source
    return re.search(r"\.(?:ya?ml)$|(?:openapi|swagger|api-docs)[^/]*$", path, re.IGNORECASE) is not None


def read_file(file: Path) -> dict[str, Any]:
    """The document in ``file``. Raises InputError for what is none."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"{file} is larger than {_MOST_BYTES // 1_000_000} MB")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{file} cannot be read: {said}") from None
    return _read(text, str(file))


def read_url(asked: Asked) -> dict[str, Any]:
    """The document that a GET of ``asked`` answers. Raises InputError, SourceError."""
    return _read(asyncio.run(_fetched(asked)), asked.url)


async def _fetched(asked: Asked) -> str:
    probe = Probe(asked)
    try:
        return (await probe.fetch(probe.base)).body.decode("utf-8-sig", "replace")
    finally:
        await probe.close()


def _read(text: str, source: str) -> dict[str, Any]:
    import yaml

    document: Any = None
    try:
        document = (
            json.loads(text)
            if text.lstrip().startswith("{")
            else yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (a safe loader, in C)
        )
    except RecursionError:
        raise InputError(f"{source} is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:
        line = re.sub(r"\s+", " ", str(error))[:200]
        raise InputError(f"{source} is neither JSON nor YAML: {line}") from None
    if not is_openapi(document):
        raise InputError(
            f"{source} is no OpenAPI document: it has not both openapi (or swagger) and paths",
            hint="give an OpenAPI 3 or Swagger 2 document, a URL, or a curl command in a file as @file",
        )
    found: dict[str, Any] = document
    return found
