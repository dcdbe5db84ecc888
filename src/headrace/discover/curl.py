"""A curl command as a request."""

from __future__ import annotations

import re
import shlex

from headrace.core.errors import InputError
from headrace.discover.asked import Raw

_DATA = ("-d", "--data", "--data-raw", "--data-ascii", "--data-binary", "--data-urlencode", "--json")
_TAKES = frozenset({
    "-X", "--request", "-H", "--header", "-u", "--user", "-A", "--user-agent", "-e", "--referer", "-b", "--cookie",
    "--url", "-o", "--output", "-m", "--max-time", "--connect-timeout", "-x", "--proxy", "--retry", "-w", "--write-out",
    "-c", "--cookie-jar", "--cacert", "-E", "--cert", "--key", "-F", "--form", "--resolve", "-D", "--dump-header",
    "--oauth2-bearer", "--retry-delay", "--limit-rate", "-r", "--range", "-T", "--upload-file", *_DATA,
})  # fmt: skip


def is_curl(text: str) -> bool:
    return re.match(r"\s*(?:\$\s+)?curl(?:\.exe)?\s", text) is not None


def read_curl(text: str) -> Raw:
    """The request of a curl command, as a browser's "copy as cURL" or documentation gives it. Raises InputError."""
    try:
        words = shlex.split(re.sub(r"\s*[\\^]\r?\n\s*", " ", text.strip().removeprefix("$")))
    except ValueError:
        raise InputError(
            "the curl command cannot be read: a quote is never closed",
            hint="put it into a file and name that: --from @request.txt",
        ) from None
    return _Reader().read(words[1:])


class _Reader:
    def __init__(self) -> None:
        self.url = ""
        self.method = ""
        self.user: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.data: list[str] = []
        self.to_query = False

    def read(self, words: list[str]) -> Raw:
        at = 0
        while at < len(words):
            word, at = words[at], at + 1
            value: str | None = None
            if word.startswith("--") and "=" in word and word.partition("=")[0] in _TAKES:
                word, _, value = word.partition("=")
            elif not word.startswith("--") and len(word) > 2 and word[:2] in _TAKES:
                word, value = word[:2], word[2:]
            elif word in _TAKES:
                if at >= len(words):
                    raise InputError(f"curl's {word} has no value", hint="is the command cut short?")
                value, at = words[at], at + 1
            self.take(word, value)
        if not self.url:
            raise InputError("the curl command has no address", hint="headrace new FILE --from 'curl https://…'")
        body = "&".join(self.data) if self.data else None
        if self.to_query and body is not None:
            self.url += ("&" if "?" in self.url else "?") + body
            body = None
        method = self.method.upper() or ("GET" if body is None else "POST")
        if method not in ("GET", "POST"):
            raise InputError(
                f"the command sends a {method}, which does not list records", hint="give the request that reads"
            )
        return Raw(self.url, method, tuple(self.headers), body, self.user)

    def take(self, word: str, value: str | None) -> None:
        if value is None:
            if word in ("-G", "--get"):
                self.to_query = True
            elif not word.startswith("-"):
                self.url = self.url or word
        elif word in ("-H", "--header"):
            name, _, rest = value.partition(":") if ":" in value else value.rstrip(";").partition("\0")
            self.headers.append((name.strip(), rest.strip()))
        elif word in ("-X", "--request"):
            self.method = value
        elif word in ("-u", "--user"):
            self.user = value
        elif word == "--oauth2-bearer":
            self.headers.append(("Authorization", f"Bearer {value}"))
        elif word in ("-b", "--cookie"):
            self.headers.append(("Cookie", value))
        elif word == "--url":
            self.url = value
        elif word in ("-F", "--form", "-T", "--upload-file"):
            raise InputError(f"curl's {word} uploads, which does not list records", hint="give the request that reads")
        elif word in _DATA:
            if value.startswith("@") and word not in ("--data-raw", "--data-urlencode"):
                raise InputError(f"{word} {value} reads a file", hint="put the body itself into the command")
            self.data.append(value)
            if word == "--json":
                self.headers.append(("Content-Type", "application/json"))
