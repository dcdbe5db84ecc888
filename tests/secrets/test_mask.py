"""Secrets are found in every spelling, and nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from urllib.parse import quote, quote_plus

import pytest

from headrace.core.contracts import Secret
from headrace.secrets.mask import MASK, Masker

TOKEN = "not-a-real-token-0123456789"
ODD = 'p&ss/w+rd! "é"\\<=?'


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def url64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


FORMS = {
    "plain": lambda s: s,
    "percent": lambda s: quote(s, safe=""),
    "percent, slash kept": quote,
    "percent, lower case": lambda s: re.sub("%..", lambda match: match.group().lower(), quote(s, safe="")),
    "encodeURIComponent": lambda s: quote(s, safe="!'()*"),
    "form": quote_plus,
    "json": lambda s: json.dumps(s)[1:-1],
    "json utf-8": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json, slash escaped": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "json for html": lambda s: (
        json.dumps(s)[1:-1].replace("&", "\\u0026").replace("<", "\\u003c").replace("=", "\\u003d")
    ),
    "html": html.escape,
    "base64": b64,
    "base64 without padding": lambda s: b64(s).rstrip("="),
    "base64 urlsafe": url64,
    "base64 as user without password": lambda s: b64(s + ":"),
    "percent, twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json in json": lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1],
    "html, decimal": lambda s: html.escape(s, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
}


@pytest.mark.parametrize(
    "secret", [TOKEN, ODD, "?>?>?>?>", "ünïcödé-sëcret"], ids=["token", "odd", "base64 of / and +", "é"]
)
@pytest.mark.parametrize("form", FORMS)
def test_every_spelling(form: str, secret: str) -> None:
    masker = Masker()
    masker.add(secret)
    spelt = FORMS[form](secret)
    body = f'{{"echo": "{spelt}", "again": "x{spelt}y"}}'
    assert masker.mask_bytes(body.encode()) == (b'{"echo": "***", "again": "x***y"}', 2)
    assert masker.mask_text(body) == '{"echo": "***", "again": "x***y"}'


@pytest.mark.parametrize("spell", [b64, url64, str])
def test_user_and_password(spell: object) -> None:
    masker = Masker()
    masker.add("user:pass>>>word??")
    assert callable(spell)
    assert masker.mask_text(f"Basic {spell('user:pass>>>word??')}.") == f"Basic {MASK}."
    assert masker.mask_text("wrong password pass>>>word??") == f"wrong password {MASK}"
    assert masker.mask_text("the user is user:x") == "the user is user:x"


def test_without_a_match_the_very_same_body_comes_back() -> None:
    body = b'{"a": "not-a-real-token-012345678"}'
    masker = Masker()
    assert masker.mask_bytes(body) == (body, 0)
    masker.add(TOKEN)
    masked, count = masker.mask_bytes(body)
    assert masked is body
    assert count == 0


@pytest.mark.parametrize("short", ["", "us", "12345", "  abc  "])
def test_short_values_are_not_masked(short: str) -> None:
    masker = Masker()
    masker.add(short)
    assert masker.mask_text("us 12345 abc") == "us 12345 abc"


def test_a_secret_within_a_secret() -> None:
    masker = Masker()
    masker.add("abcdefgh")
    masker.add("abcdefgh-long-tail")
    assert masker.mask_text("1 abcdefgh-long-tail 2 abcdefgh 3") == "1 *** 2 *** 3"
    assert masker.mask_bytes(b"1 abcdefgh-long-tail 2 abcdefgh 3") == (b"1 *** 2 *** 3", 2)


def test_bytes_that_are_not_utf8_stay_as_they_are() -> None:
    masker = Masker()
    masker.add(TOKEN)
    assert masker.mask_bytes(b"\xff\x00" + TOKEN.encode() + b"\xfe") == (b"\xff\x00***\xfe", 1)


def test_a_credential_masks_its_secret_members_only() -> None:
    masker = Masker()
    masker.add_secret(Secret("value-0123", {"client_id": "public-id", "client_secret": "private-0123"}))
    assert masker.mask_text("value-0123 public-id private-0123") == "*** public-id ***"


def test_adding_while_masking() -> None:
    masker = Masker()
    masker.add(TOKEN)
    body = b"x" * 1000 + TOKEN.encode()
    wrong: list[bytes] = []

    def mask() -> None:
        for _ in range(300):
            masked, count = masker.mask_bytes(body)
            if count != 1 or masked != b"x" * 1000 + b"***":
                wrong.append(masked)

    threads = [threading.Thread(target=mask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        masker.add(f"another-secret-{n}")
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(masker.mask_text(f"another-secret-{n}") == "***" for n in range(60))


@pytest.mark.parametrize("before", ["", "x", "Bearer ", "Bearer x", "Bearer xy"])
@pytest.mark.parametrize("secret", [TOKEN, "0a1b2c3d4e5f6a7b8c9d", "?>?>?>?>?>"])
def test_base64_of_a_longer_text(before: str, secret: str) -> None:
    masker = Masker()
    masker.add(secret)
    for encode in (b64, url64):
        whole = encode(f"{before}{secret} after").rstrip("=")
        left = masker.mask_text(whole)
        # At most four characters are left on either side, which say less than the secret's own length.
        assert MASK in left
        assert max(len(piece) for piece in left.removeprefix(encode(before)[: len(before)]).split(MASK)) <= 4 + 12


def test_a_long_run_is_masked_however_deep_its_neighbours_are_escaped() -> None:
    masker = Masker()
    masker.add('abcdefgh12345678/"')
    deep = json.dumps(json.dumps(json.dumps(html.escape('abcdefgh12345678/"'))))
    assert "abcdefgh12345678" not in masker.mask_text(deep)


def test_words_and_what_all_tokens_of_an_issuer_share_are_no_runs() -> None:
    masker = Masker()
    masker.add("internationalization-0123")
    masker.add("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.s5yW3kq8Zr1TtQ0pLmNb")
    for text in ("internationalization", "1234567890123456789012", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.another"):
        assert masker.mask_text(text) == text
    assert masker.mask_text("s5yW3kq8Zr1TtQ0pLmNb") == MASK


def test_a_secret_that_the_end_of_a_body_cuts_off() -> None:
    masker = Masker()
    secret = "k3y9Wq7LmZ0pXr5TnB2vC8"
    masker.add(secret)
    for length in range(6, len(secret)):
        assert masker.mask_bytes(b'{"echo": "' + secret[:length].encode()) == (b'{"echo": "***', 1)
        encoded = base64.b64encode(f"Bearer {secret}".encode())
        cut = masker.mask_bytes(b'{"echo": "' + encoded[: len("Bearer ") * 8 // 6 + 1 + length])[0]
        assert cut.endswith(b"***")
        assert len(cut) < 30
    assert masker.mask_bytes(b'{"echo": "' + secret[:5].encode()) == (b'{"echo": "' + secret[:5].encode(), 0)
    assert masker.mask_bytes(secret[:9].encode() + b'"}') == (secret[:9].encode() + b'"}', 0)
    assert masker.mask_bytes(secret.encode() + secret[:9].encode()) == (b"******", 2)
