"""Stand-in of TVmaze: ``/shows?page=N`` (250 ids a page, with gaps; 404 is the end) and ``/shows/{id}/cast``."""

from __future__ import annotations

from typing import Any

from headrace.sandbox import words
from headrace.sandbox.draw import Draw
from headrace.sandbox.exchange import Exchange, Route, refusal
from headrace.sandbox.http import Reply, dumps

PAGE = 250
_GENRES = ("Drama", "Action", "Comedy", "Crime", "Science-Fiction", "Thriller", "Family", "Horror", "Romance")
_TYPES = ("Scripted", "Scripted", "Animation", "Reality", "Documentary")
_LANGUAGES = ("English", "English", "English", "Japanese", "French", None)


def exists(number: int) -> bool:
    """Whether a show has this id: 0 has none, and about one in thirty is a gap."""
    return number > 0 and Draw("gap", number).below(30) > 0


def show(seed: int, number: int) -> dict[str, Any]:
    """The record of the show with id ``number``."""
    draw = Draw("tv", seed, number)
    link = f"https://tv.sandbox.example/shows/{number}"
    premiered = f"{draw.between(1990, 2024)}-{draw.between(1, 12):02d}-{draw.between(1, 28):02d}"
    ended = draw.chance(60)
    country = {"name": "Freedonia", "code": "FD", "timezone": "Etc/UTC"} if draw.chance(80) else None
    home = {"id": draw.between(1, 90), "name": f"Channel {draw.between(1, 90)}", "country": country}
    on_air = draw.chance(70)
    record: dict[str, Any] = {
        "id": number,
        "url": link,
        "name": words.title(draw, number),
        "type": draw.pick(_TYPES),
        "language": draw.pick(_LANGUAGES),
        "genres": draw.some(_GENRES, 0, 3),
        "status": "Ended" if ended else draw.pick(("Running", "To Be Determined", "In Development")),
        "runtime": draw.pick((30, 45, 60, None)),
        "premiered": None if draw.chance(4) else premiered,
        "ended": f"{draw.between(2024, 2025)}-01-0{draw.between(1, 9)}" if ended else None,
        "officialSite": None,
        "schedule": {
            "time": draw.pick(("", "20:00", "22:30")),
            "days": draw.some(("Monday", "Friday", "Sunday"), 0, 2),
        },
        "rating": {"average": None if draw.chance(12) else draw.between(30, 96) / 10},
        "weight": draw.below(100),
        "network": home if on_air else None,
        "webChannel": None if on_air else home,
        "externals": {"tvrage": None, "thetvdb": 200_000 + number, "imdb": f"tt{8_000_000 + number}"},
        "image": None if draw.chance(8) else {"medium": f"{link}/m.jpg", "original": f"{link}/o.jpg"},
        "summary": f"<p><b>A show</b>: {words.sentence(draw, draw.between(1, 4))}</p>" if draw.chance(95) else None,
        "updated": 1_700_000_000 + draw.below(50_000_000),
        "_links": {"self": {"href": link}},
    }
    if draw.chance(50):
        record["averageRuntime"] = draw.between(20, 70)
    return record


def shows(exchange: Exchange) -> Reply:
    options = exchange.options
    number = exchange.request.number("page", 0)
    if number * PAGE > options.titles:
        return refusal(404, "There is no such page.", name="Not Found", code=0, status_code=404)
    ids = range(number * PAGE, min(number * PAGE + PAGE, options.titles + 1))

    def render() -> bytes:
        return dumps([show(options.seed, i) for i in ids if exists(i)])

    body = b"[]" if "zero_rows" in exchange.tricks else exchange.cache.get(("tv", number), render)
    return Reply(body=body)


def cast(exchange: Exchange) -> Reply:
    """Up to eight parts; in every fifth show one person plays two."""
    options = exchange.options
    text = exchange.request.path.split("/")[2]
    if not text.isdecimal() or not exists(int(text)) or int(text) > options.titles:
        return refusal(404, "There is no such show.", name="Not Found", code=0, status_code=404)
    number = int(text)
    draw = Draw("cast", options.seed, number)
    people = [_person(options.seed, draw.between(1, 5_000)) for _ in range(draw.below(8))]
    if people and number % 5 == 0:
        people.append(people[0])
    parts = [
        {"person": person, "character": _character(draw, 10 * number + place), "self": False, "voice": draw.chance(5)}
        for place, person in enumerate(people)
    ]
    return Reply(body=dumps(parts))


def _person(seed: int, number: int) -> dict[str, Any]:
    draw = Draw("person", seed, number)
    link = f"https://tv.sandbox.example/people/{number}"
    return {
        "id": number,
        "url": link,
        "name": words.person(draw),
        "country": None if draw.chance(15) else {"name": "Freedonia", "code": "FD", "timezone": "Etc/UTC"},
        "birthday": None if draw.chance(20) else f"{draw.between(1930, 2005)}-0{draw.between(1, 9)}-1{draw.below(10)}",
        "deathday": None,
        "gender": draw.pick(("Female", "Male", None)),
        "image": {"medium": f"{link}/m.jpg", "original": f"{link}/o.jpg"},
        "_links": {"self": {"href": link}},
    }


def _character(draw: Draw, number: int) -> dict[str, Any]:
    link = f"https://tv.sandbox.example/characters/{number}"
    image = {"medium": f"{link}/m.jpg", "original": f"{link}/o.jpg"}
    return {"id": number, "url": link, "name": words.person(draw), "image": image if draw.chance(60) else None}


ROUTES = [
    Route("/shows", shows, "tvmaze: shows by page, from 0; 404 is the end"),
    Route("/shows/*/cast", cast, "tvmaze: who plays in a show"),
]
