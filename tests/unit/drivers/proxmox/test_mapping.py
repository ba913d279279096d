"""What PVE shows, as the core's machine."""

from hybridge.core.identity import Marker, write_notes
from hybridge.core.machine import Address, Power
from hybridge.drivers.proxmox import mapping
from hybridge.drivers.proxmox.answers import AgentAddress, AgentInterface, Resource
from hybridge.drivers.proxmox.guest import Configuration

GIB = 2**30
MARKER = Marker("cluster", "uid", "VirtualMachine", "shop", "web")
WORDS = {
    "name": "web",
    "cores": "2",
    "memory": "2048",
    "scsi0": "ceph:vm-100-disk-0,size=20G",
    "description": f"Kept by Ann.\n{write_notes(MARKER)}\n",
    "smbios1": "uuid=AAAAAAAA-0000-4000-8000-000000000001",
    "tags": "hybridge;team.shop",
    "agent": "1",
}
PENDING = mapping.details(Configuration(WORDS, {**WORDS, "cores": "4", "bios": "ovmf"}))


def test_a_guest_in_detail() -> None:
    seen = mapping.machine("100", "pve1", mapping.details(Configuration(WORDS, WORDS)), Power.RUNNING)

    assert (seen.id, seen.name, seen.host, seen.marker) == ("100", "web", "pve1", MARKER)
    assert (seen.cpus, seen.memory, seen.root_disk) == (2, 2 * GIB, 20 * GIB)
    assert seen.uuid == "aaaaaaaa-0000-4000-8000-000000000001"
    assert seen.tags == {"team": "shop"}
    assert seen.detailed
    assert seen.pending == {}


def test_a_running_guest_shows_what_is_in_effect_and_what_is_held_back() -> None:
    seen = mapping.machine("100", "pve1", PENDING, Power.RUNNING)

    assert seen.cpus == 2
    assert seen.pending == {"cpus": "4", "proxmox.bios": "ovmf"}


def test_a_stopped_guest_shows_what_it_will_start_with() -> None:
    seen = mapping.machine("100", "pve1", PENDING, Power.STOPPED)

    assert seen.cpus == 4
    assert seen.pending == {}


def test_addresses_are_those_of_a_running_guest() -> None:
    found = (Address("InternalIP", "10.0.0.1"),)

    assert mapping.machine("100", "pve1", PENDING, Power.RUNNING, addresses=found).addresses == found
    assert mapping.machine("100", "pve1", PENDING, Power.STOPPED, addresses=found).addresses == ()


def test_lock_and_tags_come_from_the_later_list() -> None:
    row = Resource("qemu", vmid=100, node="pve1", lock="backup", tags="hybridge;team.other")

    seen = mapping.machine("100", "pve1", PENDING, Power.RUNNING, row=row)

    assert (seen.lock, seen.tags) == ("backup", {"team": "other"})


def test_suspended_to_disk_holds_nothing_up() -> None:
    assert mapping.held("suspended") is None
    assert mapping.held("clone") == "clone"
    assert mapping.held("") is None


def test_a_guest_of_the_list_alone_is_not_detailed() -> None:
    row = Resource("qemu", vmid=100, node="pve1", name="web", status="running", maxcpu=2, maxmem=GIB)

    seen = mapping.plain(row, Power.RUNNING)

    assert not seen.detailed
    assert (seen.cpus, seen.memory, seen.marker) == (2, GIB, None)


def test_nothing_is_known_of_a_guest_on_an_offline_node() -> None:
    assert mapping.power("running", online=False) is Power.UNKNOWN
    assert mapping.power("running") is Power.RUNNING
    assert mapping.power("unknown") is Power.UNKNOWN


def test_addresses_that_others_can_use() -> None:
    def interface(name: str, *addresses: str) -> AgentInterface:
        return AgentInterface(name, [AgentAddress(address) for address in addresses])

    found = mapping.addresses(
        [
            interface("lo", "127.0.0.1"),
            interface("eth0", "10.0.0.5", "fe80::1%eth0", "8.8.8.8", "nonsense"),
            interface("docker0", "172.17.0.1"),
            AgentInterface("eth1", None),
        ]
    )

    assert found == (Address("InternalIP", "10.0.0.5"), Address("ExternalIP", "8.8.8.8"))
