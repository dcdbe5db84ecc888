"""An invented streaming catalogue, by index: shows, offers and images of the shape that seed 1's API gives.

Position ``p`` of the list holds show :func:`show_at` ``(p)``: some shows come back on a later page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from headrace.sandbox import words
from headrace.sandbox.draw import Draw

SIGNED = "@@SIGNED@@"
"""Stands in rendered pages where an image URL is signed anew in every answer."""

COUNTRIES = {
    "us": ("USD", 1), "gb": ("GBP", 1), "de": ("EUR", 1), "fr": ("EUR", 1), "es": ("EUR", 1), "it": ("EUR", 1),
    "in": ("INR", 60), "jp": ("JPY", 100), "br": ("BRL", 4), "ca": ("CAD", 1), "au": ("AUD", 1), "mx": ("MXN", 15),
    "se": ("SEK", 10), "pl": ("PLN", 4),
}  # fmt: skip
GENRES = (
    "action", "adventure", "animation", "comedy", "crime", "documentary", "drama", "family", "fantasy", "history",
    "horror", "music", "mystery", "romance", "scifi", "thriller", "war", "western",
)  # fmt: skip
SERVICES = {
    "netflix": "Netflix", "prime": "Prime Video", "disney": "Disney+", "apple": "Apple TV", "hbo": "Max",
    "hulu": "Hulu", "tubi": "Tubi",
}  # fmt: skip
ADDONS = {"lanternhall": "Lantern Hall", "harborline": "Harborline+", "ninthreel": "Ninth Reel & Co"}
_LANGUAGES = ("eng", "spa", "fra", "deu", "jpn", "hin", "por", "kor")
_SHAPES = {
    "verticalPoster": (240, 360, 480, 600, 720),
    "verticalBackdrop": (240, 360, 480, 600, 720),
    "horizontalPoster": (360, 480, 720, 1080, 1440),
    "horizontalBackdrop": (360, 480, 720, 1080, 1440),
}
_NOW = 1_750_000_000
"""The catalogue's idea of the present, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Deal:
    """What one show is offered as: a service, a type, an add-on; its qualities become offers of their own."""

    service: str
    type: str
    addon: str = ""
    qualities: tuple[str | None, ...] = ("hd",)

    def within(self, catalogs: frozenset[str]) -> bool:
        """Whether one of ``catalogs`` (``netflix``, ``prime.buy``, ``prime.addon.x``) covers it."""
        names = {self.service, f"{self.service}.{self.type}"}
        if self.addon:
            names.add(f"{self.service}.addon.{self.addon}")
        return not names.isdisjoint(catalogs)


@dataclass(frozen=True, slots=True)
class Traits:
    """What filters ask for."""

    movie: bool
    genres: tuple[str, ...]
    deals: tuple[Deal, ...]


def show_at(position: int) -> int:
    """The show at a position: position 47 brings show 24 again, 74 brings 51, and so on."""
    return position - 23 if position >= 30 and position % 27 == 20 else position


def distinct(positions: int) -> int:
    """How many different shows the first ``positions`` positions hold."""
    return sum(show_at(p) == p for p in range(positions))


def expected(seed: int, country: str, positions: int) -> dict[str, int]:
    """How many rows a crawl of the first ``positions`` positions has to give, by what they are."""
    counts = {"shows": 0, "offers": 0, "variants": 0, "assets": 0}
    for number in (p for p in range(positions) if show_at(p) == p):
        record = show(seed, country, number)
        offers = record["streamingOptions"][country]
        counts["shows"] += 1
        counts["offers"] += len({(offer["service"]["id"], offer["type"]) for offer in offers})
        counts["variants"] += len(offers)
        counts["assets"] += len(record["imageSet"])
    return counts


@lru_cache(maxsize=8_192)
def traits(seed: int, country: str, show: int) -> Traits:
    """Type, genres and deals of a show; every show has one deal with netflix, prime or disney."""
    draw = Draw("traits", seed, show)
    movie = draw.chance(65)
    genres = tuple(draw.some(GENRES, 1, 3))
    draw = Draw("deals", seed, show, country)
    deals = [Deal(draw.pick(("netflix", "prime", "disney")), "subscription", qualities=(draw.pick(("hd", "uhd")),))]
    if movie and draw.chance(45):
        ladder = draw.pick((("sd", "hd", "uhd"), ("hd", "uhd"), ("hd",)))
        service = draw.pick(("apple", "prime"))
        deals += [Deal(service, "rent", qualities=ladder), Deal(service, "buy", qualities=ladder)]
    if draw.chance(15):
        deals += [Deal("prime", "addon", addon) for addon in draw.some(tuple(ADDONS), 1, 2)]
    if draw.chance(20):
        deals.append(Deal(draw.pick(("hbo", "hulu")), "subscription", qualities=(None,)))
    if draw.chance(8):
        deals.append(Deal("tubi", "free", qualities=("sd",)))
    if draw.chance(4):
        deals.append(deals[0])  # the same offer key again, under another link
    return Traits(movie, genres, tuple(deals))


def title_of(seed: int, show: int) -> str:
    return words.title(Draw("title", seed, show), show)


def show(seed: int, country: str, number: int) -> dict[str, Any]:
    """The whole record of show ``number`` for one country."""
    known = traits(seed, country, number)
    draw = Draw("show", seed, number)
    title = title_of(seed, number)
    identity = str(1_000 + 7 * number)
    year = draw.between(1951, 2025)
    record: dict[str, Any] = {
        "itemType": "show",
        "showType": "movie" if known.movie else "series",
        "id": identity,
        "imdbId": f"tt{9_000_000 + number}",
        "tmdbId": f"{'movie' if known.movie else 'tv'}/{500 + 3 * number}",
        "title": title,
        "overview": words.sentence(draw, draw.between(1, 4)),
    }
    if known.movie:
        record["releaseYear"] = year
    else:
        record["firstAirYear"] = year
        record["lastAirYear"] = min(year + draw.below(9), 2025)
    record["originalTitle"] = title if draw.chance(80) else f"{title} — {words.person(draw)}"
    record["genres"] = [{"id": genre, "name": genre.capitalize()} for genre in known.genres]
    record["directors" if known.movie else "creators"] = [words.person(draw) for _ in range(draw.between(1, 2))]
    record["cast"] = [words.person(draw) for _ in range(draw.between(0, 7))]
    record["rating"] = draw.between(8, 97)
    if known.movie:
        record["runtime"] = draw.between(61, 190)
    else:
        record["seasonCount"] = draw.between(1, 9)
        record["episodeCount"] = record["seasonCount"] * draw.between(4, 22)
    record["imageSet"] = _images(draw, identity)
    record["streamingOptions"] = {country: _offers(seed, country, number, known.deals)}
    return record


def _images(draw: Draw, identity: str) -> dict[str, dict[str, str]]:
    missing = draw.pick(tuple(_SHAPES)) if draw.chance(15) else ""
    return {
        kind: {
            f"w{width}": f"https://images.sandbox.example/show/{identity}/{kind}/{width}.jpg?{SIGNED}"
            for width in widths
        }
        for kind, widths in _SHAPES.items()
        if kind != missing
    }


def _service(identity: str, name: str) -> dict[str, Any]:
    media = f"https://media.sandbox.example/services/{identity}"
    return {
        "id": identity,
        "name": name,
        "homePage": f"https://{identity}.example/",
        "themeColorCode": f"#{sum(identity.encode()) * 7919 % 0xFFFFFF:06X}",
        "imageSet": {
            "lightThemeImage": f"{media}/light.svg",
            "darkThemeImage": f"{media}/dark.svg",
            "whiteImage": f"{media}/white.svg",
        },
    }


def _offers(seed: int, country: str, number: int, deals: tuple[Deal, ...]) -> list[dict[str, Any]]:
    offers = []
    for place, deal in enumerate(deals):
        draw = Draw("offer", seed, country, number, place)
        link = f"https://{deal.service}.example/{country}/title/{draw.below(10**9):09d}"
        watch = f"{link.replace('/title/', '/watch/')}?from=sandbox&v=1" if draw.chance(60) else None
        audios: list[dict[str, str]] = [{"language": language} for language in draw.some(_LANGUAGES, 0, 3)]
        if audios and draw.chance(10):
            audios[0]["region"] = "MEX"
        subtitles = [
            {"closedCaptions": draw.chance(30), "locale": {"language": language}}
            for language in draw.some(_LANGUAGES, 0, 3)
        ]
        since = _NOW - draw.below(150_000_000)
        base = draw.between(2, 9)
        for step, quality in enumerate(deal.qualities):
            offer: dict[str, Any] = {"service": _service(deal.service, SERVICES[deal.service]), "type": deal.type}
            if deal.addon:
                offer["addon"] = _service(deal.addon, ADDONS[deal.addon])
            offer["link"] = link
            if watch:
                offer["videoLink"] = watch
            if quality:
                offer["quality"] = quality
            offer["audios"] = audios
            offer["subtitles"] = subtitles
            if deal.type in ("rent", "buy"):
                currency, factor = COUNTRIES[country]
                cents = (base + 2 * step + (6 if deal.type == "buy" else 0)) * 100 - 1
                amount = f"{cents / 100:.2f}" if factor < 10 else str(cents * factor // 100)
                offer["price"] = {"amount": amount, "currency": currency, "formatted": f"{amount} {currency}"}
            offer["expiresSoon"] = soon = draw.chance(4)
            if soon:
                offer["expiresOn"] = _NOW + draw.between(1, 30) * 86_400
            offer["availableSince"] = since
            offers.append(offer)
    return offers
