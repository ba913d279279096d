"""Content libraries of the lab's vCenter, as a person sees them, and the web that it can fetch appliances from."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from lab.process import LabError

_TIMEOUT = 30.0
_PAUSE = 0.02
_HEADER: Final = "vmware-api-session-id"
_ITEMS, _UPDATES = "/api/content/library/item", "/api/content/library/item/update-session"
#: A machine of one CPU with a disk and a network card, as much as a vCenter wants to know.
_DESCRIPTOR: Final = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References><File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="4"/></References>
  <DiskSection><Info>Disks</Info>
    <Disk ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1" ovf:fileRef="file1"/>
  </DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="VM Network"/></NetworkSection>
  <VirtualSystem ovf:id="appliance"><Info>A machine</Info><Name>appliance</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"><Info>Guest</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info>
      <System><vssd:ElementName>Hardware</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>
      <Item><rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits><rasd:ElementName>CPUs</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>Memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>SCSI</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>Disk</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>7</rasd:AddressOnParent><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection><rasd:ElementName>Card</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


@dataclass(frozen=True, slots=True)
class LibraryItem:
    """One item of a library as the vCenter itself holds it. ``size`` is in bytes; 0 before it has content."""

    id: str
    library: str
    name: str
    description: str
    type: str
    size: int


class Refusal(LabError):
    """The Automation API said no. ``kind`` is the ``error_type`` of its answer, ``status`` the HTTP status."""

    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(f"vSphere refused: {kind}: {words}")
        self.status, self.kind = status, kind


def appliance(*, several: bool = False) -> bytes:
    """An OVA: the descriptor, of a machine or of a collection of such, then its disk."""
    archive, descriptor = io.BytesIO(), _DESCRIPTOR
    if several:
        begin, end = '<VirtualSystemCollection ovf:id="several"><Info>Machines</Info>', "</VirtualSystemCollection>"
        descriptor = descriptor.replace("<VirtualSystem ", f"{begin}<VirtualSystem ")
        descriptor = descriptor.replace("</VirtualSystem>", f"</VirtualSystem>{end}")
    with tarfile.open(fileobj=archive, mode="w") as files:
        for name, content in (("appliance.ovf", descriptor.encode()), ("disk.vmdk", b"KDMV")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


class Libraries:
    """The Automation API with one account, logged in with the first call."""

    def __init__(self, endpoint: str, tls: ssl.SSLContext, account: Mapping[str, str]) -> None:
        self._endpoint, self._account = endpoint, account
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )
        self._session = ""

    def publish(self, url: str, content: bytes | None = None) -> str:
        """Lets the vCenter find a file at this URL, by default an OVA; its checksum, as ``sha256:…``."""
        body = appliance() if content is None else content
        self._send("POST", f"/lab/files?url={quote(url, safe='')}", body)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def items(self) -> list[LibraryItem]:
        """All items of all libraries that Hybridge or a person of the lab has made on the datastores of the lab."""
        return [
            self.item(one) for library in self.libraries() for one in self.call("GET", f"{_ITEMS}?library_id={library}")
        ]

    def libraries(self) -> list[str]:
        """The ids of all libraries."""
        found: list[str] = self.call("GET", "/api/content/local-library")
        return found

    def item(self, item_id: str) -> LibraryItem:
        """One of them. Refusal NOT_FOUND when there is none."""
        read = self.call("GET", f"{_ITEMS}/{item_id}")
        return LibraryItem(
            id=read["id"],
            library=read["library_id"],
            name=read["name"],
            description=read.get("description", ""),
            type=read.get("type", ""),
            size=read.get("size", 0),
        )

    def offer(self, name: str, datastore: str, url: str) -> str:
        """Has an item of this name in a person's own library, with the appliance of a URL; its id. ``datastore``: an id."""
        known: list[str] = self.call("POST", f"{_ITEMS}?action=find", {"name": name})
        if known:
            return known[0]
        backing = {"type": "DATASTORE", "datastore_id": datastore}
        words = {"name": "appliances", "type": "LOCAL", "storage_backings": [backing]}
        library = self.call("POST", "/api/content/local-library", words)
        made: str = self.call("POST", _ITEMS, {"library_id": library, "name": name, "type": "ovf"})
        session = self.call("POST", _UPDATES, {"library_item_id": made})
        file = {"name": "appliance.ova", "source_type": "PULL", "source_endpoint": {"uri": url}}
        self.call("POST", f"{_UPDATES}/{session}/file", file)
        self.call("POST", f"{_UPDATES}/{session}?action=complete")
        deadline = time.monotonic() + _TIMEOUT
        while not self.item(made).size:
            if time.monotonic() > deadline:
                raise LabError(f"the content of {name} never came")
            time.sleep(_PAUSE)
        return made

    def destroy(self, item_id: str) -> None:
        """Deletes an item."""
        self.call("DELETE", f"{_ITEMS}/{item_id}")

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """One call; what its answer holds. Raises Refusal."""
        if not self._session:
            self._session = self._login()
        headers = {_HEADER: self._session, **({"Client-Token": token} if token else {})}
        text = self._send(method, path, None if body is None else json.dumps(body).encode(), headers)
        return json.loads(text) if text else None

    def _login(self) -> str:
        pair = f"{self._account['username']}:{self._account['password']}"
        basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return str(json.loads(self._send("POST", "/api/session", b"", basic)))

    def forget(self) -> None:
        """The server ends, and the session with it."""
        self._session = ""

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> bytes:
        request = urllib.request.Request(self._endpoint + path, body, dict(headers or {}), method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                told = json.loads(error.read() or b"{}")
            words = "; ".join(one["default_message"] for one in told.get("messages", []))
            raise Refusal(error.code, told.get("error_type", ""), words) from error
