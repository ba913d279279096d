"""Below the client: TLS as the Provider wants it, deadlines, and how a request shows who sends it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Settings
from hybridge.drivers.proxmox.answers import Ticket

#: Seconds to connect, and to wait for an answer or a part of it.
TIMEOUT = (3.0, 20.0)
#: A ticket is good for two hours.
_RENEW_AFTER = 3600.0
#: Seconds in which a ticket cannot have become bad by itself.
YOUNG = 3.0
#: The hundreds of the status by which an answer sends whoever asks to another place.
_ELSEWHERE = 3


@dataclass(frozen=True, slots=True)
class Trust:
    """What proves that the endpoint is the right one."""

    context: ssl.SSLContext
    fingerprint: str | None

    @property
    def verifies(self) -> bool:
        """Whether an authority has to vouch for the certificate."""
        return self.context.verify_mode != ssl.CERT_NONE

    @classmethod
    def of(cls, settings: Settings) -> Trust:
        """The CA bundle of the settings, else the public authorities; with a fingerprint alone, only that certificate.

        Raises Refused when the bundle cannot be read.
        """
        pinned = None if settings.insecure_skip_verify else settings.fingerprint
        fingerprint = pinned.removeprefix("sha256:") if pinned else None
        try:
            context = ssl.create_default_context(
                cadata=settings.ca_bundle, cafile=None if settings.ca_bundle else DEFAULT_CA_BUNDLE_PATH
            )
        except (ssl.SSLError, ValueError) as error:
            raise Refused(Reason.TLS_NOT_VERIFIED, f"the CA bundle cannot be read: {error}") from error
        # The certificates that PVE makes itself lack extensions that only the strict mode of newer Pythons demands.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if settings.insecure_skip_verify or (fingerprint and not settings.ca_bundle):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return cls(context, fingerprint)


class Adapter(HTTPAdapter):
    """Connections that are trusted by ``Trust`` alone."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:
        """See requests: where urllib3 is told about TLS."""
        super().init_poolmanager(
            connections,
            maxsize,
            block,
            ssl_context=self._trust.context,
            assert_fingerprint=self._trust.fingerprint,
            **options,
        )

    def send(self, *given: Any, **words: Any) -> requests.Response:
        """See requests: one request and its answer. Raises TooManyRedirects.

        An endpoint that has moved is told, and not followed: credentials are for the one that the Provider names.
        """
        answer = super().send(*given, **words)
        if answer.status_code // 100 == _ELSEWHERE:
            answer.close()
            target = answer.headers.get("Location", "no other place")
            raise requests.TooManyRedirects(f"it answers {answer.status_code} and names {target}", response=answer)
        return answer

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Nothing: requests would add its own authorities to the context."""


class Login(AuthBase):
    """What proxmoxer's session asks of whoever authenticates its requests."""

    timeout = TIMEOUT

    def __init__(self, trust: Trust) -> None:
        self.verify_ssl = trust.verifies

    def get_cookies(self) -> RequestsCookieJar:
        """No cookies but those of the header."""
        return RequestsCookieJar()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Nothing is added: a request without credentials, as ``/access/ticket`` takes it."""
        return request

    def renew(self) -> bool:
        """After a 401: True when another try with new credentials makes sense."""
        return False


class TokenLogin(Login):
    """An API token: ``user@realm!name`` and its secret."""

    def __init__(self, trust: Trust, token_id: str, secret: str) -> None:
        super().__init__(trust)
        self._header = f"PVEAPIToken={token_id}={secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the token."""
        request.headers["Authorization"] = self._header
        return request


class TicketLogin(Login):
    """A user and password, exchanged for tickets that all threads share. ``ask`` sends the exchange."""

    def __init__(self, trust: Trust, ask: Callable[[], Ticket]) -> None:
        super().__init__(trust)
        self._ask = ask
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._born = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the ticket, and to changes the token against forgery."""
        ticket = self._current()
        request.headers["Cookie"] = f"PVEAuthCookie={ticket.ticket}"
        if request.method != "GET":
            request.headers["CSRFPreventionToken"] = ticket.csrf
        return request

    def renew(self) -> bool:
        """Forgets the ticket, unless it is so young that the refusal must have another cause."""
        with self._lock:
            if self._ticket is None or time.monotonic() - self._born < YOUNG:
                return False
            self._ticket = None
            return True

    def _current(self) -> Ticket:
        with self._lock:
            if self._ticket is None or time.monotonic() - self._born > _RENEW_AFTER:
                ticket = self._ask()
                if ticket.second_factor:
                    raise Refused(
                        Reason.AUTHENTICATION_FAILED, "the user has a second factor: give an API token instead"
                    )
                self._ticket, self._born = ticket, time.monotonic()
            return self._ticket
