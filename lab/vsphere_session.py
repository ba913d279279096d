"""Sessions at the lab's vCenter: anybody's, and the one that the person behind the operator's back keeps."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab.process import LabError
from lab.vsphere_sdk import finished, id_of, sdk, vim, vmodl

VERSION: Final = "vim.version.v8_0_3_0"
_TIMEOUT = 30.0


class VsphereSession:
    """The person's session, begun with its first call, and the few calls that all acts are made of.

    All threads share it: who makes several calls that belong together holds ``lock``.
    """

    def __init__(self, port: int, tls: ssl.SSLContext, account: Mapping[str, str]) -> None:
        self.lock = threading.RLock()
        self._port = port
        self._tls = tls
        self._account = account
        self._own: Any = None

    def stub(self, version: str = VERSION, **options: Any) -> Any:
        """Calls of the vCenter without a session; ``options`` are those of pyvmomi's SoapStubAdapter."""
        return sdk.SoapStubAdapter(
            "127.0.0.1", self._port, version=version, sslContext=self._tls, httpConnectionTimeout=_TIMEOUT, **options
        )

    @staticmethod
    def login(stub: Any, account: Mapping[str, str]) -> Any:
        """A ServiceInstance with a new session; ``vim.fault.InvalidLogin`` for a wrong user or password."""
        instance = vim.ServiceInstance("ServiceInstance", stub)
        instance.RetrieveContent().sessionManager.Login(account["username"], account["password"])
        return instance

    def forget(self) -> None:
        """The server ends, and the session with it."""
        self._own = None

    @property
    def _calls(self) -> Any:
        with self.lock:
            if self._own is None:
                own = self.stub()
                self.login(own, self._account)
                self._own = own
            return self._own

    @property
    def instance(self) -> Any:
        """The person's ServiceInstance."""
        return self.managed(vim.ServiceInstance, "ServiceInstance")

    @property
    def content(self) -> Any:
        """What the vCenter has."""
        return self.instance.content

    def cookie(self) -> dict[str, str]:
        """The session, as the vCenter's other APIs want it in the header of each call."""
        return {"vcSessionCookie": self._calls.cookie.partition(";")[0].partition("=")[2].strip('"')}

    def managed(self, kind: Any, moid: str) -> Any:
        """A managed object by its id."""
        return kind(moid, self._calls)

    def vm(self, moid: str) -> Any:
        """A machine by its id."""
        return self.managed(vim.VirtualMachine, moid)

    def task(self, begin: Callable[[], Any]) -> Any:
        """Begins a task and waits for its end; its result. LabError when the vCenter refuses it."""
        with self.lock:
            try:
                return finished(self.instance, begin())
            except (vmodl.MethodFault, vmodl.RuntimeFault) as fault:
                raise LabError(f"vSphere refused: {type(fault).__name__}: {fault.msg}") from fault

    def made(self, begin: Callable[[], Any]) -> str:
        """The id of what a task makes."""
        return id_of(self.task(begin))

    def reconfigure(self, moid: str, spec: Any) -> None:
        """Applies a ``vim.vm.ConfigSpec``."""
        self.task(lambda: self.vm(moid).ReconfigVM_Task(spec))

    def named(self, kind: Any, name: str) -> Any:
        """A managed object by its name; LabError when there is none."""
        for moid, values in self.properties(kind, ["name"]).items():
            if values["name"] == name:
                return self.managed(kind, moid)
        raise LabError(f"vSphere has no {kind.__name__} {name}")

    def properties(self, kind: Any, paths: list[str]) -> dict[str, dict[str, Any]]:
        """Properties of all managed objects of a kind, by their ids."""
        query = vmodl.query.PropertyCollector
        content = self.content
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        try:
            step = query.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
            found = content.propertyCollector.RetrieveContents(
                [
                    query.FilterSpec(
                        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[step])],
                        propSet=[query.PropertySpec(type=kind, pathSet=paths)],
                    )
                ]
            )
        finally:
            view.DestroyView()
        return {id_of(item.obj): {one.name: one.val for one in item.propSet} for item in found}
