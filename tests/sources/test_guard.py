"""Where requests of an untrusted run may go: decided at the address that is connected to."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from headrace.core.errors import InputError, NotAllowed, OriginRefused
from headrace.core.http import Request
from headrace.core.trust import EVERYTHING, Trust
from headrace.sources import guard
from headrace.sources.http import AiohttpTransport

PUBLIC = "8.8.4.4"
UNTRUSTED = Trust(allowed_hosts=())


@pytest.fixture
async def api(serve):
    """A server on loopback; ``hosts`` are the Host headers that it was asked under."""
    hosts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        hosts.append(request.headers["Host"])
        if to := request.query.get("to"):
            return web.Response(status=302, headers={"Location": to})
        return web.Response(text="[]", headers={"Connection": "close"})

    url = await serve(answer)
    return url, int(url.rpartition(":")[2]), hosts


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch):
    """Names lead where the test says, one answer after the other; connections to PUBLIC arrive at this machine."""
    names: dict[str, list[list[str]]] = {}
    connected: list[str] = []
    real_lookup = socket.getaddrinfo

    def lookup(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in names:
            return real_lookup(host, port, *rest, **more)
        answers = names[name].pop(0) if len(names[name]) > 1 else names[name][0]
        found = []
        for address in answers:
            v6 = ":" in address
            place = (address, port, 0, 0) if v6 else (address, port)
            found.append((socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM, 6, "", place))
        return found

    real_connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def connect(self: Any, sock: socket.socket, address: Any) -> None:
        connected.append(address[0])
        await real_connect(self, sock, ("127.0.0.1", address[1]) if address[0] == PUBLIC else address)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    return names, connected


@pytest.fixture
async def send(clock):
    made: list[AiohttpTransport] = []

    async def ask(url: str, trust: Trust = UNTRUSTED, **more: Any) -> int:
        transport = AiohttpTransport(clock, trust=trust, **more)
        made.append(transport)
        return (await transport.send(Request("GET", url, timeout=20))).status

    yield ask
    for transport in made:
        await transport.close()


async def test_a_public_address_is_reached(send, api, internet) -> None:
    names, connected = internet
    names["api.example"] = [[PUBLIC]]
    assert await send(f"http://api.example:{api[1]}/") == 200
    assert connected == [PUBLIC]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
        "0x7f.0.0.1", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "10.0.0.1",
        "192.168.0.1", "[64:ff9b::7f00:1]",
    ],
)  # fmt: skip
async def test_this_machine_and_its_network_are_refused_however_they_are_written(send, api, host: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        await send(f"http://{host}:{api[1]}/secret?token=abc")
    assert "not a public address" in caught.value.message
    assert "allowed_hosts" in caught.value.hint
    assert "abc" not in str(caught.value)
    assert api[2] == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0177.0.0.1", "127.0.0.1."])
async def test_an_address_in_an_odd_form_is_no_host(send, api, host: str) -> None:
    with pytest.raises(InputError):
        await send(f"http://{host}:{api[1]}/")
    assert api[2] == []


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"], ["10.0.0.1", "::1"]])
async def test_a_name_that_leads_inside_is_refused(send, api, internet, answers: list[str]) -> None:
    names, connected = internet
    names["evil.example"] = [answers]
    with pytest.raises(NotAllowed, match=r"evil\.example leads to .*, not a public address"):
        await send(f"http://evil.example:{api[1]}/")
    assert connected == []
    assert api[2] == []


async def test_of_a_mixed_answer_only_the_public_address_is_used(send, api, internet) -> None:
    names, connected = internet
    names["mixed.example"] = [["127.0.0.1", PUBLIC, "::1"]]
    assert await send(f"http://mixed.example:{api[1]}/") == 200
    assert connected == [PUBLIC]


async def test_a_name_that_is_rebound_between_requests_is_refused(clock, api, internet) -> None:
    names, connected = internet
    names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    transport = AiohttpTransport(clock, trust=UNTRUSTED)
    try:
        url = f"http://rebind.example:{api[1]}/"
        assert (await transport.send(Request("GET", url, timeout=20))).status == 200
        with pytest.raises(NotAllowed):
            await transport.send(Request("GET", url, timeout=20))
    finally:
        await transport.close()
    assert connected == [PUBLIC]
    assert len(api[2]) == 1


async def test_the_socket_itself_is_checked_when_a_lookup_was_fooled(send, api, internet, monkeypatch) -> None:
    """The resolver's check sees a public address, the connection would go elsewhere."""
    names, connected = internet
    names["fooled.example"] = [["127.0.0.1"]]
    from aiohttp import ThreadedResolver

    monkeypatch.setattr(guard, "_resolver", ThreadedResolver)
    with pytest.raises(NotAllowed):
        await send(f"http://fooled.example:{api[1]}/")
    assert connected == []


async def test_a_host_that_is_named_may_be_anywhere(send, api, internet) -> None:
    names, _ = internet
    names["inside.example"] = [["127.0.0.1"]]
    url = f"http://inside.example:{api[1]}"
    assert await send(f"{url}/", Trust(allowed_hosts=(url,))) == 200
    with pytest.raises(NotAllowed):
        await send(f"{url}/", Trust(allowed_hosts=("http://inside.example:1",)))
    assert await send(api[0], Trust(allowed_hosts=("127.0.0.1",))) == 200


async def test_only_named_hosts_when_the_public_ones_are_off(send, api, internet) -> None:
    names, connected = internet
    names["api.example"] = [[PUBLIC]]
    with pytest.raises(NotAllowed, match="not allowed here") as caught:
        await send(f"http://api.example:{api[1]}/", Trust(allowed_hosts=("api.other.example",), public_hosts=False))
    assert f"allowed_hosts: ['http://api.example:{api[1]}']" in caught.value.hint
    assert connected == []
    with pytest.raises(NotAllowed):
        await send(f"http://api.example:{api[1]}/", Trust(public_hosts=False))


async def test_a_redirect_inside_is_refused_even_where_the_file_allows_its_origin(rig, api, internet) -> None:
    names, _ = internet
    names["api.example"] = [[PUBLIC]]
    home = f"http://api.example:{api[1]}"
    rig.transport = AiohttpTransport(rig.clock, trust=UNTRUSTED)
    client = rig.client(home=home, origins=[api[0], "http://169.254.169.254"])
    try:
        for inside in (f"{api[0]}/secret", "http://169.254.169.254/latest/meta-data/"):
            with pytest.raises(NotAllowed):
                await client.fetch(Request("GET", f"{home}/?to={inside}", timeout=20))
        with pytest.raises(OriginRefused):
            await rig.client(home=home).fetch(Request("GET", f"{home}/?to={api[0]}/secret", timeout=20))
    finally:
        await rig.transport.close()
    assert len(api[2]) == 3  # the redirects themselves
    assert rig.client().retries == 0


async def test_a_rewritten_host_goes_where_the_rewrite_says(send, api) -> None:
    assert await send("https://api.example/x", UNTRUSTED, rewrite={"api.example": api[0]}) == 200


async def test_trusting_everything_makes_no_guard(clock, api) -> None:
    transport = AiohttpTransport(clock)
    assert transport._guard is None  # nothing is asked per request
    try:
        assert (await transport.send(Request("GET", api[0], timeout=20))).status == 200
        assert transport._guarded is None
    finally:
        await transport.close()
    assert Trust() == EVERYTHING
