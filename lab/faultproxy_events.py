"""What a watch tells, event by event, and what rules make of it: untold, late, twice, or the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import msgspec

from lab.faultproxy_answers import reply
from lab.faultproxy_operations import Api, Operation
from lab.faultproxy_rules import Answer, Dark, Delay, LoseAnswer, Repeat, Reset, Rules


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Event(msgspec.Struct):
    type: str
    object: _Object


class Events:
    """One watch on its way to its client, which ``write`` reaches. What comes late is told while the watch is open.

    Each event is a line of JSON; what is not passes as it came.
    """

    def __init__(self, api: Api, operation: Operation, rules: Rules, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._api: Api = api
        self._operation = operation
        self._rules = rules
        self._write = write
        self._begun = b""
        self._late: set[asyncio.Task[None]] = set()

    async def tell(self, part: bytes) -> bool:
        """Passes the events that a part of the answer completes; False when the watch ends with them.

        Raises ConnectionResetError where its connection breaks.
        """
        *lines, self._begun = (self._begun + part).split(b"\n")
        for line in lines:
            if not await self._one(line + b"\n"):
                self._begun = b""
                return False
        return True

    async def _one(self, line: bytes) -> bool:
        event = self._event(line) if self._rules.active() else None
        if event is None:
            await self._write(line)
            return True
        metadata = event.object.metadata
        late = 0.0
        for effect in self._rules.effects(self._operation.event(event.type), f"{metadata.namespace}/{metadata.name}"):
            match effect:
                case Delay(seconds=seconds):
                    late += seconds
                case Repeat(seconds=seconds):
                    self._later(late + seconds, line)
                case Dark():
                    return True
                case Answer(status=status, code=code, message=message):
                    words = reply(self._api, self._operation, status, code=code, message=message)
                    await self._write(b'{"type":"ERROR","object":' + words.body.strip() + b"}\n")
                    return False
                case Reset() | LoseAnswer():
                    raise ConnectionResetError
        if late:
            self._later(late, line)
        else:
            await self._write(line)
        return True

    def _later(self, seconds: float, line: bytes) -> None:
        task = asyncio.create_task(self._wait(seconds, line))
        self._late.add(task)
        task.add_done_callback(self._told)

    async def _wait(self, seconds: float, line: bytes) -> None:
        await asyncio.sleep(seconds)
        await self._write(line)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            # Asked for, so that a client that went away meanwhile is not reported as forgotten.
            task.exception()

    @staticmethod
    def _event(line: bytes) -> _Event | None:
        try:
            return msgspec.json.decode(line, type=_Event)
        except msgspec.DecodeError:
            return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        for task in self._late:
            task.cancel()
        if self._begun and kind is None:
            await self._write(self._begun)
