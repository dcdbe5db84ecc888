"""What an API may answer that is wrong, or that no client expects; each with every secret in it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote

from headrace.testing.secrets.api import PAGES, Answer, Asked, HostileApi, Reply


def pages(api: HostileApi, asked: Asked) -> Reply:
    return api.page(asked)


def status(number: int) -> Answer:
    def answer(api: HostileApi, asked: Asked) -> Reply:
        body = json.dumps({"message": f"no: {api.echo_text()}", "echo": api.echo()}).encode()
        return Reply(number, body, api.echo_headers())

    return answer


def after_a_page(then: Answer) -> Answer:
    """The first page is well, so that something is committed; then it breaks."""
    return lambda api, asked: api.page(asked) if asked.number == 1 else then(api, asked)


def in_html(number: int) -> Answer:
    def answer(api: HostileApi, asked: Asked) -> Reply:
        text = f"<html><title>{html.escape(api.echo_text())}</title><!-- {api.echo_text()} --></html>"
        return Reply(number, text.encode(), api.echo_headers(), "text/html")

    return answer


def cut(api: HostileApi, asked: Asked) -> Reply:
    whole = api.page(asked).body
    return Reply(body=whole[: len(whole) // 2])


def error_in_200(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=json.dumps({"ok": False, "error": {"message": api.echo_text(), "echo": api.echo()}}).encode())


def strange_keys(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=json.dumps({api.echo_text()[:150]: 1, **dict.fromkeys(api.secrets.values.values(), 1)}).encode())


def redirect_elsewhere(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"{api.elsewhere}/else?{api.echo_query()}"),))


def redirect_here(api: HostileApi, asked: Asked) -> Reply:
    if asked.target.startswith("/items"):
        return Reply(307, b"", (("Location", f"/here/{quote(api.echo_text(), safe='')[:300]}?{api.echo_query()}"),))
    return status(400)(api, asked)


def redirect_in_a_circle(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"/items?{api.echo_query()}"),))


def redirect_to_a_user(api: HostileApi, asked: Asked) -> Reply:
    user = quote(next(iter(api.secrets.values.values())), safe="")
    return Reply(302, b"", (("Location", f"http://{user}:{user}@127.0.0.1/"),))


def garbage(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=f"HTTP/1.1 9{api.echo_text()}\r\n\r\n".encode())


def bad_header(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=f"HTTP/1.1 200 OK\r\nbad header {api.echo_text()}\r\n\r\n".encode())


def hang_up(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=b"")


def silence(api: HostileApi, asked: Asked) -> Reply:
    return Reply(silent=True)


def slow_down(api: HostileApi, asked: Asked) -> Reply:
    return Reply(429, json.dumps(api.echo()).encode(), (("Retry-After", "86400"), *api.echo_headers()))


def same_page(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": 1, "echo": api.echo()}]
    return Reply(body=json.dumps({"items": items, "cursor": api.echo_text(), "next": "/items"}).encode())


def link_elsewhere(api: HostileApi, asked: Asked) -> Reply:
    return api.page(asked, next=f"{api.elsewhere}/items?{api.echo_query()}")


def link_header(api: HostileApi, asked: Asked) -> Reply:
    page = api.page(asked)
    if asked.number >= PAGES:
        return page
    link = f'<{api.url}/items?page={asked.number + 1}&{api.echo_query()}>; rel="next"'
    return Reply(200, page.body, (*page.headers, ("Link", link)))


def wrong_type(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": i, "number": api.echo_text(), "echo": api.echo()} for i in range(3)]
    return Reply(body=json.dumps({"items": items}).encode())


def refuse_token(api: HostileApi, asked: Asked) -> Reply:
    text = api.echo_text() + asked.text
    return Reply(400, json.dumps({"error": "invalid_client", "error_description": text}).encode(), api.echo_headers())


def strange_refusal(api: HostileApi, asked: Asked) -> Reply:
    return Reply(400, json.dumps({"error": api.echo(), "error_description": api.echo()}).encode())


def token_elsewhere(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"{api.elsewhere}/token?{api.echo_query()}"),))


def typed(body: Callable[[str], str], content_type: str, *headers: tuple[str, str]) -> Answer:
    """An answer of another format, with every secret in it."""
    return lambda api, asked: Reply(200, body(api.echo_text()).encode(), (*headers, *api.echo_headers()), content_type)


def repeated_header(text: str) -> str:
    name = '"' + text.replace('"', '""') + '"'
    return f"{name},{name}\n1,2\n"


def soap_fault(text: str) -> str:
    said = html.escape(text)
    return (
        "<s:Envelope xmlns:s='urn:s'><s:Body><s:Fault>"
        f"<faultcode>{said}</faultcode><faultstring>{said}</faultstring></s:Fault></s:Body></s:Envelope>"
    )


def strange_bytes(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=b'{"items": [{"id": 1, "name": "\xff' + json.dumps(api.echo_text()).encode()[1:] + b"}], oops")


def long_cursor(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": 1, "echo": api.echo()}]
    return Reply(body=json.dumps({"items": items, "cursor": api.echo_text() * 200}).encode())
