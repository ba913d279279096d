"""Sends requests: one session a thread, the Provider's rate limit before and its meter after each, no retries."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
import requests
from proxmoxer.backends.https import (  # type: ignore[import-untyped]  # proxmoxer has neither annotations nor stubs
    ProxmoxHttpSession,
)
from proxmoxer.core import ProxmoxResource, ResourceException  # type: ignore[import-untyped]  # as above

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Settings
from hybridge.drivers.proxmox.answers import Ticket, Upid, VolumeId
from hybridge.drivers.proxmox.errors import Answer, classify, transport, unreadable
from hybridge.drivers.proxmox.transport import Adapter, Login, TicketLogin, TokenLogin, Trust

T = TypeVar("T")
#: What decoding raises: RecursionError for what is nested too deeply.
#: Held while a decoder is made.
_BUILDING = threading.Lock()
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Envelope(msgspec.Struct, Generic[T]):
    """Every answer of the API is inside ``data``."""

    data: T


class _Problem(msgspec.Struct):
    """The body of an error; older versions of PVE say ``message`` only in the HTTP reason."""

    message: str = ""
    errors: dict[str, str] | None = None


_PROBLEMS = msgspec.json.Decoder(_Problem, strict=False)


class _Serializer:
    """Leaves the decoding to msgspec, which reads only the fields that are used."""

    def loads(self, response: requests.Response) -> bytes:
        return response.content

    def loads_errors(self, response: requests.Response) -> Mapping[str, Any]:
        try:
            problem = _PROBLEMS.decode(response.content)
        except _UNREADABLE:
            problem = _Problem()
        after = response.headers.get("Retry-After", "")
        return {
            "message": problem.message,
            "fields": problem.errors or {},
            "retry_after": float(after) if after.isdigit() else None,
        }


class _Upload(io.BytesIO):
    """A file of its own name, as proxmoxer sends it."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


class Client:
    """Calls of one PVE endpoint. ``operation`` names a call in errors and in the meter; paths are lists of segments."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = f"{str(settings.cloud['endpoint']).rstrip('/')}/api2/json"
        self._trust = Trust.of(settings)
        self._login = self._credentials(settings.credentials)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    @property
    def sent(self) -> int:
        """How many requests this thread has sent."""
        count: int = getattr(self._local, "sent", 0)
        return count

    def get(self, operation: str, kind: type[T], *path: object, **parameters: object) -> T:
        """A read. Raises CloudError."""
        found: T = _decoded(operation, kind, self._send(operation, "GET", path, parameters))
        return found

    def post(self, operation: str, *path: object, **parameters: object) -> str | None:
        """A change; the UPID of the task that does it, if it goes on in one. Raises CloudError."""
        return self._change(operation, "POST", path, parameters)

    def put(self, operation: str, *path: object, **parameters: object) -> str | None:
        """A change; the UPID of the task that does it, if it goes on in one. Raises CloudError."""
        return self._change(operation, "PUT", path, parameters)

    def delete(self, operation: str, *path: object, **parameters: object) -> str | None:
        """A removal; the UPID of the task that does it, if it goes on in one. Raises CloudError."""
        return self._change(operation, "DELETE", path, parameters)

    def make(self, operation: str, *path: object, **parameters: object) -> str:
        """A change that is done at once; PVE's id of the image that it made. Raises CloudError."""
        made: str = _decoded(operation, VolumeId, self._send(operation, "POST", path, parameters), changing=True)
        return made

    def upload(self, operation: str, name: str, content: bytes, *path: object) -> str | None:
        """Puts an ISO image on a storage, in place of one of the same name; the UPID of the task. Raises CloudError."""
        return self._change(operation, "POST", path, {"content": "iso", "filename": _Upload(name, content)})

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()

    def _change(self, operation: str, method: str, path: tuple[object, ...], data: Mapping[str, object]) -> str | None:
        upid: str | None = _decoded(operation, Upid | None, self._send(operation, method, path, data), changing=True)
        return upid

    def _send(self, operation: str, method: str, path: tuple[object, ...], data: Mapping[str, object]) -> bytes:
        try:
            return self._attempt(operation, method, path, data, self._login)
        except Refused as refusal:
            if refusal.reason is not Reason.AUTHENTICATION_FAILED or not self._login.renew():
                raise
        return self._attempt(operation, method, path, data, self._login)

    def _attempt(
        self, operation: str, method: str, path: tuple[object, ...], data: Mapping[str, object], login: Login
    ) -> bytes:
        resource = self._resource(login)
        call = {"GET": resource.get, "POST": resource.post, "PUT": resource.put, "DELETE": resource.delete}[method]
        self._settings.acquire()
        self._local.sent = self.sent + 1
        began, code = time.monotonic(), "error"
        changing = method != "GET"
        try:
            content: bytes = call(*path, **data)
            code = "200"
        except ResourceException as error:
            code = str(error.status_code)
            said = error.errors or {}
            words = str(said.get("message") or error.content.partition(" - {'message'")[0])
            answer = Answer(
                operation, error.status_code, words, said.get("fields", {}), changing, said.get("retry_after")
            )
            raise self._settings.hide(classify(answer)) from None
        except requests.RequestException as error:
            code, meaning = transport(operation, error, changing=changing)
            raise self._settings.hide(meaning) from error
        finally:
            self._settings.meter(operation, code, time.monotonic() - began)
        return content

    def _resource(self, login: Login) -> Any:
        """The API of this thread: requests' sessions are not safe to share."""
        kept: dict[int, Any] | None = getattr(self._local, "kept", None)
        if kept is None:
            kept = self._local.kept = {}
        resource = kept.get(id(login))
        if resource is None:
            session = ProxmoxHttpSession()
            session.trust_env = False
            session.auth = login
            session.mount("https://", Adapter(self._trust))
            with self._lock:
                self._sessions.append(session)
            resource = kept[id(login)] = ProxmoxResource(base_url=self._base, session=session, serializer=_Serializer())
        return resource

    def _credentials(self, secret: Mapping[str, str]) -> Login:
        keys = {key: value.strip() for key, value in secret.items()}
        if keys.get("tokenID") and keys.get("tokenSecret"):
            return TokenLogin(self._trust, keys["tokenID"], keys["tokenSecret"])
        if keys.get("username") and keys.get("password"):
            anonymous = Login(self._trust)
            form = {"username": keys["username"], "password": secret["password"].rstrip("\r\n")}
            return TicketLogin(self._trust, lambda: self._ticket(form, anonymous))
        raise Refused(
            Reason.AUTHENTICATION_FAILED, "the Secret has neither tokenID and tokenSecret nor username and password"
        )

    def _ticket(self, form: Mapping[str, object], anonymous: Login) -> Ticket:
        content = self._attempt("Login", "POST", ("access", "ticket"), form, anonymous)
        ticket: Ticket = _decoded("Login", Ticket, content)
        return ticket


def _decoded(operation: str, kind: Any, content: bytes, *, changing: bool = False) -> Any:
    """What is in an answer of success. Raises CloudError for what is none."""
    try:
        return _decoder(kind).decode(content).data
    except _UNREADABLE as error:
        raise unreadable(operation, error, changing=changing) from error


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """One at a time: msgspec 0.22 crashes the process when two threads meet a type for the first time at once."""
    with _BUILDING:
        return _built(kind)


@cache
def _built(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_Envelope[kind], strict=False)
