"""The session with a vCenter, and the transport under pyvmomi.

pyvmomi's own transport has one timeout for everything, no certificate pinning beside a CA, and no way to tell a
connection that never came about from one that broke. urllib3 has them; pyvmomi still writes and reads the SOAP.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

import certifi
import urllib3

from hybridge.core.errors import CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Settings
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.sdk import may_be_nothing, soap, version_for, vim

_CONNECT_TIMEOUT = 3.0
_READ_TIMEOUT = 20.0
_FAREWELL_TIMEOUT = 2.0
#: Seconds after a refused login in which none is tried: five within three minutes lock an account by default.
_LOGIN_PAUSE = 60.0
_COOKIE = "vmware_soap_session"

#: Calls that need no session.
_OPEN = frozenset({"RetrieveServiceContent", "Login"})
#: Calls on objects that die with their session, so that a new session does not help them.
_BOUND = frozenset(
    {"WaitForUpdatesEx", "ContinueRetrievePropertiesEx", "CreateFilter", "CancelWaitForUpdates", "Logout"}
)
#: Calls at the end, when nobody hands out tokens of the rate limit any more.
_FAREWELL = frozenset({"CancelWaitForUpdates", "Logout"})


#: What every vCenter has, of what is used here.
_CONTENT = (
    "about",
    "authorizationManager",
    "customFieldsManager",
    "propertyCollector",
    "rootFolder",
    "searchIndex",
    "sessionManager",
    "taskManager",
    "viewManager",
)


#: Characters that XML 1.0 does not know (its chapter 2.2), in UTF-8, and the one that its readers make another of (2.11).
_NOT_CARRIED = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xef\xbf[\xbe\xbf]")

#: Reads the answer to a call; the stub is for references in it.
Reader = Callable[[bytes, "Stub"], Any]


class Session:
    """One login, shared by all threads. It is renewed, once for all of them, when the vCenter has forgotten it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent. Refused (INVALID_SPEC, AUTHENTICATION_FAILED, TLS_NOT_VERIFIED) for settings of no use."""
        self.settings = settings
        self.cookie = ""
        self._epoch = 0
        self._lock = threading.Lock()
        endpoint = urlsplit(str(settings.cloud.get("endpoint", "")))
        if endpoint.scheme != "https" or not endpoint.hostname:
            raise Refused(Reason.INVALID_SPEC, "spec.vsphere.endpoint has to be a URL like https://vcenter.example")
        missing = [key for key in ("username", "password") if not settings.credentials.get(key)]
        if missing:
            raise Refused(Reason.AUTHENTICATION_FAILED, f"the Secret of the Provider has no {' and no '.join(missing)}")
        self.path = endpoint.path.rstrip("/") or "/sdk"
        self.pool = urllib3.HTTPSConnectionPool(
            endpoint.hostname,
            endpoint.port or 443,
            maxsize=settings.concurrency + 1,
            retries=False,
            ssl_context=_ssl_context(settings),
            assert_fingerprint=_fingerprint(settings),
        )
        self.calls = Stub(self, _READ_TIMEOUT)
        self.root = vim.ServiceInstance("ServiceInstance", self.calls)
        self._content: Any = None
        self._refusal: Refused | None = None
        self._refused_until = 0.0
        self._speak("")

    def _speak(self, api_version: str) -> None:
        self.version = version_for(api_version)
        self.writer = soap.SoapStubAdapterBase(self.version)
        self.writer.requestContext = None

    @property
    def content(self) -> Any:
        """The ServiceContent: who the vCenter is, and the ids of its managers. Read once."""
        return self.refresh_content() if self._content is None else self._content

    def refresh_content(self) -> Any:
        """The ServiceContent, read now."""
        content = self.root.RetrieveServiceContent()
        if missing := [name for name in _CONTENT if getattr(content, name) is None]:
            raise errors.unreadable("RetrieveServiceContent", f"it has no {' and no '.join(missing)}")
        self._speak(str(content.about.apiVersion))
        self._content = content
        return content

    def ensure(self) -> int:
        """Logs in when nobody did. Returns the number of the login in force."""
        if not self._epoch:
            self.renew(0)
        return self._epoch

    def renew(self, epoch: int) -> None:
        """Logs in again, unless another thread has done so since login number ``epoch``."""
        with self._lock:
            if self._epoch != epoch:
                return
            if self._refusal is not None and time.monotonic() < self._refused_until:
                raise Refused(self._refusal.reason, self._refusal.message)
            credentials = self.settings.credentials
            manager = self.content.sessionManager
            self.cookie = ""
            try:
                manager.Login(credentials["username"], credentials["password"])
            except Refused as error:
                self._refusal, self._refused_until = error, time.monotonic() + _LOGIN_PAUSE
                raise
            self._epoch += 1

    def hurry(self) -> None:
        """From now on a dead vCenter is not waited for: what is left to say is a farewell."""
        self.calls.read_timeout = _FAREWELL_TIMEOUT

    def close(self) -> None:
        """Logs out, as well as can be, and closes the connections."""
        with self._lock:
            if self._epoch and self._content is not None:
                # Where this fails, the vCenter ends the session by itself after half an hour.
                with contextlib.suppress(CloudError):
                    self._content.sessionManager.Logout()
            self.pool.close()


class Stub:
    """What pyvmomi sends the calls of its objects through. ``requests`` counts what was sent."""

    def __init__(self, session: Session, read_timeout: float, readers: Mapping[str, Reader] | None = None) -> None:
        """``read_timeout`` in seconds. ``readers``: what reads the answers to some calls in pyvmomi's place."""
        self._session = session
        self._readers = readers or {}
        self.read_timeout = read_timeout
        self.requests = 0

    @property
    def version(self) -> str:
        """The version of the API that is spoken."""
        return self._session.version

    @property
    def path(self) -> str:
        """Where on the vCenter the API is."""
        return self._session.path

    @property
    def cookie(self) -> str:
        """What says whose call it is; empty before the login. The vCenter may give another with any answer."""
        return self._session.cookie

    @cookie.setter
    def cookie(self, cookie: str) -> None:
        self._session.cookie = cookie

    @property
    def writer(self) -> Any:
        """What writes calls as SOAP."""
        return self._session.writer

    def invoke(self, target: Any, info: Any, arguments: Any) -> Any:
        """One call of a method, with a login before it where needed. Raises CloudError."""
        operation: str = info.wsdlName
        if operation in _OPEN:
            return self._metered(operation, target, info, arguments)
        epoch = self._session.ensure()
        try:
            return self._metered(operation, target, info, arguments)
        except CloudError as error:
            if operation in _BOUND or not errors.caused_by(error, "NotAuthenticated"):
                raise
        self._session.renew(epoch)
        return self._metered(operation, target, info, arguments)

    def read(self, target: Any, info: Any) -> Any:
        """Reading an attribute of a managed object: refused, because it would be a request that nobody sees."""
        raise NotImplementedError(f"{type(target).__name__}.{info.name} has to be read through the PropertyCollector")

    def server_guids(self) -> bool:
        """Whether references carry the id of their server: no, there is only one."""
        return False

    # The names that pyvmomi calls.
    InvokeMethod = invoke
    InvokeAccessor = read
    SupportServerGUIDs = server_guids

    def _metered(self, operation: str, target: Any, info: Any, arguments: Any) -> Any:
        settings = self._session.settings
        writer = self.writer
        body = _carried(operation, writer.SerializeRequest(target, info, arguments))
        if operation not in _FAREWELL:
            settings.acquire()
        self.requests += 1
        started = time.monotonic()
        code = "200"
        try:
            return self._parsed(operation, info, self._sent(operation, body, writer.versionId))
        except CloudError as error:
            code = errors.code(settings.hide(error))
            raise
        finally:
            settings.meter(operation, code, time.monotonic() - started)

    def _sent(self, operation: str, body: bytes, version: str) -> urllib3.BaseHTTPResponse:
        session = self._session
        headers = {
            "Content-Type": "text/xml; charset=UTF-8",
            "SOAPAction": version,
            "Accept-Encoding": "gzip",
            "User-Agent": "hybridge",
        }
        if self.cookie:
            headers["Cookie"] = self.cookie
        try:
            reply = session.pool.urlopen(
                "POST",
                self.path,
                body,
                headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=self.read_timeout),
            )
        except urllib3.exceptions.HTTPError as error:
            raise errors.transport(error, operation) from None
        for cookie in reply.headers.getlist("Set-Cookie"):
            if cookie.startswith(_COOKIE):
                self.cookie = cookie.partition(";")[0]
        return reply

    def _parsed(self, operation: str, info: Any, reply: urllib3.BaseHTTPResponse) -> Any:
        whole = reply.data.rstrip().endswith(b"Envelope>")
        if reply.status not in {200, 500} or (reply.status == 500 and not whole):
            raise errors.status(reply.status, operation, reply.headers.get("Retry-After"))
        try:
            if not whole:
                raise ExpatError("it is no SOAP message")
            if reply.status == 200 and operation in self._readers:
                return self._readers[operation](reply.data, self)
            result = soap.SoapResponseDeserializer(self).Deserialize(reply.data, info.result)
            if result is None and not may_be_nothing(info):
                raise ValueError("it holds nothing")
        except (ExpatError, ParseError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise errors.unreadable(operation, f"{type(error).__name__}: {error}") from None
        if reply.status == 500:
            if isinstance(result, Exception):
                raise errors.classify(result, operation) from result
            raise errors.status(reply.status, operation, None)
        return result


def _carried(operation: str, body: bytes) -> bytes:
    """What is sent. Raises Refused where it has what XML cannot carry: the vCenter could not read it, and would not say
    whose fault that is.
    """
    if _NOT_CARRIED.search(body):
        raise Refused(Reason.INVALID_SPEC, f"{operation}: a value has characters that cannot be sent to a vCenter")
    return body


def _fingerprint(settings: Settings) -> str | None:
    """The pinned SHA-256 as hex digits, or None."""
    if not settings.fingerprint or settings.insecure_skip_verify:
        return None
    digits = settings.fingerprint.lower().removeprefix("sha256:").replace(":", "")
    if len(digits) != 64:
        raise Refused(Reason.TLS_NOT_VERIFIED, "spec.tls.fingerprint has to be the SHA-256 of the server's certificate")
    return digits


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """TLS as the Provider wants it: its CA, else the public ones; none where a certificate is pinned, or by wish.

    Python's default context would take in what SSL_CERT_FILE names, which is no wish of the Provider's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.insecure_skip_verify:
        # It is told as a condition and a metric of the Provider, and need not be told for every request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if settings.insecure_skip_verify or settings.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if settings.ca_bundle:
            context.load_verify_locations(cadata=settings.ca_bundle)
        else:
            context.load_verify_locations(cafile=certifi.where())
    except (ssl.SSLError, ValueError) as error:
        raise Refused(Reason.TLS_NOT_VERIFIED, f"spec.tls.caBundle cannot be read: {error}") from None
    return context
