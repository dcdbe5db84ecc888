"""Deterministic records of about 1.8 KB, shaped like a catalogue of films."""

from __future__ import annotations

import json
import random

_WORDS = (
    "amber river silent glass winter engine paper orbit velvet copper lantern harbor signal meadow thunder "
    "mirror canyon shadow garden marble whisper falcon ember tide cobalt saffron anchor prairie comet"
).split()


def record(i: int) -> dict[str, object]:
    rng = random.Random(i)
    words = [rng.choice(_WORDS) for _ in range(60)]
    title = " ".join(words[:3]).title()
    return {
        "id": str(i),
        "imdbId": f"tt{i:08d}",
        "tmdbId": f"movie/{i}",
        "itemType": "show",
        "showType": "movie" if i % 3 else "series",
        "title": title,
        "originalTitle": title if i % 5 else f"Ö {title} №{i}",
        "overview": " ".join(words).capitalize() + ".",
        "releaseYear": 1950 + i % 75,
        "rating": rng.randrange(101),
        "score": rng.randrange(1, 1000) / 10,
        "runtime": None if i % 11 == 0 else 60 + i % 120,
        "adult": i % 17 == 0,
        "genres": [{"id": w, "name": w.title()} for w in words[5:8]],
        "directors": [f"{words[8].title()} {words[9].title()}"],
        "cast": [f"{a.title()} {b.title()}" for a, b in zip(words[10:17], words[17:24], strict=True)],
        "imageSet": {
            "verticalPoster": {
                f"w{w}": f"https://images.example/{i}/poster/{w}.jpg?sig={rng.getrandbits(64):x}"
                for w in (240, 360, 480, 600, 720)
            }
        },
        "externals": {"wiki": f"Q{i}", "site": f"https://films.example/{i}"},
        "streamingOptions": {
            "us": [
                {
                    "service": {"id": words[30], "name": words[30].title()},
                    "type": "subscription",
                    "link": f"https://{words[30]}.example/title/{i}",
                    "quality": "uhd",
                    "availableSince": 1_600_000_000 + i,
                    "audios": [{"language": "eng"}, {"language": "fra"}],
                }
            ]
        },
        "updatedAt": f"2026-01-{1 + i % 28:02d}T12:00:00Z",
    }


def page(number: int, size: int, total: int) -> bytes:
    """Page ``number`` (from 0) as the API sends it."""
    first = number * size
    shows = [record(i) for i in range(first, min(first + size, total))]
    last = first + size >= total
    document: dict[str, object] = {"shows": shows, "hasMore": not last}
    if not last:
        document["nextCursor"] = f"{number + 1}"
    return json.dumps(document, ensure_ascii=False).encode()
