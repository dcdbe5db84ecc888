"""The server: reads requests, asks the stand-ins, and lets the faults strike on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from headrace.sandbox import limits, wire
from headrace.sandbox.cache import PageCache
from headrace.sandbox.control import control
from headrace.sandbox.exchange import Exchange, Route, bad_parameter, refusal
from headrace.sandbox.faults import Rule
from headrace.sandbox.http import BadParameter, BadRequest, Incoming, Reply, json_reply, read_request, render_head
from headrace.sandbox.options import Options
from headrace.sandbox.routes import all_routes
from headrace.sandbox.stats import Stats

_HTML = b"<!DOCTYPE html>\n<html><head><title>Sandbox gateway</title></head><body><h1>%d</h1></body></html>\n"
Struck = Mapping[str, Mapping[str, Any]]


class Server:
    """One sandbox; use as an async context manager, or :meth:`start` and :meth:`close`."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.stats = Stats()
        self.cache = PageCache(self.options.cache_bytes)
        self.rules = [Rule(rule) for rule in self.options.faults]
        self.memory: dict[str, Any] = {}
        self.url = ""
        self._asked: Counter[str] = Counter()
        self._routes: dict[str, Route] = {}
        self._patterns: list[tuple[str, str, Route]] = []
        for route in all_routes():
            if "*" in route.path:
                before, after = route.path.split("*")
                self._patterns.append((before, after, route))
            else:
                self._routes[route.path] = route
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``port`` 0 takes a free one. :attr:`url` says where."""
        self._server = await asyncio.start_server(self._connected, host, port, backlog=512)
        bound = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{host}:{bound}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def reset(self) -> None:
        """Forget what was asked and remembered; the fault rules stay, their counters begin again."""
        self.stats.reset()
        self._asked.clear()
        self.memory.clear()
        self.rules = [Rule(rule.given) for rule in self.rules]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.stats.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the sandbox is closing: nobody is there to be told
        except BadRequest as error:
            with contextlib.suppress(ConnectionError):
                text = str(error).encode()
                head = [("Content-Length", str(len(text))), ("Connection", "close")]
                writer.write(render_head(400, head) + text)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; gives whether the connection goes on."""
        request = await read_request(reader)
        if request is None:
            return False
        if request.path.startswith("/__"):
            reply = control(self, request)
            sent = await wire.send(reader, writer, request, reply, {}, cache=self.cache, gzip_on=False)
            return sent.keep
        identity = self.stats.came(request)
        status: int | None = None
        sent = wire.Sent(0, whole=False, keep=False)
        try:
            struck = {rule.fault.name: rule for rule in self.rules if rule.fires(request)}
            self.stats.faults.update(name for name, rule in struck.items() if rule.fault.stage != "limit")
            self._asked[identity] += 1
            by_kind = {rule.fault.kind: rule.params for rule in struck.values()}
            if params := by_kind.get("latency"):
                await self._late(params)
            if "hang" in by_kind:
                await wire.silence(reader, float(by_kind["hang"]["seconds"]))
                return False
            if "reset_before" in by_kind:
                wire.reset(writer)
                return False
            reply = self._answer(request, identity, struck)
            status = reply.status
            on_wire = {r.fault.kind: r.params for r in struck.values() if r.fault.stage == "wire"}
            sent = await wire.send(reader, writer, request, reply, on_wire, cache=self.cache, gzip_on=self.options.gzip)
            return sent.keep
        finally:
            self.stats.went(identity, status, whole=sent.whole, sent=sent.size)

    async def _late(self, params: Mapping[str, Any]) -> None:
        share = (self.stats.requests * 2_654_435_761 % 2**32) / 2**32  # spread without randomness
        await asyncio.sleep((float(params["ms"]) + float(params["jitter"]) * share) / 1000)

    def _answer(self, request: Incoming, identity: str, struck: Mapping[str, Rule]) -> Reply:
        extra: list[tuple[str, str]] = []
        route = self._routes.get(request.path) or self._pattern(request.path)
        refuse = route.refuse if route is not None else refusal
        for rule in struck.values():
            if rule.fault.stage == "limit":
                counter = limits.token_bucket if rule.fault.kind == "token_bucket" else limits.fixed_window
                wait, headers = counter(rule.state, rule.params, time.time())
                extra += headers
                if wait > 0:
                    self.stats.faults[rule.fault.name] += 1
                    reply = refuse(429, "The rate limit is used up.")
                    reply.headers += [*headers, ("Retry-After", str(int(wait) + 1))]
                    return reply
        for rule in struck.values():
            if rule.fault.kind == "status":
                return status_reply(rule.params, refuse)
            if rule.fault.kind == "redirect":
                return self._redirect(request, rule.params)
            if rule.fault.kind == "token_expiry":
                self.memory["tokens"] = {}
        tricks = {
            str(rule.params.get("as", rule.fault.name)): rule.params
            for rule in struck.values()
            if rule.fault.stage == "meaning"
        }
        exchange = Exchange(
            request, self.options, self.cache, base_of(request.host), tricks, self._asked[identity], self.memory
        )
        reply = self._handle(exchange, route)
        reply.headers += extra
        if "echo_key" in struck:
            reply.body = with_key(reply.body, exchange.key("authorization"))
        return reply

    def _handle(self, exchange: Exchange, route: Route | None) -> Reply:
        request = exchange.request
        if route is None:
            return refusal(404, f"There is nothing at {request.path}; / lists what there is.")
        if request.method not in route.methods:
            reply = refusal(405, f"{request.path} takes {', '.join(route.methods)}.")
            reply.headers.append(("Allow", ", ".join(route.methods)))
            return reply
        try:
            return route.handler(exchange)
        except BadParameter as error:
            return bad_parameter(error)

    def _pattern(self, path: str) -> Route | None:
        for before, after, route in self._patterns:
            middle = path[len(before) : len(path) - len(after) or None]
            if path.startswith(before) and path.endswith(after) and middle and "/" not in middle:
                return route
        return None

    def _redirect(self, request: Incoming, params: Mapping[str, Any]) -> Reply:
        if params.get("same_origin"):
            location = request.target
            if "redirected=1" in location:
                return json_reply({"message": "redirected already"}, 500)
            location += ("&" if "?" in location else "?") + "redirected=1"
        else:
            port = self.url.rpartition(":")[2]
            location = str(params.get("location") or f"http://localhost:{port}{request.target}")
        return Reply(int(params.get("status", 302)), b"", "text/plain", [("Location", location)])


def base_of(host: str) -> str:
    """The origin that a client asked for: a host without a port is a real API's, whose requests came by ``--rewrite``."""
    return f"{'http' if ':' in host else 'https'}://{host}"


def status_reply(params: Mapping[str, Any], refuse: Callable[[int, str], Reply]) -> Reply:
    """The answer of a ``status`` fault: ``status``, ``body`` (json, html or a text), ``retry_after``, ``after``."""
    status, body = int(params["status"]), params.get("body", "json")
    if body == "html":
        reply = Reply(status, _HTML % status, "text/html; charset=utf-8")
    elif body == "json":
        reply = refuse(status, "The sandbox was told to answer this.")
    else:
        reply = Reply(status, str(body).encode(), str(params.get("content_type", "application/json")))
    if form := params.get("retry_after"):
        after = float(params.get("after", 1))
        text = {
            "seconds": str(round(after)),
            "decimal": str(after),
            "date": formatdate(int(time.time() + after) + 1, usegmt=True),
        }.get(str(form), str(form))
        reply.headers.append(("Retry-After", text))
    return reply


def with_key(body: bytes, key: str) -> bytes:
    """``body`` with the key in it: as the first member of a JSON object, of the first record, or as text."""
    member = b'"received_key":' + _quoted(key)
    at = body.find(b"{")
    if at < 0:
        return body + b"\n" + key.encode()
    empty = body[at + 1 : at + 2] == b"}"
    return body[: at + 1] + member + (b"" if empty else b",") + body[at + 1 :]


def _quoted(text: str) -> bytes:
    import json

    return json.dumps(text, ensure_ascii=False).encode()
