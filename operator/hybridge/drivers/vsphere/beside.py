"""Calls of the services beside a vCenter, which know the caller by the session of the vCenter."""

from __future__ import annotations

from typing import Any, Final

from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.sdk import soap

_READ_TIMEOUT: Final = 20.0


class BesideStub(Stub):
    """Calls of one such service: it has cookies of its own, and takes the vCenter's as a header of the message."""

    def __init__(self, session: Session, path: str, version: str) -> None:
        """``path``: where on the vCenter the service is; ``version``: of its API, as pyvmomi calls it."""
        super().__init__(session, _READ_TIMEOUT)
        self._path = path
        self._version = version
        self._login = ""
        self._cookie = ""

    @property
    def version(self) -> str:
        """The version of the service's API that is spoken."""
        return self._version

    @property
    def path(self) -> str:
        """Where on the vCenter the service is."""
        return self._path

    @property
    def cookie(self) -> str:
        """The service's own session, of as long as the login that it came with is in force."""
        return self._cookie if self._login == self._session.cookie else ""

    @cookie.setter
    def cookie(self, cookie: str) -> None:
        self._login, self._cookie = self._session.cookie, cookie

    @property
    def writer(self) -> Any:
        """What writes calls as SOAP, with the vCenter's session as it is now."""
        writer = soap.SoapStubAdapterBase(self._version)
        writer.requestContext = {"vcSessionCookie": self._session.cookie.partition("=")[2].strip('"')}
        return writer
