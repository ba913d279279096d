"""What went wrong between here and an endpoint, in words for people. All SDKs stand on urllib3 or http.client."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.client import RemoteDisconnected

from urllib3 import exceptions


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is inside it: libraries wrap in arguments, in ``reason`` and as causes."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]


def is_untrusted(error: BaseException) -> bool:
    """Whether the endpoint's certificate was refused, rather than a connection lost in the middle of TLS."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError)
        or (isinstance(cause, exceptions.SSLError) and "ingerprint" in str(cause))
        for cause in causes(error)
    )


def words(error: BaseException) -> str:
    """One short clause. No address of an object, no name of a library; the error's own text where nothing fits."""
    every = list(causes(error))
    for cause in every:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", "") or cause
            return f"the certificate of the endpoint is not trusted ({why})"
        if isinstance(cause, exceptions.SSLError) and "ingerprint" in str(cause):
            return "the certificate of the endpoint has another fingerprint than the Provider's spec.tls.fingerprint"
        if isinstance(cause, socket.gaierror):
            return f"the name of the endpoint cannot be resolved ({cause.strerror})"
    for kinds, told in _WORDS:
        if any(isinstance(cause, kinds) for cause in every):
            return told
    return str(error)


#: In this order: a timeout is also wrapped into a broken connection, never the other way round.
_WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "the endpoint refuses connections"),
    ((exceptions.ConnectTimeoutError,), "the endpoint cannot be reached: no connection in time"),
    ((exceptions.ReadTimeoutError, TimeoutError), "the endpoint took the request and did not answer in time"),
    (
        (ConnectionResetError, RemoteDisconnected, exceptions.ProtocolError),
        "the connection broke before an answer came",
    ),
    ((OSError,), "the endpoint cannot be reached"),
)
