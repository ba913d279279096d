"""What reads were answered before, so that they can be answered so once more."""

from __future__ import annotations

import random
from collections import deque
from typing import NamedTuple, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

#: Method, target with its query, what kind of answer is accepted, and the body.
_Request: TypeAlias = tuple[str, str, str, bytes]


class _Kept(NamedTuple):
    status: int
    reason: str | None
    headers: CIMultiDict[str]
    body: bytes

    def answer(self) -> web.Response:
        return web.Response(status=self.status, reason=self.reason, headers=self.headers, body=self.body or None)


class Answers:
    """The last different answers of each request."""

    def __init__(self) -> None:
        self._kept: dict[_Request, deque[_Kept]] = {}
        self._random = random.Random(0)

    def keep(self, request: web.BaseRequest, body: bytes, response: web.Response, most: int) -> None:
        """Keeps an answer, and at most so many of this request."""
        content = response.body if isinstance(response.body, bytes) else b""
        headers = CIMultiDict(pair for pair in response.headers.items() if pair[0].lower() != "content-length")
        kept = _Kept(response.status, response.reason, headers, content)
        answers = self._kept.setdefault(_of(request, body), deque(maxlen=most))
        if all(kept.body != earlier.body for earlier in answers):
            answers.append(kept)

    def draw(self, request: web.BaseRequest, body: bytes) -> web.Response | None:
        """One of them; None when there is none."""
        answers = self._kept.get(_of(request, body))
        return self._random.choice(answers).answer() if answers else None


def _of(request: web.BaseRequest, body: bytes) -> _Request:
    return request.method, request.raw_path, request.headers.get("Accept", ""), body
