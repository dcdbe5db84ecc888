"""Vocabulary for invented titles, people and texts, hostile characters included."""

from __future__ import annotations

from headrace.sandbox.draw import Draw

_FIRST = (
    "Amber", "Brass", "Cobalt", "Driftwood", "Eleventh", "Feathered", "Glass", "Hollow", "Ivory", "Juniper",
    "Kindled", "Lacquered", "Marbled", "Nettle", "Opal", "Paper", "Quiet", "Rusted", "Salted", "Tin", "Umber",
    "Velvet", "Woolen", "Yellow", "Zinc",
)  # fmt: skip
_SECOND = (
    "Abacus", "Beacon", "Cartographer", "Dovecote", "Estuary", "Foundry", "Greenhouse", "Harvester", "Isthmus",
    "Jackdaw", "Kiln", "Lighthouse", "Millrace", "Notary", "Orchard", "Pilgrim", "Quarry", "Regatta", "Sluice",
    "Tannery", "Umbrella", "Viaduct", "Weathervane", "Yardstick", "Zeppelin",
)  # fmt: skip
_ODD = (
    "What's Left of the {b}?", '"{a}" & Sons: {b}', "{b} &amp; {a}", "The {a} {b}&#039;s Ledger",
    "100% {a} / {b}", "Été d'{a}", "{a} {b} — ночь", "東の{b}", "{a}: Part #2 + {b}", "Ñandú {b}", "{b} 🚲 {a}",
    "C:\\{a}\\{b}", "  {a} {b}", "{a}\u00a0{b}", "{a}=1&{b}=2",
)  # fmt: skip
_PLAIN = ("The {a} {b}", "{a} {b}", "{b} of the {a} Coast", "Return to {a} {b}", "My {a} {b}", "{b}, {a}")
_GIVEN = ("Ada", "Björn", "Chiara", "Dmitri", "Esi", "Farid", "Greta", "Hiro", "Inés", "Jonas", "Kamala", "Lev", "Mei", "Niamh", "Óscar", "Priya")  # fmt: skip
_FAMILY = ("Ashgrove", "Brandvold", "Castellane", "D'Orsay-Pell", "Eastlake", "Fennimore", "Grünwald", "Hollister", "Ichiyama", "Jarnsson", "Kovalenko", "Lindqvist", "O'Tarry", "Petrescu", "Quill", "Żuraw")  # fmt: skip


def title(draw: Draw, number: int) -> str:
    """An invented title; one in seven holds quotes, entities, another script or reserved characters."""
    a, b = draw.pick(_FIRST), draw.pick(_SECOND)
    shape = draw.pick(_ODD) if draw.below(7) == 0 else draw.pick(_PLAIN)
    text = shape.replace("{a}", a).replace("{b}", b)
    return text if draw.chance(60) else f"{text} {number % 997}"


def person(draw: Draw) -> str:
    return f"{draw.pick(_GIVEN)} {draw.pick(_FAMILY)}"


def sentence(draw: Draw, clauses: int) -> str:
    """Text of about 60 characters a clause."""
    parts = [
        f"a {draw.pick(_FIRST).lower()} {draw.pick(_SECOND).lower()} is found near the {draw.pick(_SECOND).lower()}"
        for _ in range(clauses)
    ]
    text = ", and ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
