"""Where a machine differs from its spec, field by field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.cloudinit import described
from hybridge.core.difference import driver_field
from hybridge.core.machine import Change, CloudInit, Machine, MachineSpec, Nic, Port, Power, Traits
from hybridge.core.machine_diff import differences, without
from hybridge.core.plan import Action, Verb

GIB = 1 << 30
TRAITS = Traits(
    block="proxmox",
    changes={
        "proxmox.cpuType": Change.STOPPED,
        "proxmox.pool": Change.ONLINE,
        "placement.node": Change.ONLINE,
        "cloudInit.sshKeys": Change.ONLINE,
    },
)
MACHINE = Machine(
    "101",
    "web",
    Power.RUNNING,
    cpus=2,
    memory=4 * GIB,
    ports=(Port(("frontend", "net-1"), "02:00:00:00:00:01"), Port(("backend",), "02:00:00:00:00:02")),
    settings={
        "placement.node": ("pve1",),
        "proxmox.cpuType": ("host",),
        "proxmox.pool": (),
        "proxmox.agent": ("true", "enabled=1"),
        "cloudInit.sshKeys": ("a,b",),
    },
)
FRONT, BACK = Nic("nic0", "net-1"), Nic("nic1", "backend")

CASES: dict[str, tuple[MachineSpec, Machine, list[Action]]] = {
    "nothing is set": (MachineSpec("web"), MACHINE, []),
    "all is as wanted": (
        MachineSpec(
            "web",
            cpus=2,
            networks=(FRONT, BACK),
            placement={"node": "pve1"},
            options={"agent": True, "cpuType": "host"},
            cloud_init=CloudInit(ssh_keys=("b", "a")),
        ),
        MACHINE,
        [],
    ),
    "another VLAN of the same bridge": (
        MachineSpec("web", networks=(replace(FRONT, vlan="20"), replace(BACK, vlan=""))),
        MACHINE,
        [Action(Verb.CONNECT, "networks.nic0", "frontend", "net-1 VLAN 20")],
    ),
    "what the cloud does not show is not compared": (
        MachineSpec("web", options={"bios": "ovmf"}, placement={"zone": "a"}),
        MACHINE,
        [],
    ),
    "a size that the cloud keeps back": (
        MachineSpec("web", cpus=4),
        replace(MACHINE, pending={"cpus": "4"}),
        [
            Action(
                Verb.RESIZE,
                "cpus",
                "2",
                "4",
                disruptive=True,
                reason="the cloud holds it back until the next power cycle",
            )
        ],
    ),
    "a size that a person has put off until the next start": (
        MachineSpec("web", cpus=2),
        replace(MACHINE, pending={"cpus": "8"}),
        [Action(Verb.RESIZE, "cpus", "2 (from the next power cycle on 8)", "2")],
    ),
    "a setting that a person has put off": (
        MachineSpec("web", options={"cpuType": "host"}),
        replace(MACHINE, pending={"proxmox.cpuType": "kvm64"}),
        [Action(Verb.RECONFIGURE, "proxmox.cpuType", "host (from the next power cycle on kvm64)", "host")],
    ),
    "an option that takes a stopped machine": (
        MachineSpec("web", options={"cpuType": "x86-64-v3"}),
        MACHINE,
        [Action(Verb.RECONFIGURE, "proxmox.cpuType", "host", "x86-64-v3", disruptive=True)],
    ),
    "an option that the machine lacks": (
        MachineSpec("web", options={"pool": "shop"}),
        MACHINE,
        [Action(Verb.RECONFIGURE, "proxmox.pool", "", "shop")],
    ),
    "an option that takes another machine": (
        MachineSpec("web", options={"agent": False}),
        MACHINE,
        [Action(Verb.REPLACE, "proxmox.agent", "true", "false", disruptive=True, reason="it takes another machine")],
    ),
    "another place": (
        MachineSpec("web", placement={"node": "pve2"}),
        MACHINE,
        [Action(Verb.MIGRATE, "placement.node", "pve1", "pve2")],
    ),
    "another network, and one less": (
        MachineSpec("web", networks=(Nic("nic0", "backend"),)),
        MACHINE,
        [
            Action(Verb.CONNECT, "networks.nic0", "frontend", "backend"),
            Action(Verb.CONNECT, "networks[1]", "backend", ""),
        ],
    ),
    "one more network": (
        MachineSpec("web", networks=(FRONT, BACK, Nic("nic2", "storage"))),
        MACHINE,
        [Action(Verb.CONNECT, "networks.nic2", "", "storage")],
    ),
    "another MAC address": (
        MachineSpec("web", networks=(replace(FRONT, mac="02:00:00:00:00:09"), BACK)),
        MACHINE,
        [Action(Verb.CONNECT, "networks.nic0", "frontend 02:00:00:00:00:01", "net-1 02:00:00:00:00:09")],
    ),
    "the same MAC address in other letters": (
        MachineSpec("web", networks=(replace(FRONT, mac="02:00:00:00:00:01".upper()), BACK)),
        MACHINE,
        [],
    ),
    "interfaces that are not known": (
        MachineSpec("web", networks=(BACK,)),
        replace(MACHINE, ports=None),
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_difference_is_told_as_what_it_is(name: str) -> None:
    spec, machine, expected = CASES[name]
    assert list(differences(spec, machine, TRAITS)) == expected


def test_the_first_interface_can_be_another_matter() -> None:
    traits = Traits(changes={"networks.first": Change.REPLACE})
    spec = MachineSpec("web", networks=(BACK, FRONT))
    first, second = differences(spec, MACHINE, traits)
    assert (first.verb, second.verb) == (Verb.REPLACE, Verb.CONNECT)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (MachineSpec("web", options={"storagePolicy": "gold"}), ["vsphere.storagePolicy"]),
        (MachineSpec("web", options={"storagePolicy": "gold"}, root_disk_class="silver"), []),
        (MachineSpec("web", options={"storagePolicy": "gold"}, root_disk_class="gold"), ["rootDisk.class"]),
        (MachineSpec("web", root_disk_class="gold"), ["rootDisk.class"]),
    ],
)
def test_a_part_that_the_spec_sets_apart_does_not_count_for_the_whole(spec: MachineSpec, found: list[str]) -> None:
    traits = Traits(block="vsphere", parts={"vsphere.storagePolicy": "rootDisk.class"})
    settings = {
        "vsphere.storagePolicy": ("gold, silver",),
        without("vsphere.storagePolicy", "rootDisk.class"): ("gold",),
        "rootDisk.class": ("silver",),
    }
    machine = replace(MACHINE, settings=settings)
    assert [change.field for change in differences(spec, machine, traits)] == found


def test_a_name_counts_only_where_it_was_chosen() -> None:
    other = replace(MACHINE, name="db")
    assert differences(MachineSpec("web"), other, TRAITS) == ()
    assert differences(MachineSpec("web"), other, TRAITS, named=True) == (Action(Verb.RENAME, "name", "db", "web"),)


def test_what_the_cloud_does_not_show_of_cloud_init_is_held_against_the_record() -> None:
    traits = replace(TRAITS, changes={"cloudInit.hostname": Change.STOPPED, "cloudInit.userData": Change.STOPPED})
    machine = replace(MACHINE, settings={})
    spec = MachineSpec("web", cloud_init=CloudInit("b", ("k",), source="version 2"))
    given = {"cloudInit.hostname": "a", "cloudInit.userData": "version 1", "cloudInit.sshKeys": "1 of sha256:0"}
    why = "cloud-init reads it with the next start"

    hostname, keys, data = differences(spec, machine, traits, given=given)

    assert hostname == Action(Verb.RECONFIGURE, "cloudInit.hostname", "a", "b", disruptive=True, reason=why)
    assert data == Action(Verb.RECONFIGURE, "cloudInit.userData", "version 1", "version 2", disruptive=True, reason=why)
    assert (keys.verb, keys.field) == (Verb.REPLACE, "cloudInit.sshKeys")
    assert differences(spec, machine, traits, given=described(spec.cloud_init)) == ()
    assert differences(spec, machine, traits, given=None) == ()
    assert differences(MachineSpec("web"), machine, traits, given=given) == ()


def test_the_record_of_cloud_init_holds_no_user_data() -> None:
    spec = CloudInit("a", ("k",), user_data="secret", source="version 1")

    assert "secret" not in str(described(spec))
    assert described(spec)["cloudInit.userData"] == "version 1"
    assert described(CloudInit()) == {}


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("tags.team", "tags"),
        ("networks.nic0", "networks"),
        ("networks[1]", "networks"),
        ("placement.node", "placement.node"),
        ("rootDisk.class", "rootDisk.class"),
        ("cpus", "cpus"),
    ],
)
def test_a_driver_is_asked_for_the_whole_of_tags_and_networks(field: str, asked: str) -> None:
    assert driver_field(field) == asked
