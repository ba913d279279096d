"""The lab's Proxmox VE answers as a real cluster does where fakepve alone would not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from proxmoxer import ProxmoxAPI  # type: ignore[import-untyped]  # proxmoxer ships neither annotations nor stubs
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # as above

from lab.pki import Authority
from lab.process import LabError
from lab.proxmox import ProxmoxCloud

IDS = itertools.count(100)
GIB = 2**30


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[ProxmoxCloud]:
    with ProxmoxCloud(tmp_path_factory.mktemp("proxmox"), authority) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared: ProxmoxCloud) -> Iterator[ProxmoxCloud]:
    yield shared
    shared.tune(task_seconds=0.0, resources_lag=0.0)


@pytest.fixture
def connect(cloud: ProxmoxCloud, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    # requests prefers this variable to the CA that a session was given.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    def api(credentials: dict[str, str] | None = None) -> Any:
        given = credentials or cloud.credentials
        user, _, name = given["tokenID"].partition("!")
        return ProxmoxAPI(
            "127.0.0.1",
            port=int(cloud.endpoint.rpartition(":")[2]),
            user=user,
            token_name=name,
            token_value=given["tokenSecret"],
            verify_ssl=str(authority.bundle),
            timeout=30,
        )

    return api


@pytest.fixture
def pve(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def guest(pve: Any) -> int:
    """A fresh clone of the Debian template on pve1, stopped."""
    vmid = next(IDS)
    pve.nodes("pve1").qemu(9000).clone.post(newid=vmid, name=f"vm-{vmid}")
    return vmid


def qemu(pve: Any, vmid: int) -> Any:
    return pve.nodes("pve1").qemu(vmid)


def outcome(pve: Any, upid: str) -> str:
    """How a task ended, once it has."""
    node = upid.split(":")[1]
    eventually(lambda: pve.nodes(node).tasks(upid).status.get()["status"] == "stopped")
    return str(pve.nodes(node).tasks(upid).status.get()["exitstatus"])


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


def listed(pve: Any, vmid: int) -> dict[str, Any] | None:
    return next((item for item in pve.cluster.resources.get(type="vm") if item["vmid"] == vmid), None)


# --------------------------------------------------------------------- cluster


def test_the_cluster_has_a_name_three_nodes_and_room(pve: Any) -> None:
    status = {item["type"]: item for item in pve.cluster.status.get()}
    nodes = {item["node"]: item["maxcpu"] for item in pve.cluster.resources.get(type="node")}
    memory = pve.nodes("pve1").status.get()["memory"]

    assert status["cluster"]["name"] == "hybridge-lab"
    assert nodes == {"pve1": 128, "pve2": 128, "pve3": 128}
    assert memory["total"] == 1024 * GIB
    assert 0 < memory["free"] < memory["total"]


def test_there_are_templates_bridges_and_storages(pve: Any, cloud: ProxmoxCloud) -> None:
    templates = {item["name"]: item["vmid"] for item in pve.cluster.resources.get(type="vm") if item["template"]}
    content = {item["storage"]: set(item["content"].split(",")) for item in pve.storage.get()}

    assert templates == cloud.templates == {"debian-12": 9000, "ubuntu-24.04": 9001}
    assert {item["iface"] for item in pve.nodes("pve2").network.get()} == {"vmbr0", "vmbr1"}
    assert {"images", "iso", "backup"} <= content["nfs"]
    assert "images" in content["ceph"]
    assert "iso" in content["local"]


def test_a_wrong_token_is_no_login(cloud: ProxmoxCloud, connect: Callable[..., Any]) -> None:
    with pytest.raises(ResourceException) as error:
        connect({**cloud.credentials, "tokenSecret": "wrong"}).version.get()

    assert error.value.status_code == 401


def test_a_read_only_token_may_look_and_not_touch(cloud: ProxmoxCloud, connect: Callable[..., Any]) -> None:
    reader = connect(cloud.readonly_credentials)
    assert reader.nodes("pve1").qemu(9000).config.get()["name"] == "debian-12"

    with pytest.raises(ResourceException) as error:
        reader.nodes("pve1").qemu(9000).clone.post(newid=next(IDS))

    assert error.value.status_code == 403
    assert "Permission check failed (/vms/9000, VM.Clone)" in str(error.value)


def test_the_token_can_ask_for_its_rights(pve: Any) -> None:
    held = pve.access.permissions.get()

    assert {"VM.Clone", "VM.PowerMgmt"} <= set(held["/vms"])
    assert {"Datastore.Audit", "Datastore.AllocateSpace"} <= set(held["/storage/ceph"])


def test_the_certificate_is_of_the_labs_authority(cloud: ProxmoxCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{cloud.endpoint}/api2/json/version", timeout=30)


def test_the_control_paths_are_closed_to_the_operator(cloud: ProxmoxCloud, authority: Authority) -> None:
    token = f"PVEAPIToken={cloud.credentials['tokenID']}={cloud.credentials['tokenSecret']}"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            f"{cloud.endpoint}/lab/machines", headers={"Authorization": token}, verify=str(authority.bundle), timeout=30
        )

    assert answer.status_code == 403


# ----------------------------------------------------------------------- clone


def test_a_clone_has_an_identity_of_its_own_and_the_notes_of_its_template(pve: Any, guest: int) -> None:
    template, clone = qemu(pve, 9000).config.get(), qemu(pve, guest).config.get()

    assert clone["description"] == template["description"]
    assert "template" not in clone
    for key in ("smbios1", "vmgenid", "net0", "scsi0", "ide2"):
        assert clone[key] != template[key]


def test_notes_given_with_the_clone_replace_the_templates(pve: Any) -> None:
    vmid = next(IDS)
    qemu(pve, 9000).clone.post(newid=vmid, description="mine")

    assert qemu(pve, vmid).config.get()["description"] == "mine\n"


def test_a_vmid_is_given_once(pve: Any, guest: int) -> None:
    with pytest.raises(ResourceException, match="config file already exists") as error:
        qemu(pve, 9000).clone.post(newid=guest)

    assert error.value.status_code == 500


def test_of_many_clones_to_one_vmid_one_succeeds(connect: Callable[..., Any], cloud: ProxmoxCloud) -> None:
    vmid = next(IDS)

    def clone(index: int) -> bool:
        try:
            qemu(connect(), 9000).clone.post(newid=vmid, name=f"racer-{index}")
        except ResourceException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(clone, range(8)))

    assert sum(won) == 1
    assert cloud.machine(vmid).name == f"racer-{won.index(True)}"


def test_a_clone_under_way_shows_a_lock_and_no_marker(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=3600.0)
    vmid = next(IDS)
    qemu(pve, 9000).clone.post(newid=vmid, name="slow", description="marker")

    config = qemu(pve, vmid).config.get()
    resource = listed(pve, vmid)
    running = [task["id"] for task in pve.cluster.tasks.get() if "endtime" not in task and task["type"] == "qmclone"]

    assert config["lock"] == "clone"
    assert "marker" not in config["description"]
    assert "smbios1" not in config
    assert resource is not None
    assert resource["lock"] == "clone"
    assert "9000" in running
    with pytest.raises(ResourceException, match="locked"):
        qemu(pve, vmid).config.put(cores=2)


def test_a_slow_clone_ends_whole(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=0.05)
    vmid = next(IDS)
    upid = qemu(pve, 9000).clone.post(newid=vmid, name="slow", description="marker")

    assert outcome(pve, upid) == "OK"
    machine = cloud.machine(vmid)
    assert (machine.name, machine.description, machine.lock) == ("slow", "marker", None)


def test_a_missing_machine_has_no_configuration_file(pve: Any) -> None:
    vmid = next(IDS)
    with pytest.raises(ResourceException) as error:
        qemu(pve, vmid).config.get()

    assert error.value.status_code == 500
    assert f"Configuration file 'nodes/pve1/qemu-server/{vmid}.conf' does not exist" in str(error.value)


def test_a_destroyed_machine_leaves_no_disk_and_takes_no_iso(pve: Any, guest: int, cloud: ProxmoxCloud) -> None:
    pve.nodes("pve1").storage("local").upload.post(content="iso", filename=named("kept.iso", b"iso"))
    qemu(pve, guest).config.put(ide0="local:iso/kept.iso,media=cdrom")

    qemu(pve, guest).delete(purge=1)

    assert guest not in [machine.vmid for machine in cloud.machines()]
    assert not pve.nodes("pve1").storage("ceph").content.get(vmid=guest)
    assert "local:iso/kept.iso" in cloud.isos()


# --------------------------------------------------------------- configuration


def test_numbers_are_read_back_as_numbers(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(cores="4", sockets="1", onboot="1", memory="2048", balloon="0")

    config = qemu(pve, guest).config.get()

    assert {key: config[key] for key in ("cores", "sockets", "onboot", "balloon")} == {
        "cores": 4,
        "sockets": 1,
        "onboot": 1,
        "balloon": 0,
    }
    assert config["memory"] == "2048"


def test_tags_and_nics_are_written_as_pve_does(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(tags="b,a;B", net1="virtio,bridge=vmbr1")

    config = qemu(pve, guest).config.get()

    assert config["tags"] == "a;b"
    assert config["net1"].startswith("virtio=BC:24:11")


def test_a_change_of_size_waits_for_the_next_start(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(cores=4)

    assert qemu(pve, guest).config.get()["cores"] == 4
    assert qemu(pve, guest).config.get(current=1)["cores"] == 1
    assert {"key": "cores", "value": 1, "pending": 4} in qemu(pve, guest).pending.get()

    qemu(pve, guest).status.stop.post()
    qemu(pve, guest).status.start.post()

    assert qemu(pve, guest).config.get(current=1)["cores"] == 4
    assert not [item for item in qemu(pve, guest).pending.get() if "pending" in item]


def test_a_pending_change_can_be_taken_back(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(cores=4)

    qemu(pve, guest).config.put(revert="cores")

    assert qemu(pve, guest).config.get()["cores"] == 1


def test_a_pending_deletion_hides_the_value_of_the_next_start(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(balloon=512)
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(delete="balloon")

    assert "balloon" not in qemu(pve, guest).config.get()
    assert qemu(pve, guest).config.get(current=1)["balloon"] == 512
    assert {"key": "balloon", "value": 512, "delete": 1} in qemu(pve, guest).pending.get()


def test_notes_nics_and_disks_change_at_once(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(description="new", net1="virtio,bridge=vmbr1", scsi1="ceph:4")

    config = qemu(pve, guest).config.get(current=1)

    assert config["description"] == "new\n"
    assert "bridge=vmbr1" in config["net1"]
    assert config["scsi1"] == f"ceph:vm-{guest}-disk-1,size=4G"


def test_without_hotplug_a_disk_waits(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(hotplug="0")
    qemu(pve, guest).status.start.post()
    qemu(pve, guest).config.put(scsi1="ceph:4")

    assert "scsi1" not in qemu(pve, guest).config.get(current=1)


def test_a_removed_disk_is_kept_as_unused_until_that_goes(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(scsi1="ceph:4")
    qemu(pve, guest).config.put(delete="scsi1")
    assert qemu(pve, guest).config.get()["unused0"] == f"ceph:vm-{guest}-disk-1"

    qemu(pve, guest).config.put(delete="unused0")

    volumes = {item["volid"] for item in pve.nodes("pve1").storage("ceph").content.get(vmid=guest)}
    assert f"ceph:vm-{guest}-disk-1" not in volumes
    assert f"ceph:vm-{guest}-disk-0" in volumes


@pytest.mark.parametrize(("size", "bytes_"), [("+2G", 10 * GIB), ("16G", 16 * GIB)])
def test_a_disk_grows(pve: Any, guest: int, size: str, bytes_: int) -> None:
    assert outcome(pve, qemu(pve, guest).resize.put(disk="scsi0", size=size)) == "OK"

    volumes = {item["volid"]: item["size"] for item in pve.nodes("pve1").storage("ceph").content.get(vmid=guest)}
    assert volumes[f"ceph:vm-{guest}-disk-0"] == bytes_
    assert f"size={bytes_ // GIB}G" in qemu(pve, guest).config.get()["scsi0"]


@pytest.mark.parametrize(
    ("disk", "size", "error"),
    [("scsi0", "4G", "shrinking disks is not supported"), ("scsi7", "+1G", "disk 'scsi7' does not exist")],
)
def test_an_impossible_resize_fails_in_its_task(pve: Any, guest: int, disk: str, size: str, error: str) -> None:
    assert outcome(pve, qemu(pve, guest).resize.put(disk=disk, size=size)) == error


# ------------------------------------------------------------- isos, guest agent


def named(name: str, content: bytes) -> BytesIO:
    file = BytesIO(content)
    file.name = name
    return file


def test_an_uploaded_iso_is_listed_and_can_be_deleted(pve: Any, cloud: ProxmoxCloud) -> None:
    local = pve.nodes("pve1").storage("local")
    outcome(pve, local.upload.post(content="iso", filename=named("seed.iso", b"0" * 4096)))
    found = {item["volid"]: item["size"] for item in local.content.get(content="iso")}
    assert found["local:iso/seed.iso"] == 4096

    local.content("local:iso/seed.iso").delete()

    assert "local:iso/seed.iso" not in cloud.isos()


def test_a_start_without_its_iso_fails_in_its_task(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(ide0="local:iso/missing.iso,media=cdrom")

    assert outcome(pve, qemu(pve, guest).status.start.post()) == "volume 'local:iso/missing.iso' does not exist"


def test_the_agent_tells_the_addresses_of_a_running_guest(pve: Any, guest: int) -> None:
    agent = qemu(pve, guest).agent
    with pytest.raises(ResourceException, match="not running"):
        agent("network-get-interfaces").get()
    qemu(pve, guest).status.start.post()

    interfaces = {item["name"]: item for item in agent("network-get-interfaces").get()["result"]}

    mac = qemu(pve, guest).config.get()["net0"].partition("=")[2].partition(",")[0]
    assert interfaces["eth0"]["hardware-address"] == mac.lower()
    assert interfaces["eth0"]["ip-addresses"][0]["ip-address"].startswith("10.0.")


def test_a_guest_without_agent_tells_nothing(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(agent="0")
    qemu(pve, guest).status.start.post()

    with pytest.raises(ResourceException, match="No QEMU guest agent configured"):
        qemu(pve, guest).agent("network-get-interfaces").get()


# ---------------------------------------------------------------- tasks, lists


def test_the_clusters_task_list_tells_how_tasks_ended(pve: Any, guest: int) -> None:
    started = qemu(pve, guest).status.start.post()
    again = qemu(pve, guest).status.start.post()

    tasks = {task["upid"]: task for task in pve.cluster.tasks.get()}

    assert tasks[started]["status"] == "OK"
    assert tasks[again]["status"] == f"VM {guest} already running"
    assert tasks[started]["endtime"] >= tasks[started]["starttime"]


def test_the_clusters_task_list_forgets_all_but_the_newest(pve: Any, guest: int) -> None:
    upids = [qemu(pve, guest).config.post(cores=1) for _ in range(30)]

    announced = {task["upid"] for task in pve.cluster.tasks.get()}
    archived = {task["upid"] for task in pve.nodes("pve1").tasks.get(vmid=guest, limit=500)}

    assert upids[-1] in announced
    assert upids[0] not in announced
    assert set(upids) <= archived


def test_a_nodes_archive_has_finished_tasks_and_its_active_list_the_others(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=3600.0)
    upid = qemu(pve, 9000).clone.post(newid=next(IDS))
    tasks = pve.nodes("pve1").tasks

    assert upid not in [task["upid"] for task in tasks.get(limit=500)]
    assert upid in [task["upid"] for task in tasks.get(limit=500, source="active", typefilter="qmclone")]


def test_the_resource_list_is_as_old_as_it_was_tuned(cloud: ProxmoxCloud, pve: Any, guest: int) -> None:
    cloud.tune(resources_lag=3600.0)
    qemu(pve, guest).status.start.post()
    late = next(IDS)
    qemu(pve, 9000).clone.post(newid=late)

    assert (listed(pve, guest) or {})["status"] == "stopped"
    assert (listed(pve, late) or {})["status"] == "unknown"
    cloud.destroy(late)
    assert listed(pve, late) is None

    cloud.tune(resources_lag=0.05)
    eventually(lambda: (listed(pve, guest) or {})["status"] == "running")


def test_a_stale_digest_stops_a_change(pve: Any, guest: int) -> None:
    qemu(pve, guest).status.start.post()
    seen = qemu(pve, guest).config.get()["digest"]
    qemu(pve, guest).config.put(cores=2, digest=seen)

    with pytest.raises(ResourceException, match="file change by other user"):
        qemu(pve, guest).config.put(cores=4, digest=seen)

    assert qemu(pve, guest).config.get()["cores"] == 2


# ------------------------------------------------------ the person, the readings


def test_a_person_works_behind_the_operators_back(cloud: ProxmoxCloud) -> None:
    made, copied = next(IDS), next(IDS)
    cloud.create(made, "stranger", cores=2, memory=2048, description="hands off", tags="x")
    cloud.clone_by_hand(made, copied, name="copy")
    cloud.power(copied, on=True)
    cloud.set_config(copied, cores=8)

    stranger, copy = cloud.machine(made), cloud.machine(copied)
    assert (stranger.name, stranger.cpus, stranger.memory, stranger.tags) == ("stranger", 2, 2 * GIB, ("x",))
    assert (copy.description, copy.status, copy.cpus) == ("hands off", "running", 2)
    assert copy.pending == {"cores": 8}
    assert copy.smbios_uuid != stranger.smbios_uuid

    cloud.destroy(copied)
    with pytest.raises(LabError, match=f"no machine {copied}"):
        cloud.machine(copied)


def test_what_the_person_may_not_do_is_said(cloud: ProxmoxCloud, guest: int) -> None:
    with pytest.raises(LabError, match="config file already exists"):
        cloud.clone_by_hand(9000, guest)


def test_two_clusters_live_side_by_side(tmp_path: Path, authority: Authority, cloud: ProxmoxCloud) -> None:
    with ProxmoxCloud(tmp_path, authority, task_seconds=0.01) as other:
        other.clone_by_hand(9001, 999_000)
        assert other.machine(999_000).name == "Copy-of-VM-ubuntu-24.04"

    assert 999_000 not in [machine.vmid for machine in cloud.machines()]
