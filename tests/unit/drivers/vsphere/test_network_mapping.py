"""Port groups as networks, and what a spec of one can say on vSphere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, read_notes
from hybridge.core.network import NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import network_mapping, port_groups
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.port_groups import DISTRIBUTED, STANDARD, PortGroup
from hybridge.drivers.vsphere.sdk import vim

MARKER = Marker("cluster", "uid", "Network", "shop", "frontend")
SPEC = NetworkSpec("frontend", options={"switch": "/DVS0/"}, tags={"team": "shop", "none": ""})
GROUP = PortGroup("dvportgroup-7", DISTRIBUTED, "front%2fend", "group-n5", "dvs-8", version="3", vlan=("7",))
_SWITCH = vim.dvs.VmwareDistributedVirtualSwitch


def setting(vlan: Any) -> Any:
    return _SWITCH.VmwarePortConfigPolicy(vlan=vlan)


@pytest.mark.parametrize(
    ("vlan", "words"),
    [
        (_SWITCH.VlanIdSpec(vlanId=7, inherited=False), ("7",)),
        (_SWITCH.VlanIdSpec(vlanId=0, inherited=False), ("0",)),
        (_SWITCH.TrunkVlanSpec(vlanId=[vim.NumericRange(start=1, end=9)], inherited=False), ("trunk 1-9",)),
        (_SWITCH.PvlanSpec(pvlanId=5, inherited=False), ("private 5",)),
        (None, ()),
    ],
)
def test_the_vlan_of_a_port_group(vlan: Any, words: tuple[str, ...]) -> None:
    found = port_groups.whole("dvportgroup-7", DISTRIBUTED, [("config.defaultPortConfig", setting(vlan))])

    assert found.vlan == words


def test_a_port_group_is_shown_whole() -> None:
    text = network_mapping.create_spec(Intent(1, "t", "frontend", "", "vsphere:x", 0.0, {}), MARKER).description
    found = replace(GROUP, description=f"of the web team\n{text}", attributes=((1, "shop"), (2, ""), (9, "unknown")))

    shown = network_mapping.network(found, ("DVS0", "dvs-8"), {1: "team", 2: "empty"}, ["vm-2", "vm-1"])

    assert (shown.id, shown.name, shown.attaches) == ("dvportgroup-7", "front/end", "dvportgroup-7")
    assert (shown.marker, shown.tags, shown.machines) == (MARKER, {"team": "shop"}, ("vm-1", "vm-2"))
    assert shown.settings == {"vlan": ("7",), "vsphere.switch": ("DVS0", "dvs-8")}
    assert (shown.unfit, shown.detailed) == ("", True)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (replace(GROUP, uplink=True), "uplink"),
        (replace(GROUP, segment="abc"), "NSX"),
        (PortGroup("network-o7", "OpaqueNetwork", "segment"), "NSX"),
    ],
)
def test_what_nobody_can_take_over_says_why(found: PortGroup, told: str) -> None:
    assert told in network_mapping.network(found, (), {}, ()).unfit


def test_a_port_group_that_cannot_be_read_is_not_detailed() -> None:
    assert not network_mapping.network(PortGroup("dvportgroup-7", DISTRIBUTED, "x"), (), {}, ()).detailed


def test_what_people_write_stays_beside_the_marker() -> None:
    found = replace(GROUP, description="of the web team")

    marked = network_mapping.mark_spec(found, MARKER)
    left = network_mapping.mark_spec(replace(found, description=marked.description), None)

    assert read_notes(marked.description) == MARKER
    assert (marked.configVersion, left.description) == ("3", "of the web team")


def test_a_marker_that_is_all_there_is_can_be_taken_away() -> None:
    """An empty description would leave the old one."""
    marked = network_mapping.mark_spec(GROUP, MARKER)

    assert network_mapping.mark_spec(replace(GROUP, description=marked.description), None).description == " "


def test_a_change_names_what_changes_and_nothing_else() -> None:
    renamed = network_mapping.change_spec(GROUP, name="backend")
    moved = network_mapping.change_spec(GROUP, vlan=9)

    assert (renamed.name, renamed.defaultPortConfig, renamed.description) == ("backend", None, None)
    assert (moved.name, moved.defaultPortConfig.vlan.vlanId) == (None, 9)


def test_a_spec_is_normal_once() -> None:
    normal = network_mapping.normalize(SPEC)

    assert normal.options == {"switch": "DVS0"}
    assert normal.tags == {"team": "shop"}
    assert network_mapping.normalize(normal) == normal


@pytest.mark.parametrize(
    ("words", "reason", "told"),
    [
        ({"options": {"vpcID": "vpc-1"}}, Reason.UNSUPPORTED, "spec.vsphere.vpcID"),
        ({"name": "n" * 81}, Reason.INVALID_SPEC, "spec.name"),
    ],
)
def test_what_vsphere_cannot_do_is_refused(words: dict[str, Any], reason: Reason, told: str) -> None:
    with pytest.raises(Refused, match=told) as refusal:
        network_mapping.normalize(replace(SPEC, **words))

    assert refusal.value.reason is reason


def card(portgroup: str | None = None, network: str | None = None, name: str | None = None) -> Any:
    kinds = vim.vm.device.VirtualEthernetCard
    backing: Any = kinds.NetworkBackingInfo(deviceName=name or "", network=vim.Network(network) if network else None)
    if portgroup:
        port = vim.dvs.PortConnection(portgroupKey=portgroup, switchUuid="uuid")
        backing = kinds.DistributedVirtualPortBackingInfo(port=port)
    return vim.vm.device.VirtualVmxnet3(key=4000, macAddress="00:50:56:00:00:01", backing=backing)


@pytest.fixture
def picture() -> Picture:
    picture = Picture()
    for kind, one, name, more in (
        (DISTRIBUTED, "dvportgroup-7", "frontend", [("key", "dvportgroup-7"), ("config.configVersion", "1")]),
        (STANDARD, "network-3", "VM Network", []),
    ):
        picture.change(kind, one, [("name", name), *more])
    return picture


def test_networks_tell_which_machines_have_a_card_in_them(picture: Picture) -> None:
    for number, one in enumerate((card("dvportgroup-7"), card(network="network-3"), card(name="VM Network"))):
        picture.change("VirtualMachine", f"vm-{number}", [("name", "x"), ("config.hardware.device[4000]", one)])

    networks = picture.take_networks()

    assert networks is not None
    assert networks["dvportgroup-7"].machines == ("vm-0",)
    assert networks["network-3"].machines == ("vm-1", "vm-2")


def test_networks_are_told_again_when_something_of_them_changed(picture: Picture) -> None:
    assert picture.take_networks()
    assert picture.take_networks() is None
    picture.change("VirtualMachine", "vm-0", [("summary.config.numVirtualDisks", 1)])
    assert picture.take_networks() is None

    picture.change("VirtualMachine", "vm-0", [("config.hardware.device[4000]", card("dvportgroup-7"))])
    connected = picture.take_networks()
    picture.leave("VirtualMachine", "vm-0")
    alone = picture.take_networks()

    assert connected is not None
    assert alone is not None
    assert (connected["dvportgroup-7"].machines, alone["dvportgroup-7"].machines) == (("vm-0",), ())


def test_a_network_that_left_is_gone(picture: Picture) -> None:
    picture.leave(DISTRIBUTED, "dvportgroup-7")

    assert (picture.take_networks() or {}).keys() == {"network-3"}


def test_a_network_of_standard_switches_is_marked_by_custom_attributes() -> None:
    names = dict(enumerate((*MARKER.pairs(), "team")))
    texts = {**MARKER.pairs(), "team": "shop"}
    found = PortGroup("network-3", STANDARD, "std", attributes=tuple((key, texts[name]) for key, name in names.items()))

    shown = network_mapping.network(found, (), names, (), ("hosts",))

    assert (shown.marker, shown.tags, shown.parts, shown.unfit) == (MARKER, {"team": "shop"}, ("hosts",), "")


def test_a_network_of_a_cluster_has_the_hosts_as_a_part() -> None:
    normal = network_mapping.normalize(replace(SPEC, options={"switch": "vSwitch0", "cluster": "DC0_C0"}))

    assert normal.parts == ("hosts",)
    assert network_mapping.normalize(normal) == normal
    assert network_mapping.standard_parameters("domain-c1", normal) == {
        "cluster": "domain-c1",
        "switch": "vSwitch0",
        "named": False,
    }


def test_all_hosts_of_a_cluster_have_it_or_the_part_is_missing(picture: Picture) -> None:
    for host in ("host-1", "host-2"):
        picture.change("HostSystem", host, [("name", host), ("parent", vim.ClusterComputeResource("domain-c1"))])
    picture.change("HostSystem", "host-9", [("name", "apart"), ("parent", vim.ComputeResource("domain-s9"))])

    picture.change(STANDARD, "network-3", [("host", [vim.HostSystem("host-1")])])
    some = (picture.take_networks() or {})["network-3"]
    picture.change(STANDARD, "network-3", [("host", [vim.HostSystem("host-1"), vim.HostSystem("host-2")])])
    every = (picture.take_networks() or {})["network-3"]

    assert (some.parts, every.parts) == ((), ("hosts",))
