"""The session with a vCenter's Automation API (REST, under /api), over the connections of the SOAP session.

Source: the vSphere Automation API reference, from 7.0 Update 2 on. The older paths (/rest) are not spoken.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import urllib3

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.client import Session

_SESSION: Final = "/api/session"
_HEADER: Final = "vmware-api-session-id"
_CONNECT_TIMEOUT = 3.0
_READ_TIMEOUT = 20.0
_FAREWELL_TIMEOUT = 2.0
#: Seconds after a refused login in which none is tried: see ``client``.
_LOGIN_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class _Request:
    """``operation``: what it is called in metrics. ``changes``: whether it may have changed something in the cloud."""

    operation: str
    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: bool = False
    farewell: bool = False

    def carrying(self, token: str) -> _Request:
        """The same of a session."""
        return replace(self, headers={**self.headers, _HEADER: token})


class AutomationSession:
    """One login, shared by all threads, and renewed once for all of them."""

    def __init__(self, session: Session) -> None:
        """Nothing is sent."""
        self.session = session
        self.token = ""
        self._lock = threading.Lock()
        self._refusal: Refused | None = None
        self._refused_until = 0.0

    def renew(self, stale: str, login: Callable[[], str]) -> str:
        """Logs in, unless another thread has done so since ``stale`` was the token. Raises CloudError."""
        with self._lock:
            if self.token != stale:
                return self.token
            if self._refusal is not None and time.monotonic() < self._refused_until:
                raise Refused(self._refusal.reason, self._refusal.message)
            try:
                self.token = login()
            except Refused as error:
                self._refusal, self._refused_until = error, time.monotonic() + _LOGIN_PAUSE
                raise
            return self.token

    def close(self) -> None:
        """Logs out, as well as can be."""
        with self._lock:
            if self.token:
                # Where this fails, the vCenter ends the session by itself.
                with contextlib.suppress(CloudError):
                    Automation(self).logout(self.token)
                self.token = ""


class Automation:
    """Calls of the API. ``requests`` counts what was sent. All methods raise CloudError.

    The first argument of each is what the call is named in metrics.
    """

    def __init__(self, session: AutomationSession) -> None:
        self._own = session
        self.requests = 0

    def get(self, operation: str, path: str) -> Any:
        """What there is at a path."""
        return self._call(_Request(operation, "GET", path))

    def ask(self, operation: str, path: str, body: object) -> Any:
        """The answer to a question that has a body."""
        return self._call(_Request(operation, "POST", path, body))

    def post(self, operation: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Makes or begins something. ``token``: what was made with it once is found by a repetition."""
        headers = {"Client-Token": token} if token else {}
        return self._call(_Request(operation, "POST", path, body, headers, changes=True))

    def delete(self, operation: str, path: str) -> None:
        """Deletes what is at a path."""
        self._call(_Request(operation, "DELETE", path, changes=True))

    def logout(self, token: str) -> None:
        """Ends a session."""
        self._send(_Request("DeleteSession", "DELETE", _SESSION, farewell=True).carrying(token))

    def _login(self) -> str:
        credentials = self._own.session.settings.credentials
        basic = urllib3.make_headers(basic_auth=f"{credentials['username']}:{credentials['password']}")
        token = self._send(_Request("CreateSession", "POST", _SESSION, headers=basic))
        if not isinstance(token, str) or not token:
            raise errors.unreadable("CreateSession", "it holds no session")
        return token

    def _call(self, request: _Request) -> Any:
        """With a login before it where needed, and once more where the vCenter has forgotten that."""
        token = self._own.token or self._own.renew("", self._login)
        try:
            return self._send(request.carrying(token))
        except errors.Unauthenticated:
            token = self._own.renew(token, self._login)
        return self._send(request.carrying(token))

    def _send(self, request: _Request) -> Any:
        settings = self._own.session.settings
        if not request.farewell:
            settings.acquire()
        self.requests += 1
        started, code = time.monotonic(), "200"
        try:
            reply = self._reply(request)
            code = str(reply.status)
            return _content(request, reply)
        except CloudError as error:
            settings.hide(error)
            code = str(error.reason) if code.startswith("2") else code
            raise
        finally:
            settings.meter(request.operation, code, time.monotonic() - started)

    def _reply(self, request: _Request) -> urllib3.BaseHTTPResponse:
        read = _FAREWELL_TIMEOUT if request.farewell else _READ_TIMEOUT
        headers = {"Accept": "application/json", "User-Agent": "hybridge", **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._own.session.pool.urlopen(
                request.method,
                request.path,
                None if request.body is None else json.dumps(request.body).encode(),
                headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=read),
            )
        except urllib3.exceptions.HTTPError as error:
            raise errors.transport(error, request.operation, changes=request.changes) from error


def patiently(call: Callable[[], Any]) -> Any:
    """A call whose answer comes when all is done. Raises Busy where that takes longer than answers are waited for."""
    try:
        return call()
    except CloudError as error:
        if isinstance(error.__cause__, urllib3.exceptions.ReadTimeoutError):
            raise Busy(f"the vCenter is at work: {error.message}") from error
        raise


def _content(request: _Request, reply: urllib3.BaseHTTPResponse) -> Any:
    """What a good answer holds. Raises CloudError for any other."""
    try:
        told = json.loads(reply.data) if reply.data else None
    except ValueError as error:
        if reply.status < 300:
            why = f"{type(error).__name__}: {error}"
            raise errors.unreadable(request.operation, why, changes=request.changes) from None
        told = None
    if reply.status >= 300:
        retry_after = reply.headers.get("Retry-After")
        raise errors.answered(reply.status, told, request.operation, retry_after, changes=request.changes)
    return told
