"""Stand-in of the Streaming Availability API: ``GET /shows/search/filters``."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from itertools import islice

from headrace.sandbox import catalogue
from headrace.sandbox.exchange import Exchange, Route, refusal
from headrace.sandbox.http import BadParameter, Reply, dumps, join

PAGE = 20
_ORDERS = ("original_title", "release_date", "rating", "popularity_1week", "popularity_1month", "popularity_1year", "popularity_alltime")  # fmt: skip
_PARAMETERS = {
    "country", "catalogs", "genres", "show_type", "order_by", "order_direction", "cursor", "output_language",
    "series_granularity", "genres_relation", "keyword", "year_min", "year_max", "rating_min", "rating_max",
}  # fmt: skip


def refused(exchange: Exchange) -> Reply | None:
    """The gateway's answer to a request without a usable key, else ``None``."""
    headers, wanted = exchange.request.headers, exchange.options.api_key
    key = headers.get("x-rapidapi-key") or headers.get("x-api-key") or ""
    if not key:
        return refusal(401, "No API key came with the request (X-RapidAPI-Key or X-API-Key).")
    if wanted is not None and key != wanted:
        return refusal(403, "This API key has no subscription to this API.")
    if "x-rapidapi-key" in headers and not headers.get("x-rapidapi-host"):
        return refusal(401, "X-RapidAPI-Host has to name the API.")
    return None


class Listing:
    """The list of one query: which positions match, in the order asked for; nothing of it is kept."""

    def __init__(self, exchange: Exchange) -> None:
        query, options = exchange.request.query, exchange.options
        unknown = set(query) - _PARAMETERS
        if unknown:
            raise BadParameter(min(unknown), "is not a parameter of this endpoint")
        self.seed, self.titles = options.seed, options.titles
        self.country = query.get("country", "")
        if self.country not in catalogue.COUNTRIES:
            what = "must be lower case" if self.country.lower() in catalogue.COUNTRIES else "is required, such as us"
            raise BadParameter("country", what)
        catalogs = [c for c in query.get("catalogs", "").split(",") if c]
        for name in catalogs:
            if name.split(".")[0] not in catalogue.SERVICES:
                raise BadParameter("catalogs", f"holds an unknown service: {name}")
        if len(catalogs) > 32:
            raise BadParameter("catalogs", "takes at most 32 entries")
        self.catalogs = frozenset(catalogs)
        self.genres = frozenset(g for g in query.get("genres", "").split(",") if g)
        if wrong := self.genres - set(catalogue.GENRES):
            raise BadParameter("genres", f"holds an unknown genre: {min(wrong)}")
        self.any_genre = query.get("genres_relation", "and") == "or"
        self.show_type = query.get("show_type", "")
        if self.show_type not in ("", "movie", "series"):
            raise BadParameter("show_type", "is movie or series")
        self.order = query.get("order_by", "original_title")
        if self.order not in _ORDERS:
            raise BadParameter("order_by", f"is one of {', '.join(_ORDERS)}")
        self.descending = query.get("order_direction", "asc") == "desc"

    def show(self, position: int) -> int:
        """The show at a position. Another ``order_by`` is another fixed shuffle, not a true order."""
        if turn := _ORDERS.index(self.order):
            stride = 7 * turn + 1
            while math.gcd(stride, self.titles) > 1:
                stride += 1
            position = position * stride % self.titles
        if self.descending:
            position = self.titles - 1 - position
        return catalogue.show_at(position)

    def matches(self, position: int) -> bool:
        known = catalogue.traits(self.seed, self.country, self.show(position))
        if self.show_type and known.movie != (self.show_type == "movie"):
            return False
        if self.catalogs and not any(deal.within(self.catalogs) for deal in known.deals):
            return False
        if not self.genres:
            return True
        own = self.genres & set(known.genres)
        return bool(own) if self.any_genre else own == self.genres

    def matching(self, positions: Iterator[int]) -> Iterator[int]:
        return (position for position in positions if self.matches(position))

    def render(self, positions: list[int]) -> bytes:
        return dumps([catalogue.show(self.seed, self.country, self.show(p)) for p in positions])

    def cursor(self, last: int, following: int) -> str:
        """Human text: the position to go on at, and the title of the last show given."""
        return f"{following}:{catalogue.title_of(self.seed, self.show(last))}"

    def position(self, cursor: str) -> int:
        """Where a cursor goes on. Raises :class:`BadParameter` for one that was never given."""
        found = re.match(r"(\d{1,12}):", cursor)
        at = int(found[1]) if found else 0
        last = next(self.matching(iter(range(min(at, self.titles) - 1, -1, -1))), None)
        if last is None or at >= self.titles or cursor != self.cursor(last, at):
            raise BadParameter("cursor", "is not one that this endpoint gave")
        return at


def search_filters(exchange: Exchange) -> Reply:
    """Up to 20 shows from the cursor on."""
    if (reply := refused(exchange)) is not None:
        return reply
    listing, tricks = Listing(exchange), exchange.tricks
    given = exchange.request.query.get("cursor", "")
    start = listing.position(given) if given else 0
    size = min(exchange.options.page_size or PAGE, PAGE)
    found = listing.matching(iter(range(start, listing.titles)))
    here = list(islice(found, size))
    following = next(found, None)
    more, cursor = following is not None, ""
    if following is not None:
        cursor = listing.cursor(here[-1], following)
    if "cursor_loop" in tricks:
        more, cursor = True, given
    if "vanishing_cursor" in tricks:
        cursor = ""
    if "wrong_has_more" in tricks:
        more = not more
    if "repeated_page" in tricks:
        before = listing.matching(iter(range(start - 1, -1, -1)))
        here = list(islice(before, size))[::-1] or here
    if "zero_rows" in tricks:
        here = []
    shows = exchange.cache.get(
        ("sapi", listing.country, listing.order, listing.descending, tuple(here)), lambda: listing.render(here)
    )
    shows = shows.replace(catalogue.SIGNED.encode(), _signature(exchange, start))
    body = join(shows=shows, hasMore=more, **_cursor_member(exchange, cursor))
    used = exchange.memory["sapi_requests"] = exchange.memory.get("sapi_requests", 0) + 1
    limit = 500_000
    headers = [
        ("X-RateLimit-Requests-Limit", str(limit)),
        ("X-RateLimit-Requests-Remaining", str(max(limit - used, 0))),
        ("X-RateLimit-Requests-Reset", "2592000"),
    ]
    return Reply(body=body, headers=headers, volatile=exchange.options.signatures == "changing")


def _cursor_member(exchange: Exchange, cursor: str) -> dict[str, str]:
    return {"nextCursor": cursor} if cursor or exchange.options.api_version == "v3" else {}


def _signature(exchange: Exchange, start: int) -> bytes:
    """Of one length, and new for every answer unless the options fix it."""
    times = exchange.times if exchange.options.signatures == "changing" else 0
    place = start if times else 0
    digest = hashlib.sha256(f"{exchange.options.seed}/{place}/{times}".encode()).hexdigest()[:32]
    return f"Expires={1_760_000_000 + times}&Signature={digest}&Key-Pair-Id=SANDBOXKEYPAIR".encode()


def genres(exchange: Exchange) -> Reply:
    if (reply := refused(exchange)) is not None:
        return reply
    return Reply(body=dumps([{"id": genre, "name": genre.capitalize()} for genre in catalogue.GENRES]))


ROUTES = [
    Route("/shows/search/filters", search_filters, "sapi: shows of one country, by cursor"),
    Route("/genres", genres, "sapi: genres"),
]
