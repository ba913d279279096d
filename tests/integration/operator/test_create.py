"""From apply to Ready: one machine in the cloud, as the spec wants it, and an object that says so."""

from __future__ import annotations

from tests.integration.operator.people import GIB
from tests.integration.operator.scene import Scene
from tests.operator_bed import condition_of

FINALIZER = "hybridge.io/finalizer"


def test_an_applied_machine_becomes_ready_and_is_there_once(scene: Scene) -> None:
    body = scene.make(cpus=2, memory="4Gi")

    machine = scene.machine()
    uid = body["metadata"]["uid"]
    assert machine.running
    assert machine.name == f"web-{uid[:8]}"
    assert (machine.cpus, machine.memory) == (2, 4 * GIB)
    kube_system = scene.bed.get("namespace", "kube-system")
    assert kube_system is not None
    assert machine.owner == f"{kube_system['metadata']['uid']}/{uid}"
    assert body["metadata"]["finalizers"] == [FINALIZER]


def test_the_status_tells_what_the_cloud_has(scene: Scene) -> None:
    status = scene.make()["status"]
    machine = scene.machine()

    assert status["observedGeneration"] == 1
    assert (status["phase"], status["powerState"]) == ("Running", "Running")
    assert status["id"] == machine.id
    assert (status["cpus"], status["memory"]) == (2, "4Gi")
    assert any(address["type"] == "InternalIP" for address in status["addresses"])
    assert status["createdAt"]
    assert machine.place in {status.get("host"), status.get("zone")}
    assert status.get("instanceType", "") == machine.kind
    assert status["intent"]["name"] == machine.name
    assert "plan" not in status
    assert "drift" not in status
    assert {condition["type"]: condition["status"] for condition in status["conditions"]} == {
        "Ready": "True", "Synced": "True", "Drifted": "False",
    }  # fmt: skip


def test_kubectl_prints_the_columns_and_waits(scene: Scene) -> None:
    scene.apply()
    kube = scene.bed.lab.controlplane.kube

    kube("wait", "--for=condition=Ready", "hvm/web", "-n", scene.namespace, "--timeout=60s")

    header, row = kube("get", "hvm", "-n", scene.namespace).splitlines()
    assert header.split() == ["NAME", "READY", "SYNCED", "PHASE", "PROVIDER", "ID", "AGE"]
    assert row.split()[:6] == ["web", "True", "True", "Running", scene.provider, scene.machine().id]
    wide = kube("get", "hybridge", "-n", scene.namespace, "-o", "wide").splitlines()
    assert any("REASON" in line and "MESSAGE" in line for line in wide)


def test_a_machine_may_be_made_stopped(scene: Scene) -> None:
    body = scene.make(powerState="Stopped")

    assert not scene.machine().running
    assert body["status"]["phase"] == "Stopped"
    assert condition_of(body, "Ready")["reason"] == "Stopped"


def test_the_name_in_the_cloud_may_be_chosen(scene: Scene) -> None:
    name = f"Chosen.{scene.namespace}"
    scene.make(name=name)

    assert scene.machine().name == name


def test_disk_network_placement_and_tags_arrive(scene: Scene) -> None:
    placement, place = scene.person.placement
    network = scene.person.network
    scene.make(
        rootDisk={"size": "20Gi"},
        networks=[{"name": "nic0", "id": network}],
        placement=placement,
        tags={"team": "shop", "cost-center": "47"},
    )

    machine = scene.machine()
    assert machine.disk == 20 * GIB
    assert machine.networks == (network,)
    assert machine.place == place
    assert {key: machine.tags.get(key) for key in ("team", "cost-center")} == {"team": "shop", "cost-center": "47"}


def test_whether_the_guests_agent_runs_is_told_where_the_cloud_knows(scene: Scene) -> None:
    scene.make()
    expected = {"aws": None, "proxmox": True, "vsphere": True}[scene.cloud]
    scene.until(lambda: scene.status().get("guestAgent") is expected, f"guestAgent to be {expected}")
