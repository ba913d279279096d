"""The words of changes."""

from hybridge.core.attempt import Intent
from hybridge.core.machine import CloudInit, MachineSpec, Nic
from hybridge.drivers.proxmox import changes
from hybridge.drivers.proxmox.interfaces import interfaces

GIB = 2**30
UUID = "11111111-2222-4333-8444-555555555555"
WORDS = {
    "cores": "1",
    "memory": "1024",
    "scsi0": "ceph:vm-100-disk-0,size=8G",
    "ide2": "ceph:vm-100-cloudinit,media=cdrom",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
    "net1": "virtio=BC:24:11:00:00:02,bridge=vmbr0",
    "smbios1": "uuid=00000000-0000-4000-8000-000000000000",
}


def intent(**parameters: object) -> Intent:
    return Intent(1, "token", "web", UUID, "proxmox:x", 0.0, parameters)


def test_what_is_as_wanted_is_left_out() -> None:
    spec = MachineSpec("web", cpus=1, memory=GIB)

    assert changes.sizes(spec, WORDS, {"cpus", "memory"}) == {}
    assert changes.growth(MachineSpec("web", root_disk=8 * GIB), WORDS) is None


def test_sizes_become_cores_of_one_socket_and_mebibytes() -> None:
    spec = MachineSpec("web", cpus=4, memory=GIB // 2)
    words = {**WORDS, "vcpus": "1", "balloon": "1024"}

    values = changes.sizes(spec, words, {"cpus", "memory"})

    assert values == {"cores": 4, "sockets": 1, "delete": "vcpus", "memory": 512, "balloon": 512}


def test_only_the_fields_that_were_asked_for() -> None:
    assert changes.sizes(MachineSpec("web", cpus=4, memory=4 * GIB), WORDS, {"memory"}) == {"memory": 4096}


def test_a_disk_grows_to_whole_mebibytes() -> None:
    assert changes.growth(MachineSpec("web", root_disk=8 * GIB + 1), WORDS) == ("scsi0", 8 * GIB + 2**20)


def test_a_new_guest_without_wishes_gets_its_identity() -> None:
    values = changes.first(MachineSpec("web"), intent(), WORDS, seeded=False)

    assert values == {"tags": "hybridge", "smbios1": f"uuid={UUID}"}


def test_interfaces_keep_their_macs_and_surplus_ones_go() -> None:
    spec = MachineSpec("web", networks=(Nic("a", "vmbr1"),), options={"vlan": 7})

    values = changes.first(spec, intent(bridges=["vmbr1"]), WORDS, seeded=False)

    assert values["net0"] == "virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=7"
    assert values["delete"] == "net1"


def test_new_interfaces_get_a_mac_that_a_repetition_gives_again() -> None:
    wanted = [Nic("a", "x"), Nic("b", "y", "02:00:00:00:00:09")]

    first = interfaces(wanted, ["vmbr0", "vmbr1"], {}, UUID, None)

    assert first == interfaces(wanted, ["vmbr0", "vmbr1"], {}, UUID, None)
    assert str(first["net0"]).startswith("virtio=BC:24:11:")
    assert first["net1"] == "virtio=02:00:00:00:00:09,bridge=vmbr1"


def test_an_interface_that_says_its_vlan_gets_or_loses_it() -> None:
    words = {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7,firewall=1"}

    def net0(vlan: str | None) -> object:
        return interfaces([Nic("a", "vmbr0", vlan=vlan)], ["vmbr0"], words, UUID, None).get("net0")

    assert net0("20") == "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20,firewall=1"
    assert net0("") == "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"
    assert (net0("7"), net0(None)) == (None, None)


def test_keys_and_addresses_go_through_the_drive_of_pve() -> None:
    spec = MachineSpec(
        "web",
        networks=(Nic("a", "x", addresses=("10.0.0.5/24", "fd00::5/64")), Nic("b", "x")),
        cloud_init=CloudInit(ssh_keys=("ssh-ed25519 AAA= me@x",)),
    )

    values = changes.first(spec, intent(bridges=["vmbr0", "vmbr0"]), WORDS, seeded=False)

    assert values["sshkeys"] == "ssh-ed25519%20AAA%3D%20me%40x"
    assert values["ipconfig0"] == "ip=10.0.0.5/24,ip6=fd00::5/64"
    assert values["ipconfig1"] == "ip=dhcp"


def test_routers_and_name_servers_go_with_fixed_addresses() -> None:
    both = Nic(
        "a", "x", addresses=("fd00::5/64", "10.0.0.5/24"), gateways=("fd00::1", "10.0.0.1"), nameservers=("9.9.9.9",)
    )
    four = Nic("b", "x", addresses=("10.1.0.5/24",), nameservers=("10.1.0.2", "9.9.9.9"))

    values = changes.first(MachineSpec("web", networks=(both, four)), intent(bridges=["x", "x"]), WORDS, seeded=False)

    assert values["ipconfig0"] == "ip=10.0.0.5/24,gw=10.0.0.1,ip6=fd00::5/64,gw6=fd00::1"
    assert values["ipconfig1"] == "ip=10.1.0.5/24"
    assert values["nameserver"] == "9.9.9.9 10.1.0.2"


def test_a_template_without_that_drive_is_given_one() -> None:
    words = {key: value for key, value in WORDS.items() if key != "ide2"}
    spec = MachineSpec("web", cloud_init=CloudInit(ssh_keys=("ssh-ed25519 AAA",)))

    values = changes.first(spec, intent(cloudInitStorage="ceph"), words, seeded=False)

    assert values["ide2"] == "ceph:cloudinit"


def test_a_seed_makes_that_drive_needless() -> None:
    spec = MachineSpec("web", cloud_init=CloudInit(user_data="#cloud-config\n", ssh_keys=("k",)))

    values = changes.first(spec, intent(seedStorage="nfs"), WORDS, seeded=True)

    assert not {"ide2", "sshkeys"} & values.keys()


def test_options() -> None:
    spec = MachineSpec("web", options={"bios": "ovmf", "machine": "q35", "cpuType": "host", "agent": False})

    values = changes.first(spec, intent(), {**WORDS, "agent": "1"}, seeded=False)

    assert (values["bios"], values["machine"], values["cpu"], values["agent"]) == ("ovmf", "q35", "host", "0")
