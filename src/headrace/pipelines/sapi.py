"""The Streaming Availability crawl as a library: a client, a worker, and runs that can be resumed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import headrace
from headrace.core.clock import SystemClock
from headrace.core.contracts import Secret, Session
from headrace.core.errors import AnswerError, InputError, SecretMissing
from headrace.core.http import Request
from headrace.core.templates import as_text
from headrace.destinations import from_url
from headrace.secrets.mask import Masker
from headrace.sources.auth.header import HeaderAuth
from headrace.sources.client import ApiClient
from headrace.sources.http import AiohttpTransport
from headrace.sources.ratelimit import RateLimit

API_HOST = "streaming-availability.p.rapidapi.com"
_GENRES = {  # by their TMDB number, which older versions of the API took
    "12": "adventure", "14": "fantasy", "16": "animation", "18": "drama", "27": "horror", "28": "action", "35": "comedy",
    "36": "history", "37": "western", "53": "thriller", "80": "crime", "99": "documentary", "878": "scifi",
    "9648": "mystery", "10402": "music", "10749": "romance", "10751": "family", "10752": "war", "10763": "news",
    "10764": "reality", "10767": "talk",
}  # fmt: skip


class _Settings:
    """``SAPI_API_KEY``, ``SAPI_API_HOST``, ``SAPI_BASE_URL`` and ``DATABASE_URL`` (by default the DuckDB file
    ``headrace.duckdb`` here), read when they are asked for. Without a key raises SecretMissing."""

    @property
    def api_key(self) -> str:
        if "SAPI_API_KEY" in os.environ:
            return os.environ["SAPI_API_KEY"]
        raise SecretMissing("SAPI_API_KEY is not set", hint="write: export SAPI_API_KEY=...")

    @property
    def api_host(self) -> str:
        return os.environ.get("SAPI_API_HOST") or API_HOST

    @property
    def base_url(self) -> str:
        return os.environ.get("SAPI_BASE_URL") or f"https://{self.api_host}"

    @property
    def url(self) -> str:
        return os.environ.get("DATABASE_URL") or "duckdb:///headrace.duckdb"


SAPI_SETTINGS = POSTGRES_SETTINGS = _Settings()


class DatabaseManager:
    """The database of a worker: settings with a ``url``, or the URL of any destination."""

    def __init__(self, settings: _Settings | str = POSTGRES_SETTINGS) -> None:
        self.url = settings if isinstance(settings, str) else settings.url

    def session(self) -> AbstractContextManager[Session]:
        """A session for ``query(sql, params)``, which gives Arrow batches. Raises CannotOpen."""
        return from_url(self.url).open(read_only=True)


@dataclass(frozen=True)
class SapiClient:
    """The API with one key. Passing troubles are retried; ``base_url`` may name a stand-in."""

    api_key: str = field(repr=False)
    api_host: str = API_HOST
    base_url: str = f"https://{API_HOST}"

    def fetch_data(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One answer. Raises RequestFailed (AuthRefused for 401 and 403), AnswerError for no JSON object."""
        if isinstance(found := asyncio.run(self._fetch(path, params or {})), dict):
            return found
        raise AnswerError(f"{path}: the answer is no JSON object", hint="check the path and the base URL")

    async def _fetch(self, path: str, params: Mapping[str, Any]) -> Any:
        pairs = tuple((name, as_text(value)) for name, value in params.items() if value is not None)
        request = Request(
            "GET", f"{self.base_url.rstrip('/')}/{path.lstrip('/')}", pairs, (("X-RapidAPI-Host", self.api_host),)
        )
        clock = SystemClock()
        transport = AiohttpTransport(clock)
        auth = HeaderAuth(header_name="X-RapidAPI-Key", provider="SAPI")
        api = ApiClient(
            transport=transport, auth=auth, secret=Secret(self.api_key), rate_limit=RateLimit(), clock=clock,
            emit=lambda event: None, run_id="", step="fetch_data", masker=Masker(),
        )  # fmt: skip
        try:
            return json.loads((await api.fetch(request)).body)
        except ValueError:
            return None
        finally:
            await transport.close()


@dataclass(frozen=True)
class SapiRunScope:
    """What a run covers; ``catalogs_bundle`` is comma text in any order. ``params_fingerprint`` stands for the
    further parameters: runs of one scope are compared to find removed offers. It is computed unless given."""

    country: str
    catalogs_bundle: str = "netflix,prime,disney"
    params_fingerprint: str | None = None


@dataclass(frozen=True)
class BackfillOptions:
    max_pages: int | None = None
    """Pause after this many pages of one call."""


class SapiBackfillWorker:
    """Crawls scopes into one database; ``last_result`` tells how the latest call ended."""

    def __init__(self, *, db_manager: DatabaseManager, sapi_client: SapiClient) -> None:
        self._database, self._client = db_manager, sapi_client
        self.last_result: headrace.RunResult | None = None

    def run_backfill(
        self, *, scope: SapiRunScope, base_query_params: Mapping[str, Any] | None = None,
        options: BackfillOptions | None = None, run_id: str | None = None,
    ) -> str:  # fmt: skip
        """Crawl until it is done or paused; gives the run's id, which resumes it. ``base_query_params`` are
        parameters of the API; a genre may be a word or its TMDB number. Raises what :func:`headrace.run` does."""
        query = {name: value for name, value in (base_query_params or {}).items() if value is not None}
        if taken := {"country", "catalogs", "cursor"} & query.keys():
            raise InputError(f"base_query_params has {min(taken)!r}, which the scope and the crawl decide")
        country = scope.country.lower()
        catalogs = [name.strip() for name in scope.catalogs_bundle.split(",") if name.strip()]
        params = {"country": country, "catalogs": catalogs, "api_host": self._client.api_host}
        if genre := as_text(query.pop("genre", query.pop("genres", ""))):
            params["genre"] = ",".join(_GENRES.get(word.strip(), word.strip()) for word in genre.split(","))
        self.last_result = headrace.run(
            "sapi", params={**params, **({"filters": query} if query else {})}, run_id=run_id,
            destination=self._database.url, max_pages=options.max_pages if options is not None else None,
            rewrite={API_HOST: self._client.base_url}, secrets={"SAPI": self._client.api_key},
            scope=(own := scope.params_fingerprint) and f"{country}:{','.join(sorted(catalogs))}:{own}",
        )  # fmt: skip
        return self.last_result.run_id
