"""Answers of WaitForUpdatesEx."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import ParseError

import pytest

from hybridge.drivers.vsphere import seen, updates
from hybridge.drivers.vsphere.sdk import VERSIONS, moid, soap, version_for, vim, vmodl

STUB = soap.SoapStubAdapter("vc.example", version=VERSIONS[8, 0, 3])


def answer(inside: str) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body><WaitForUpdatesExResponse xmlns="urn:vim25">{inside}</WaitForUpdatesExResponse></soapenv:Body>
</soapenv:Envelope>""".encode()


def change(name: str, value: str, op: str = "assign") -> str:
    return f"<changeSet><name>{name}</name><op>{op}</op>{value}</changeSet>"


def entry(*changes: str, kind: str = "enter", reference: str = '<obj type="VirtualMachine">vm-1</obj>') -> bytes:
    return answer(
        f"<returnval><version>7</version><filterSet><objectSet><kind>{kind}</kind>{reference}{''.join(changes)}</objectSet>"
        "</filterSet><truncated>true</truncated></returnval>"
    )


def values(*changes: str) -> dict[str, Any]:
    read = updates.read(entry(*changes), STUB)
    assert read is not None
    return dict(read.entries[0].changes)


CHANGES = [
    change("name", '<val xsi:type="xsd:string">web-1</val>'),
    change("config.hardware.numCPU", '<val xsi:type="xsd:int">2</val>'),
    change("config.template", '<val xsi:type="xsd:boolean">false</val>'),
    change("config.cpuHotAddEnabled", '<val xsi:type="xsd:boolean">true</val>'),
    change("runtime.powerState", '<val xsi:type="VirtualMachinePowerState">poweredOn</val>'),
    change("runtime.host", '<val type="HostSystem" xsi:type="ManagedObjectReference">host-1</val>'),
    change(
        "guest.net",
        '<val xsi:type="ArrayOfGuestNicInfo"><GuestNicInfo><ipAddress>10.0.0.1</ipAddress><ipAddress>fd00::1</ipAddress>'
        "<connected>true</connected><deviceConfigId>4000</deviceConfigId></GuestNicInfo></val>",
    ),
    change(
        'config.extraConfig["hybridge.io/owner"]',
        '<val xsi:type="OptionValue"><key>hybridge.io/owner</key><value xsi:type="xsd:string">c/u</value></val>',
    ),
    change(
        "customValue",
        '<val xsi:type="ArrayOfCustomFieldValue"><CustomFieldValue xsi:type="CustomFieldStringValue"><key>7</key>'
        "<value>shop</value></CustomFieldValue></val>",
    ),
    change(
        seen.ROOT_DISK,
        '<val xsi:type="VirtualDisk"><key>2000</key><capacityInKB>1024</capacityInKB>'
        '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ssd] a</fileName>'
        '<datastore type="Datastore">datastore-1</datastore></backing>'
        "<capacityInBytes>1048576</capacityInBytes></val>",
    ),
    change(
        "config.hardware.device[4000]",
        '<val xsi:type="VirtualVmxnet3"><key>4000</key>'
        '<backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo">'
        "<port><switchUuid>s</switchUuid><portgroupKey>dvportgroup-1</portgroupKey></port></backing>"
        "<macAddress>00:50:56:00:00:0A</macAddress></val>",
    ),
    change(
        "config.hardware.device[4001]",
        '<val xsi:type="VirtualE1000e"><key>4001</key><backing xsi:type="VirtualEthernetCardNetworkBackingInfo">'
        '<deviceName>VM Network</deviceName><network type="Network">network-1</network></backing>'
        "<macAddress>00:50:56:00:00:0b</macAddress></val>",
    ),
    change(
        "config.hardware.device[4002]",
        '<val xsi:type="VirtualPCNet32"><key>4002</key><backing xsi:type="VirtualEthernetCardOpaqueNetworkBackingInfo">'
        "<opaqueNetworkId>ls-1</opaqueNetworkId><opaqueNetworkType>nsx.LogicalSwitch</opaqueNetworkType></backing></val>",
    ),
    change(
        "config.scheduledHardwareUpgradeInfo",
        '<val xsi:type="ScheduledHardwareUpgradeInfo"><upgradePolicy>always</upgradePolicy>'
        "<versionKey>vmx-19</versionKey></val>",
    ),
    change("resourcePool", '<val type="ResourcePool" xsi:type="ManagedObjectReference">resgroup-1</val>'),
]


def test_machines_are_read_as_pyvmomi_reads_them() -> None:
    slow = soap.SoapResponseDeserializer(STUB).Deserialize(entry(*CHANGES), vmodl.query.PropertyCollector.UpdateSet)
    theirs = seen.whole("vm-1", {str(c.name): c.val for c in slow.filterSet[0].objectSet[0].changeSet})

    ours = seen.whole("vm-1", values(*CHANGES))

    assert ours == theirs
    assert (ours.root_disk, ours.store, ours.next_version) == (1 << 20, "datastore-1", "vmx-19")
    assert [card.network for _, card in sorted(ours.cards.items())] == ["dvportgroup-1", "network-1", "ls-1"]
    assert ours.marks == {"hybridge.io/owner": "c/u"}


def test_what_it_does_not_know_it_leaves_to_pyvmomi() -> None:
    fault = values(
        change(
            "info.error",
            '<val xsi:type="LocalizedMethodFault"><fault xsi:type="DuplicateName"><name>web</name>'
            '<object type="VirtualMachine">vm-3</object></fault><localizedMessage>It exists.</localizedMessage></val>',
        )
    )["info.error"]

    assert isinstance(fault, vim.fault.DuplicateName)
    assert moid(fault.object) == "vm-3"
    assert fault.msg == "It exists."


@pytest.mark.parametrize("op", ["remove", "indirectRemove"])
def test_what_is_removed_has_no_value(op: str) -> None:
    assert values(change("guest.ipAddress", "", op)) == {"guest.ipAddress": None}
    assert values(change("guest.hostName", "")) == {"guest.hostName": None}


def test_an_object_that_left() -> None:
    read = updates.read(entry(kind="leave"), STUB)

    assert read == updates.Updates("7", True, (updates.Entry("VirtualMachine", "vm-1", True, ()),))


def test_a_wait_that_ended_without_news() -> None:
    assert updates.read(answer(""), STUB) is None


def test_what_is_no_answer_is_not_taken_for_one() -> None:
    with pytest.raises(KeyError):
        updates.read(b"<html><body>Service Unavailable</body></html>", STUB)
    with pytest.raises(ParseError):
        updates.read(entry()[:-40], STUB)


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        ("6.7", (7, 0)),
        ("7.0.1.0", (7, 0)),
        ("7.0.3.0", (7, 0, 2)),
        ("8.0.1.0", (8, 0, 1)),
        ("9.1.0.0", (8, 0, 3)),
        ("", (7, 0)),
    ],
)
def test_the_newest_version_that_both_know_is_spoken(offered: str, spoken: tuple[int, ...]) -> None:
    assert version_for(offered) == VERSIONS[spoken]
