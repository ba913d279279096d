"""How kopf speaks to the API server: its own way to log in, and one word that it does not know translated.

An API server that cannot go back to where a watch wants to begin says 410: mostly as the watch's first event, upon which
kopf lists anew, but it may just as well answer the request so (and what stands before it does), which kopf takes for the
end of the operator. Here the answer becomes the event.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf
from aiohttp.base_protocol import BaseProtocol

_TOO_OLD = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Expired",
        "code": int(HTTPStatus.GONE),
    },
}


async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
    """A handler for ``kopf.on.login``: KUBECONFIG, else the account of the pod. kopf closes the session."""
    info = kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)
    if info is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        trust_env=info.trust_env,
        middlewares=(_translate,),
    )
    return kopf.AiohttpSession(
        server=info.server,
        priority=info.priority,
        default_namespace=info.default_namespace,
        expiration=info.expiration,
        aiohttp_session=session,
    )


async def _translate(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await send(request)
    if response.status == HTTPStatus.GONE and request.url.query.get("watch") == "true":
        await response.read()
        response.status = HTTPStatus.OK
        response.content = _stream(json.dumps(_TOO_OLD).encode() + b"\n", request)
    return response


def _stream(text: bytes, request: aiohttp.ClientRequest) -> aiohttp.StreamReader:
    stream = aiohttp.StreamReader(BaseProtocol(request.loop), limit=len(text), loop=request.loop)
    stream.feed_data(text)
    stream.feed_eof()
    return stream
