"""Link headers (RFC 8288) and links in bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from headrace.core.errors import AnswerError
from headrace.sources.paginate._place import LONGEST

# Possessive: a hostile header takes linear time.
_TARGET = re.compile(r"\s*+,?\s*+<([^>]*+)>")
_PARAM = re.compile(r'(?:\s*+;)++\s*+([^\s=;,"<>]++)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+)))?')


def find(headers: Iterable[str], rel: str) -> str | None:
    """The target of the first link of relation ``rel``; what is no link is passed over."""
    for header in headers:
        at, end = 0, header.rfind(">")  # without a > to come, nothing is a link: it need not be tried again and again
        while at < end:
            target = _TARGET.match(header, at)
            if target is None:
                at = _skip(header, at)
                continue
            at = target.end()
            relations: list[str] | None = None
            while param := _PARAM.match(header, at):
                at = param.end()
                if param[1].lower() == "rel" and relations is None:  # RFC 8288: only the first rel counts
                    relations = re.sub(r"\\(.)", r"\1", param[2] or param[3] or "").lower().split()
            if relations and rel.lower() in relations:
                return target[1].strip()
    return None


def leads_elsewhere(link: str, page_url: str) -> bool:
    """Whether ``link`` gives another value to a parameter that the page was asked with."""
    try:
        there, here = (dict(parse_qsl(urlsplit(url).query)) for url in (link, page_url))
    except ValueError:
        return False
    return any(there[name] != value for name, value in here.items() if name in there)


def _skip(header: str, at: int) -> int:
    """Past what could not be read, to the next comma."""
    comma = header.find(",", at + 1)
    return len(header) if comma < 0 else comma


def resolve(link: str, page_url: str, place: str) -> str:
    """``link`` as a request takes it: against the page's URL when it is relative, otherwise untouched but for
    characters that no URL may hold. Raises AnswerError for anything that is not http or https."""
    if len(link) > LONGEST:
        raise AnswerError(
            f"{place} has {len(link):,} characters: at most {LONGEST:,} can be sent", hint="is that the right path?"
        )
    try:
        link = quote(link.strip(), safe="%/:=&?~#+!$,;'@()*[]{}|^`\\-._")
        if not urlsplit(link).scheme:
            link = urljoin(page_url, link)
        parts = urlsplit(link)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.netloc)
    except ValueError:  # such as an unclosed [ in the host, or a lone surrogate
        usable = False
    if not usable:
        raise AnswerError(f"{place} is {link[:100]!r}, which is no link", hint="use type: cursor for what is not a URL")
    return link.partition("#")[0]
