"""What a fault proxy does with a request: hand it on as it came, and the answer back, unless a rule says otherwise.

As it came means method, path, headers (Host too) and the body's bytes, and for answers the reason phrase. Connections
are kept alive on both sides, and nothing in between has a timeout.

A request that may change something is carried through once it was received, even if the client goes away, as a cloud
would; a read is broken off with its client. Nothing is ever sent to the cloud twice. A watch passes part by part, and
falls silent in the dark.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from lab.faultproxy_answers import reply
from lab.faultproxy_events import Events
from lab.faultproxy_garble import Way, garble
from lab.faultproxy_operations import Api, Operation, identify
from lab.faultproxy_past import Answers
from lab.faultproxy_record import Record, Visit
from lab.faultproxy_rules import Answer, Dark, Darkness, Delay, Effect, Garble, LoseAnswer, Past, Repeat, Reset, Rules

#: Headers about one connection, not about the message; aiohttp writes its own.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CLIENT_DEFAULTS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
#: Seconds; below what servers commonly keep, so that an idle connection is not closed while it is picked.
_UPSTREAM_KEEPALIVE = 4.0
#: Linger on, for no time: closing such a socket sends RST instead of FIN.
_BREAK = struct.pack("ii", 1, 0)


class CloudLostError(Exception):
    """The cloud refused the connection, or broke it before the answer was whole."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending idempotent requests again when a connection breaks: it repeats only its own errors."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        raise CloudLostError(f"{type(error).__name__}: {error}") from error


def upstream_session(ca: Path | None) -> aiohttp.ClientSession:
    """A session that changes nothing and trusts ``ca`` (a CA or the cloud's own certificate), else the system's CAs."""
    trust = ssl.create_default_context(cafile=ca)
    trust.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=trust, keepalive_timeout=_UPSTREAM_KEEPALIVE),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_CLIENT_DEFAULTS,
        middlewares=(_once,),
    )


def abort(transport: asyncio.BaseTransport | None) -> None:
    """Break a connection at once; its peer sees a reset. Nothing happens without one."""
    if not isinstance(transport, asyncio.Transport):
        return
    end: socket.socket | None = transport.get_extra_info("socket")
    if end is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAK)
    transport.abort()


class Traffic:
    """Handles the requests of the clients of one cloud, or of the API server."""

    def __init__(self, api: Api, upstream: str, session: aiohttp.ClientSession) -> None:
        self.rules = Rules()
        self.record = Record()
        self.darkness: Darkness | None = None
        self._api: Api = api
        self._upstream = upstream.rstrip("/")
        self._session = session
        self._past = Answers()
        self._release = asyncio.Event()
        self._carried: set[asyncio.Task[web.Response]] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or leave it without an answer."""
        body = await self._body(request)
        operation = identify(self._api, request.method, request.raw_path, request.headers, body)
        visit = self.record.arrived(operation)
        status = 0
        try:
            response = await self._respond(request, body, operation, visit)
            status = response.status
        except CloudLostError as error:
            visit.lost(str(error))
            await self._reset(request)
        finally:
            visit.end(status)
        return response

    def dark(self, darkness: Darkness) -> None:
        """Stop answering; requests under way get no answer any more."""
        self.darkness = darkness

    def light(self) -> None:
        """Answer again; what was held breaks."""
        self.darkness = None
        self.release()

    def release(self) -> None:
        """Break the connections of all held requests, unless it is dark."""
        if self.darkness is None:
            self._release.set()
            self._release = asyncio.Event()

    async def _body(self, request: web.BaseRequest) -> bytes:
        if not request.body_exists:
            return b""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await request.content.read()

    async def _respond(
        self, request: web.BaseRequest, body: bytes, operation: Operation, visit: Visit
    ) -> web.StreamResponse:
        await self._pass_gate(request, visit)
        most = 0 if operation.mutating or operation.streams else self.rules.remembers(operation)
        for effect in self.rules.effects(operation, request.raw_path.partition("?")[0]):
            if isinstance(effect, Past | Repeat):
                earlier = self._past.draw(request, body) if most else None
                if earlier is not None:
                    visit.fault("past")
                    return earlier
                continue
            if not isinstance(effect, Delay):
                return await self._fail(request, body, operation, visit, effect)
            visit.fault("delay")
            await asyncio.sleep(effect.seconds)
            await self._pass_gate(request, visit)
        if operation.streams:
            return await self._stream(request, operation, visit)
        response = await self._forward(request, body, visit, through=operation.mutating)
        await self._pass_gate(request, visit)
        if most:
            self._past.keep(request, body, response, most)
        return response

    async def _pass_gate(self, request: web.BaseRequest, visit: Visit) -> None:
        if self.darkness is not None:
            visit.fault("dark")
            await self._hold(request)

    async def _fail(
        self, request: web.BaseRequest, body: bytes, operation: Operation, visit: Visit, effect: Effect
    ) -> web.Response:
        match effect:
            case LoseAnswer(how=how):
                visit.fault(f"lose_answer {how}")
                if operation.streams:
                    await self._begin(request, visit)
                else:
                    await self._forward(request, body, visit, through=True)
                if how == "reset":
                    await self._reset(request)
                if how == "timeout":
                    await self._hold(request)
                return self._made_up(operation, Answer(int(how)))
            case Garble() if not operation.streams:
                return await self._garbled(request, body, operation, visit, effect)
            case Answer(status=status):
                visit.fault(f"answer {status}")
                return self._made_up(operation, effect)
            case Reset():
                visit.fault("reset")
                return await self._reset(request)
            case Dark() | Delay() | Past() | Repeat() | Garble():
                visit.fault("dark")
                return await self._hold(request)

    async def _garbled(
        self, request: web.BaseRequest, body: bytes, operation: Operation, visit: Visit, effect: Garble
    ) -> web.Response:
        before = self.record.counts[operation.name].requests if operation.name in self.record.counts else 0
        source = random.Random(f"{effect.seed}/{operation.name}/{before}")
        way = effect.way or source.choice(list(Way))
        visit.fault(f"garble {way}")
        response = await self._forward(request, body, visit, through=True)
        headers = response.headers.copy()
        content = response.body if isinstance(response.body, bytes) else b""
        if headers.popall("Content-Encoding", []) == ["gzip"]:
            content = zlib.decompress(content, zlib.MAX_WBITS | 16)
        headers.popall("Content-Length", None)
        rewritten = garble(content, way, source)
        return web.Response(status=response.status, reason=response.reason, headers=headers, body=rewritten)

    async def _forward(self, request: web.BaseRequest, body: bytes, visit: Visit, *, through: bool) -> web.Response:
        """The cloud's answer; ``through`` makes the request reach its end even if the client goes away."""
        visit.forwarded()
        exchange = self._exchange(request.method, request.raw_path, request.headers.items(), body, visit)
        if not through:
            return await exchange
        task = asyncio.create_task(exchange)
        self._carried.add(task)
        task.add_done_callback(self._carried_through)
        return await asyncio.shield(task)

    def _carried_through(self, task: asyncio.Task[web.Response]) -> None:
        self._carried.discard(task)
        if not task.cancelled():
            # Asked for, so that a failure without a client left to see it is not reported as forgotten.
            task.exception()

    async def _begin(self, request: web.BaseRequest, visit: Visit) -> None:
        """Have the server begin an answer without an end, of which nothing is read."""
        visit.forwarded()
        async with self._upstream_answer(request.method, request.raw_path, request.headers.items(), b"", visit):
            pass

    async def _stream(self, request: web.BaseRequest, operation: Operation, visit: Visit) -> web.StreamResponse:
        """Passes each part of an answer as it comes, until the server or the client ends it."""
        visit.forwarded()
        headers = request.headers.items()
        async with self._upstream_answer(request.method, request.raw_path, headers, b"", visit) as answer:
            response = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers.items())
            )
            await self._pass_gate(request, visit)
            try:
                await response.prepare(request)
                async with Events(self._api, operation, self.rules, response.write) as events:
                    async for part in answer.content.iter_any():
                        await self._pass_gate(request, visit)
                        if not await events.tell(part):
                            break
                await response.write_eof()
            except ConnectionResetError:
                await self._reset(request)
        return response

    async def _exchange(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, visit: Visit
    ) -> web.Response:
        async with self._upstream_answer(method, target, headers, body, visit) as answer:
            content = await answer.read()
        passed = _end_to_end(answer.headers.items())
        if method == "HEAD" and "Content-Length" in answer.headers:
            # The length of what is not sent here.
            passed["Content-Length"] = answer.headers["Content-Length"]
        return web.Response(status=answer.status, reason=answer.reason, headers=passed, body=content or None)

    @asynccontextmanager
    async def _upstream_answer(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, visit: Visit
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer whose head has come. Raises CloudLostError, also for what happens while its body is read."""
        try:
            async with self._session.request(
                method,
                URL(self._upstream + target, encoded=True),
                headers=_end_to_end(headers),
                data=body or None,
                allow_redirects=False,
            ) as answer:
                visit.entry.upstream = answer.status
                yield answer
        except aiohttp.ClientError as error:
            raise CloudLostError(f"{type(error).__name__}: {error}") from error

    def _made_up(self, operation: Operation, answer: Answer) -> web.Response:
        usual = reply(self._api, operation, answer.status, code=answer.code, message=answer.message)
        body = usual.body if answer.body is None else answer.body.encode()
        headers = CIMultiDict({"Content-Type": usual.content_type})
        headers.update(answer.headers)
        return web.Response(status=answer.status, reason=usual.reason, headers=headers, body=body)

    async def _hold(self, request: web.BaseRequest) -> NoReturn:
        """No answer until the client gives up, which cancels this, or the held are released."""
        await self._release.wait()
        await self._reset(request)

    async def _reset(self, request: web.BaseRequest) -> NoReturn:
        """Break the connection; its loss cancels this."""
        abort(request.transport)
        while True:
            await asyncio.Event().wait()


def _end_to_end(headers: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
    return CIMultiDict([pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP])
