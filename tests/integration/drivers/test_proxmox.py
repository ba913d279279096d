"""The Proxmox VE driver against the lab's cluster: what is peculiar to this cloud. The rest is in tests/contract.

The cluster runs in a thread of the test, so that nodes, quorum and single calls can fail.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, CloudError, NotProven, Refused, Unreachable
from hybridge.core.identity import Marker, machine_uuid
from hybridge.core.machine import CloudInit, Intent, Machine, MachineSpec, Nic, Placed, Power, PowerOff, TaskState
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Settings, Started, SweepRequest
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.driver import Driver, connect
from lab.pki import Authority
from lab.process import free_port
from lab.proxmox_cluster import Cluster
from lab.proxmox_estate import OPERATOR, PERSON, READONLY, furnish

GIB = 2**30
SPEC = MachineSpec("", image="debian-12", cpus=2, memory=2 * GIB, root_disk=20 * GIB, networks=(Nic("nic0", "vmbr1"),))
PERMISSIONS = Path(__file__).parents[3] / "docs/permissions/proxmox.md"
SECRET = "not-a-secret"


class Lab:
    """A cluster in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        pair = self.authority.issue("pve")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pve")
        self._thread.start()
        self.pve = Cluster(host="127.0.0.1", port=free_port())
        furnish(self.pve, {OPERATOR: SECRET, READONLY: SECRET, PERSON: SECRET})
        self.pve.users["hybridge@pve"] = SECRET
        self.do(lambda: self.pve.start(pair.certificate, pair.key))

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Runs in the cluster's thread."""

        async def run() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def stop(self) -> None:
        self.do(self.pve.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def guest(self, machine_id: str) -> Any:
        """What the cluster holds of a guest."""
        return self.pve.vm(int(machine_id))

    def isos(self) -> list[str]:
        return [name for store in self.pve.storages.values() for name in store["volumes"] if name.startswith("iso/")]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.stop()


@dataclass
class Bench:
    """A driver whose requests are counted."""

    driver: Driver
    requests: Counter[str]

    def spec(self, **words: Any) -> MachineSpec:
        return replace(SPEC, name=f"web-{uuid4().hex[:6]}", **words)

    def intent(self, spec: MachineSpec, marker: Marker) -> Intent:
        prepared = self.driver.machines.prepare(spec, ())
        uuid = machine_uuid(marker.uid, 1)
        return Intent(1, "token", spec.name, uuid, "here", 0.0, prepared.parameters, prepared.id)

    def make(self, spec: MachineSpec, marker: Marker) -> tuple[Machine, Intent]:
        """From nothing to running; the lab's tasks take no time."""
        intent = self.intent(spec, marker)
        cloned = self.driver.machines.create(intent, spec, marker)
        machine = self.after(cloned)
        machine = self.after(self.driver.machines.configure(machine, spec, {"initialize"}, intent, marker))
        if spec.power is None or machine.power is spec.power:
            return machine, intent
        return self.after(self.driver.machines.set_power(machine, spec, spec.power)), intent

    def after(self, started: Started) -> Machine:
        """How the next sweep shows the machine."""
        assert started.id
        tasks = [started.task] if started.task else []
        return self.driver.sweep(SweepRequest(tasks=tasks)).machines[started.id]

    def look(self, machine_id: str, *, refresh: bool = False) -> Machine:
        return self.driver.sweep(SweepRequest(refresh=[machine_id] if refresh else [])).machines[machine_id]


def marker() -> Marker:
    uid = str(uuid4())
    return Marker("cluster", uid, "VirtualMachine", "shop", f"web-{uid[:4]}")


def settings(lab: Lab, requests: Counter[str], **words: Any) -> Settings:
    given: dict[str, Any] = {
        "provider": "pve",
        "cloud": {"endpoint": lab.pve.url, "vmIDRange": {"from": 1000, "to": 1099}},
        "credentials": {"tokenID": OPERATOR, "tokenSecret": SECRET},
        "acquire": lambda: None,
        "meter": lambda operation, _code, _seconds: requests.update([operation]),
        "ca_bundle": lab.authority.pem,
    }
    return Settings(**{**given, **words})


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    requests: Counter[str] = Counter()
    driver = connect(settings(lab, requests))
    yield Bench(driver, requests)
    driver.close()


# ------------------------------------------------------------------- economy


def test_a_machine_costs_five_requests_besides_sweeps(bench: Bench) -> None:
    bench.driver.check()
    words: dict[str, Any] = {"root_disk": None, "placement": {"node": "pve1"}}
    bench.make(bench.spec(**words), marker())
    bench.requests.clear()

    machine, _ = bench.make(bench.spec(**words), marker())

    assert machine.addresses
    for shared in ("Resources", "Tasks"):
        del bench.requests[shared]
    assert bench.requests == {"Clone": 1, "ReadGuest": 1, "Configure": 1, "Start": 1, "GuestAddresses": 1}


def test_converged_machines_cost_one_request_a_sweep(bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    bench.look(machine.id, refresh=True)
    bench.requests.clear()

    for _ in range(5):
        bench.look(machine.id)

    assert bench.requests == {"Resources": 5}


# ------------------------------------------------------------------ presence


def test_nothing_is_gone_while_the_cluster_has_no_quorum(lab: Lab, bench: Bench) -> None:
    lab.pve.lose_quorum()

    with pytest.raises(CloudError) as caught:
        bench.driver.machines.get("1050")

    assert caught.value.reason is Reason.PROVIDER_DOWN
    lab.pve.regain_quorum()
    assert bench.driver.machines.get("1050") is None


def test_a_guest_on_an_offline_node_is_neither_gone_nor_stopped(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve2"})
    machine, intent = bench.make(spec, owner)
    lab.pve.set_node_offline("pve2")

    assert bench.look(machine.id).power is Power.UNKNOWN
    for attempt in (
        lambda: bench.driver.machines.get(machine.id),
        lambda: bench.driver.machines.find(owner, intent),
        lambda: bench.driver.machines.delete(machine),
    ):
        with pytest.raises(CloudError) as caught:
            attempt()
        assert not isinstance(caught.value, Unreachable)
        assert not caught.value.took_effect_possible


def test_a_guest_that_migrated_is_found_on_its_new_node(lab: Lab, bench: Bench) -> None:
    spec = bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).node = "pve3"

    started = bench.driver.machines.set_power(machine, spec, Power.STOPPED)

    assert bench.after(started).power is Power.STOPPED
    assert bench.look(machine.id).host == "pve3"


def test_a_guest_that_may_not_be_seen_is_not_gone(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    lab.pve.acl[OPERATOR] = [("/", {"Sys.Audit", "Datastore.Audit"}), ("/vms/9000", {"VM.Audit"})]

    with pytest.raises(Refused) as caught:
        bench.driver.machines.get(machine.id)

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert f"/vms/{machine.id}, VM.Audit" in caught.value.message


# ---------------------------------------------------------------------- seed


def test_a_seed_that_was_never_attached_goes_with_its_machine(lab: Lab, bench: Bench) -> None:
    owner = marker()
    spec = bench.spec(cloud_init=CloudInit(user_data="#cloud-config\n"))
    intent = bench.intent(spec, owner)
    machine = bench.after(bench.driver.machines.create(intent, spec, owner))
    lab.pve.fail("PUT", f"/qemu/{machine.id}/config", 500, "got no worker upid", times=1)

    with pytest.raises(Busy):
        bench.driver.machines.configure(machine, spec, {"initialize"}, intent, owner)

    assert lab.isos() == [f"iso/hybridge-{machine.id}-{intent.uuid[:8]}.iso"]
    bench.driver.machines.delete(bench.look(machine.id, refresh=True))
    assert lab.isos() == []


def test_a_repetition_makes_no_second_seed(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(cloud_init=CloudInit(user_data="#cloud-config\n"), power=Power.STOPPED)
    intent = bench.intent(spec, owner)
    machine = bench.after(bench.driver.machines.create(intent, spec, owner))

    for _ in range(2):
        bench.driver.machines.configure(machine, spec, {"initialize"}, intent, owner)
    fresh = connect(settings(lab, bench.requests))
    fresh.machines.configure(machine, spec, {"initialize"}, intent, owner)
    fresh.close()

    assert len(lab.isos()) == 1
    assert bench.requests["Upload"] == 1


def test_a_copy_does_not_take_the_seed_of_its_origin_along(lab: Lab, bench: Bench) -> None:
    owner = marker()
    machine, _ = bench.make(bench.spec(cloud_init=CloudInit(user_data="#cloud-config\n")), owner)
    notes = lab.guest(machine.id).config["description"]
    lab.pve.add_vm(1090, "copy", node="pve1", config={"description": notes})

    bench.driver.machines.delete(bench.look("1090", refresh=True))

    assert len(lab.isos()) == 1


# --------------------------------------------------------------------- power


def test_a_hard_stop_ends_a_shutdown_that_is_under_way(lab: Lab, bench: Bench) -> None:
    bench.driver.check()
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.pve.requests.clear()

    bench.driver.machines.set_power(machine, spec, Power.STOPPED, hard=True)

    assert [body for method, path, body in lab.pve.requests if path.endswith("/stop")] == [b"overrule-shutdown=1"]


@pytest.mark.parametrize(("mode", "force"), [(PowerOff.TRY_SOFT, 1), (PowerOff.SOFT, 0)])
def test_pve_itself_keeps_to_the_time_of_a_soft_stop(lab: Lab, bench: Bench, mode: PowerOff, force: int) -> None:
    spec = bench.spec(power_off=mode, power_off_timeout=33.0)
    machine, _ = bench.make(spec, marker())
    lab.pve.requests.clear()

    bench.driver.machines.set_power(machine, spec, Power.STOPPED)

    bodies = [body for method, path, body in lab.pve.requests if path.endswith("/shutdown")]
    assert bodies == [f"timeout=33&forceStop={force}".encode()]


def test_an_agent_that_does_not_run_is_normal(lab: Lab, bench: Bench) -> None:
    lab.pve.fail("GET", "/agent/network-get-interfaces", 500, "QEMU guest agent is not running")
    machine, _ = bench.make(bench.spec(), marker())

    seen = bench.look(machine.id, refresh=True)

    assert (seen.addresses, seen.reports_addresses, seen.power) == ((), True, Power.RUNNING)


def test_a_guest_that_a_person_restarted_is_asked_for_its_addresses_again(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    guest = lab.guest(machine.id)
    guest.status = "stopped"
    assert bench.look(machine.id).addresses == ()
    bench.requests.clear()
    guest.status = "running"

    assert bench.look(machine.id).addresses == machine.addresses
    assert bench.look(machine.id).addresses == machine.addresses
    assert bench.requests["GuestAddresses"] == 1


# ---------------------------------------------------------------------- proof


def test_a_change_by_somebody_else_at_the_same_moment_is_not_overwritten(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec()
    machine, _ = bench.make(spec, owner)
    lab.pve.fail("PUT", f"/qemu/{machine.id}/config", 500, "checksum missmatch (file change by other user?)", times=1)

    with pytest.raises(Busy):
        bench.driver.machines.configure(machine, replace(spec, tags={"a": "b"}), {"tags"}, None, owner)

    sent = [body for method, path, body in lab.pve.requests if method == "PUT" and path.endswith("/config")]
    assert b"digest=" in sent[-1]


def test_a_marker_that_was_taken_away_by_hand_is_missed(lab: Lab, bench: Bench) -> None:
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).config["description"] = "mine"

    with pytest.raises(NotProven):
        bench.driver.machines.delete(machine)


def test_protection_in_pve_holds(lab: Lab, bench: Bench) -> None:
    spec = bench.spec()
    machine, _ = bench.make(spec, marker())
    lab.guest(machine.id).config["protection"] = 1

    with pytest.raises(Refused) as caught:
        bench.driver.machines.delete(machine)

    assert caught.value.reason is Reason.DELETION_PROTECTED


# --------------------------------------------------------------------- moves


def test_a_guest_of_the_ha_manager_is_held_until_that_has_moved_it(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).ha_state = "started"
    lab.pve.task_seconds = 0.3

    there = replace(spec, placement={"node": "pve2"})
    started = bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner)

    assert bench.after(started).lock == "migrate"
    deadline = time.monotonic() + 10
    while (seen := bench.look(machine.id)).lock:
        assert time.monotonic() < deadline
    assert (seen.host, seen.power) == ("pve2", Power.RUNNING)


def test_a_guest_with_local_media_is_not_sent_away(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).config["ide0"] = "local:iso/debian.iso,media=cdrom"

    with pytest.raises(Refused) as caught:
        bench.driver.machines.configure(
            machine, replace(spec, placement={"node": "pve2"}), {"placement.node"}, None, owner
        )

    assert caught.value.reason is Reason.UNSUPPORTED
    assert "local:iso/debian.iso" in caught.value.message


def test_local_disks_go_with_a_running_guest(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"storage": "local-lvm"})
    machine, _ = bench.make(spec, owner)

    there = replace(spec, placement={**spec.placement, "node": "pve3"})
    moved = bench.after(bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner))

    assert (moved.host, moved.power) == ("pve3", Power.RUNNING)
    assert differences(there, moved, bench.driver.machines.traits) == ()


def test_a_migration_that_fails_tells_what_its_log_says(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"node": "pve1"})
    machine, _ = bench.make(spec, owner)
    lab.pve.fail("POST", f"/qemu/{machine.id}/migrate", error="migration_aborted")

    there = replace(spec, placement={"node": "pve2"})
    started = bench.driver.machines.configure(machine, there, {"placement.node"}, None, owner)
    assert started.task is not None
    ended = bench.driver.sweep(SweepRequest(tasks=[started.task])).tasks[started.task.id]

    assert ended.state is TaskState.FAILED
    assert "migration aborted" in ended.error
    assert bench.look(machine.id).host == "pve1"


def test_all_disks_move_one_after_the_other_and_none_is_left_behind(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(placement={"storage": "ceph"})
    machine, _ = bench.make(spec, owner)
    guest = lab.guest(machine.id)
    guest.config["efidisk0"] = f"{lab.pve._qm_alloc('ceph', guest.vmid, None, 2**20)[0]},size=1M"
    machine = bench.look(machine.id, refresh=True)
    there = replace(spec, placement={"storage": "nfs"})

    for _ in range(2):
        machine = bench.after(bench.driver.machines.configure(machine, there, {"placement.storage"}, None, owner))

    assert differences(there, machine, bench.driver.machines.traits) == ()
    volumes = lab.pve.storages["ceph"]["volumes"]
    assert not [name for name, volume in volumes.items() if volume["vmid"] == guest.vmid and "disk" in name]


def test_what_waited_for_a_start_is_in_effect_after_a_persons_restart(lab: Lab, bench: Bench) -> None:
    spec = bench.spec(options={"bios": "seabios"})
    machine, _ = bench.make(spec, marker())
    guest = lab.guest(machine.id)
    guest.pending["bios"] = "ovmf"
    assert bench.look(machine.id, refresh=True).pending == {"proxmox.bios": "ovmf"}

    guest.apply_pending()
    guest.started_at = time.time()
    bench.requests.clear()
    seen = bench.look(machine.id)

    assert (seen.settings["proxmox.bios"], seen.pending) == (("ovmf",), {})
    assert bench.requests["ReadGuest"] == 1


def test_an_interface_without_hotplug_is_told_to_wait(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec()
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).config["hotplug"] = "disk,usb"
    elsewhere = replace(spec, networks=(Nic("nic0", "vmbr0"),))

    bench.driver.machines.configure(machine, elsewhere, {"networks"}, None, owner)
    seen = bench.look(machine.id, refresh=True)

    assert seen.pending == {"networks[0]": "vmbr0"}
    (change,) = differences(elsewhere, seen, bench.driver.machines.traits)
    assert change.disruptive


def test_interfaces_keep_what_the_spec_says_nothing_of(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED)
    machine, _ = bench.make(spec, owner)
    guest = lab.guest(machine.id)
    guest.config["net0"] = "e1000=BC:24:11:AA:00:01,bridge=vmbr1,firewall=1,tag=9"
    guest.config["net3"] = "virtio=BC:24:11:AA:00:02,bridge=vmbr1"

    wanted = replace(spec, networks=(*spec.networks, Nic("nic1", "vmbr0"), Nic("nic2", "vmbr0")))
    bench.driver.machines.configure(bench.look(machine.id, refresh=True), wanted, {"networks"}, None, owner)

    nets = {key: guest.config[key] for key in sorted(guest.config) if key.startswith("net")}
    assert nets["net0"] == "e1000=BC:24:11:AA:00:01,bridge=vmbr1,firewall=1,tag=9"
    assert nets["net3"] == "virtio=BC:24:11:AA:00:02,bridge=vmbr0"
    assert list(nets) == ["net0", "net3", "net4"]


# ------------------------------------------------------------- made by hand


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"memory": 1024, "sata0": "local-lvm:4", "ide2": "none,media=cdrom", "boot": "order=sata0"},
        {"net0": "e1000,bridge=vmbr0", "net1": "virtio,bridge=vmbr0", "net5": "rtl8139"},
        {"scsi0": "ceph:1", "scsi1": "nfs:1", "virtio3": "local-lvm:1", "cpu": "host,flags=+aes", "numa": 1},
        {"description": "kept by Ann\n# notes: äöü", "tags": "Web;prod", "machine": "q35,viommu=intel"},
        {"protection": 1, "agent": "enabled=1,type=isa", "hotplug": "0", "vcpus": 1, "cores": 2},
    ],
)
def test_guests_that_people_made_are_shown_and_can_be_taken_over(
    lab: Lab, bench: Bench, config: dict[str, Any]
) -> None:
    person = Client(settings(lab, bench.requests, credentials={"tokenID": PERSON, "tokenSecret": SECRET}))
    person.post("Create", "nodes", "pve2", "qemu", vmid=5000, **config)
    person.close()
    guest, owner = lab.guest("5000"), marker()
    before = dict(guest.config)

    seen = bench.look("5000", refresh=True)
    assert (seen.detailed, seen.marker, seen.uuid, seen.name) == (True, None, seen.uuid, "VM 5000")
    marked = bench.after(bench.driver.machines.mark(seen, owner))
    assert marked.marker == owner
    bench.driver.machines.mark(marked, None)

    assert {key: guest.config.get(key) for key in before} | {"description": ""} == before | {"description": ""}


# ---------------------------------------------------------------- placement


def test_clones_are_spread_over_the_nodes(bench: Bench) -> None:
    nodes = [bench.driver.machines.prepare(bench.spec(), ()).parameters["node"] for _ in range(6)]

    assert Counter(nodes) == {"pve1": 2, "pve2": 2, "pve3": 2}


def test_a_clone_on_local_storage_stays_with_its_template(bench: Bench) -> None:
    spec = bench.spec(placement={"storage": "local-lvm"})

    assert bench.driver.machines.prepare(spec, ()).parameters["node"] == "pve1"
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(replace(spec, placement={"storage": "local-lvm", "node": "pve2"}), ())
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("words", "reason", "said"),
    [
        ({"placement": {"node": "pve9"}}, Reason.NOT_FOUND, "pve1"),
        ({"placement": {"storage": "cephh"}}, Reason.NOT_FOUND, "ceph"),
        ({"placement": {"storage": "local"}}, Reason.INVALID_SPEC, "does not hold disk images"),
        ({"cpus": 129}, Reason.CAPACITY, "129 CPUs"),
        ({"options": {"fullClone": False}, "placement": {"storage": "ceph"}}, Reason.INVALID_SPEC, "linked clone"),
        (
            {"options": {"isoStorage": "ceph"}, "cloud_init": CloudInit(user_data="x")},
            Reason.NOT_FOUND,
            "isoStorage",
        ),
    ],
)
def test_what_cannot_be_placed_is_said_before_anything_is_made(
    bench: Bench, words: dict[str, Any], reason: Reason, said: str
) -> None:
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(**words), ())

    assert caught.value.reason is reason
    assert said in caught.value.message


def test_a_clone_stays_away_from_its_group_and_from_nodes_that_are_away(lab: Lab, bench: Bench) -> None:
    lab.pve.nodes["pve2"]["hastate"] = "maintenance"
    spec = bench.spec(group="db")

    placed = bench.driver.machines.prepare(spec, (), [Placed("pve1")]).placed

    assert placed.host == "pve3"
    assert "only node that fits" in placed.why
    assert "pve1 holds a machine of the group db" in placed.why
    assert "pve2 is in maintenance" in placed.why
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(spec, (), [Placed("pve1"), Placed("pve3")])
    assert caught.value.reason is Reason.CAPACITY
    assert "pve3 holds a machine of the group db" in caught.value.message


def test_a_clone_goes_where_there_is_most_memory_and_says_so(lab: Lab, bench: Bench) -> None:
    config = {"memory": 900 * 1024, "cores": 1}
    for vmid, node in ((5001, "pve1"), (5002, "pve3")):
        lab.pve.add_vm(vmid, f"big-{vmid}", node=node, config=config, status="running")

    placed = bench.driver.machines.prepare(bench.spec(), ()).placed

    assert placed.host == "pve2"
    assert placed.why == "pve2: most free memory of 3 nodes that fit (1024.0 of 1024.0 GiB)"
    roomy = bench.spec(memory=200 * GIB, placement={"node": "pve1"})
    assert bench.driver.machines.prepare(roomy, ()).placed == Placed("pve1")
    lab.pve.nodes["pve2"]["online"] = False
    bench.look("5001")
    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(memory=200 * GIB), ())
    assert caught.value.reason is Reason.CAPACITY
    assert "pve1 has 124.0 GiB of memory free" in caught.value.message
    assert "pve2 is offline" in caught.value.message


def test_a_clone_does_not_go_to_a_full_storage(lab: Lab, bench: Bench) -> None:
    lab.pve.storages["nfs"]["avail"] = GIB

    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(placement={"storage": "nfs"}), ())

    assert caught.value.reason is Reason.CAPACITY
    assert "1.0 GiB free on nfs" in caught.value.message


# -------------------------------------------------------------- permissions


def documented() -> list[tuple[str, list[str]]]:
    """The paths and privileges that the page on permissions grants."""
    text = PERMISSIONS.read_text()
    roles = {name: words.split() for name, words in re.findall(r'pveum role add (\w+) --privs "([^"]*)"', text)}
    return [(path, roles[role]) for path, role in re.findall(r"pveum acl modify (\S+) .*--roles (\w+)", text)]


def test_the_documented_roles_are_enough(lab: Lab, bench: Bench) -> None:
    del lab.pve.acl[OPERATOR]
    for path, privileges in documented():
        lab.pve.grant(OPERATOR, path, *privileges)
    cloud_init = CloudInit(user_data="#cloud-config\n", ssh_keys=("ssh-ed25519 AAAA",))
    spec = bench.spec(cloud_init=cloud_init, tags={"team": "shop"}, options={"bios": "ovmf", "cpuType": "host"})

    connection = bench.driver.check()
    machine, _ = bench.make(spec, marker())
    machine = bench.look(machine.id, refresh=True)
    bench.driver.machines.set_power(machine, spec, Power.STOPPED, hard=True)
    bench.driver.machines.delete(machine)

    assert connection.capacity.storage
    assert machine.addresses
    assert bench.driver.machines.get(machine.id) is None
    assert lab.isos() == []


# -------------------------------------------------------------------- login


def test_a_user_with_a_password_is_logged_in_anew_when_the_ticket_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.pve.grant("hybridge@pve", "/", "VM.Audit", "Sys.Audit", "Datastore.Audit")
    requests: Counter[str] = Counter()
    driver = connect(settings(lab, requests, credentials={"username": "hybridge@pve", "password": f"{SECRET}\n"}))
    monkeypatch.setattr("hybridge.drivers.proxmox.transport.YOUNG", 0.0)
    driver.check()
    lab.pve.revoke_tickets()

    driver.check()
    driver.close()

    assert requests["Login"] == 2


def test_the_identity_is_the_name_of_the_cluster_where_its_authority_is_not_shown(lab: Lab, bench: Bench) -> None:
    connection = bench.driver.check()

    assert connection.identity == "proxmox:hybridge-lab"
    assert connection.version == lab.pve.version
    assert connection.capacity.cpus == 3 * 128
    assert {storage.name for storage in connection.capacity.storage} >= {"ceph", "nfs", "pve1/local-lvm"}
