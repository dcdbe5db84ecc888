"""Records like those of a streaming catalogue, for tests and benchmarks: about 1.8 KB each, the same for
the same seed."""

from __future__ import annotations

import json
import random
from typing import Any

_WORDS = [
    "harbour",
    "winter",
    "signal",
    "paper",
    "garden",
    "comet",
    "orchard",
    "ledger",
    "lantern",
    "river",
    "stone",
    "métro",
    "naïve",
    "東京",
    "quiet",
    "late",
]
_SERVICES = ("netflix", "prime", "disney", "hbo", "apple", "mubi")


def title(number: int, seed: int = 0) -> dict[str, Any]:
    """One title with two or three offers."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311  # generated data, no secret
    words = [rng.choice(_WORDS) for _ in range(36)]
    series = rng.random() < 0.3
    images = {
        f"w{width}": f"https://img.example.com/{number}/poster/{width}.jpg?Signature={rng.getrandbits(96):024x}"
        for width in (240, 360, 480, 600)
    }
    return {
        "itemType": "show",
        "showType": "series" if series else "movie",
        "id": str(number),
        "imdbId": f"tt{number:07d}",
        "tmdbId": f"{'tv' if series else 'movie'}/{number}",
        "title": " ".join(words[:3]).title(),
        "originalTitle": " ".join(words[3:6]).title(),
        "overview": " ".join(words),
        ("firstAirYear" if series else "releaseYear"): rng.randint(1960, 2025),
        "rating": rng.randint(20, 99),
        "score": rng.randint(0, 1000) / 100,
        "runtime": None if series else rng.randint(70, 200),
        "adult": rng.random() < 0.05,
        "genres": [{"id": w, "name": w.title()} for w in rng.sample(_WORDS, 2)],
        "directors": [f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}".title()],
        "cast": [f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}".title() for _ in range(4)],
        "imageSet": {"verticalPoster": images},
        "updatedAt": f"2025-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T10:00:00Z",
        "streamingOptions": {"us": [_offer(rng, number) for _ in range(rng.randint(2, 3))]},
    }


def _offer(rng: random.Random, number: int) -> dict[str, Any]:
    service = rng.choice(_SERVICES)
    kind = rng.choice(("subscription", "rent", "buy"))
    offer: dict[str, Any] = {
        "service": {"id": service, "name": service.title()},
        "type": kind,
        "link": f"https://www.{service}.example/title/{number}",
        "audios": [{"language": "eng"}],
        "expiresSoon": False,
        "availableSince": rng.randint(1_500_000_000, 1_760_000_000),
    }
    if rng.random() < 0.9:
        offer["quality"] = rng.choice(("sd", "hd", "uhd"))
    if kind != "subscription":
        offer["price"] = {"amount": f"{rng.randint(100, 1999) / 100:.2f}", "currency": "USD"}
    return offer


def page(count: int, first: int = 0, seed: int = 0) -> bytes:
    """The text of a JSON array of titles."""
    records = [title(first + i, seed) for i in range(count)]
    return json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
