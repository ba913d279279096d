"""What people do in a cloud behind the operator's back: corrected or told, and what is not ours never touched."""

from __future__ import annotations

import pytest

from lab.faultproxy import Delay, Rule
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people import Facts
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import value
from tests.operator_bed import condition_of


def sweeps(scene: Scene, number: int = 3) -> None:
    """Waits until the operator has looked at the whole cloud so many times from now on."""
    operator, label = scene.bed.operator, {"provider": scene.provider}
    before = value(operator, "sweep_duration_seconds_count", **label)
    scene.until(lambda: value(operator, "sweep_duration_seconds_count", **label) >= before + number, f"{number} sweeps")


def test_one_stopped_by_hand_is_started_again_and_it_is_told(own: Scene) -> None:
    own.make()
    machine = own.machine()

    own.person.power(machine.id, on=False)
    own.until(
        lambda: value(own.bed.operator, "drift_total", kind="VirtualMachine", provider=own.provider) >= 1,
        "the drift to be counted",
    )

    after = own.wait_machine(lambda found: found.running, "to be started again")
    assert after.id == machine.id
    own.wait("web", "Ready", "True")
    own.wait("web", "Drifted", "False")
    assert "drift" not in own.status()


def test_one_that_shall_be_stopped_is_stopped_again(own: Scene) -> None:
    own.make(powerState="Stopped")
    machine = own.machine()

    own.person.power(machine.id, on=True)
    own.until(
        lambda: value(own.bed.operator, "drift_total", kind="VirtualMachine", provider=own.provider) >= 1,
        "the drift to be counted",
    )

    own.wait_machine(lambda found: not found.running, "to be stopped again")
    own.wait("web", "Ready", "True")


def test_drift_that_needs_a_restart_is_itemised(own: Scene) -> None:
    own.make(cpus=4, memory="4Gi")
    own.annotate(paused="true")
    own.wait("web", "Synced", "False", "Paused")
    own.person.shrink(own.machine().id)

    own.annotate(paused=None, sync_now="1")
    own.wait("web", "Drifted", "True")

    body = own.body()
    (entry,) = [entry for entry in body["status"]["drift"] if entry["field"] == "cpus"]
    assert (entry["want"], entry["found"]) == ("4", "2")
    assert entry["since"]
    assert "cpus" in condition_of(body, "Drifted")["message"]
    assert condition_of(body, "Synced")["reason"] == "RestartRequired"
    assert own.machine().cpus == 2

    own.change(lifecycle={"disruption": "Allow"})
    own.wait("web", "Drifted", "False")
    own.wait_machine(lambda found: found.cpus == 4 and found.running, "to have 4 CPUs again")


def test_one_destroyed_by_hand_is_lost_and_not_made_again(own: Scene) -> None:
    own.make()
    machine = own.machine()

    own.person.destroy(machine.id)
    own.wait("web", "Stalled", "True", "Lost")

    body = own.body()
    words = condition_of(body, "Synced")["message"]
    assert machine.id in words
    if own.cloud == "aws":
        assert "User initiated" in words  # what EC2 says of it
    assert condition_of(body, "Ready")["status"] == "False"
    assert own.here() == set()

    own.delete()
    own.gone()


def test_one_destroyed_by_hand_is_made_again_where_that_is_wanted(own: Scene) -> None:
    own.make(lifecycle={"onLost": "Recreate"})
    machine = own.machine()

    own.person.destroy(machine.id)
    own.until(lambda: own.here() - {machine.id} or _born_again(own, machine), "a new machine")

    own.wait("web", "Ready", "True")
    assert own.status()["intent"]["attempt"] == 2
    assert own.here() == {own.machine().id}


def test_a_copy_with_our_marker_is_never_touched(own: Scene) -> None:
    own.make()
    machine = own.machine()
    own.annotate(paused="true")
    own.wait("web", "Synced", "False", "Paused")
    copy = own.person.copy(machine.id)
    before = own.until(lambda: _settled(own, copy), "the copy to come to rest")
    own.annotate(paused=None)
    own.wait("web", "Synced", "True")

    sweeps(own)
    own.change(tags={"team": "shop"})
    own.wait("web", "Synced", "True")
    own.person.power(machine.id, on=False)
    own.until(lambda: _running(own, machine.id), "the right one to be started")
    assert own.person.machine(copy) == before
    assert own.status()["id"] == machine.id

    own.delete()
    own.gone()
    assert own.person.machine(machine.id) is None
    assert own.person.machine(copy) == before
    own.person.destroy(copy)


@pytest.mark.parametrize("cloud", ["vsphere"])
def test_a_strangers_name_is_taken(scene: Scene) -> None:
    name = f"stranger.{scene.namespace}"
    stranger = scene.bed.lab.vsphere.create(name)
    before = scene.person.machine(stranger)

    scene.apply(name=name, placement={"folder": "hybridge"})
    synced = scene.wait("web", "Synced", "False", "NameTaken")

    assert name in synced["message"]
    scene.wait("web", "Stalled", "True", "NameTaken")
    assert scene.here() == set()
    assert scene.person.machine(stranger) == before
    scene.delete()
    scene.gone()
    assert scene.person.machine(stranger) == before
    scene.bed.lab.vsphere.destroy(stranger)


class TestVmids:
    """Anybody may take a VMID, and PVE gives it to the next one as soon as it is free."""

    @pytest.fixture
    def scene(self, make_scene: MakeScene) -> Scene:
        return make_scene("proxmox")

    def test_one_that_a_stranger_has_is_not_chosen(self, scene: Scene) -> None:
        scene.bed.lab.proxmox.create(scene.first_vmid, "stranger")
        before = scene.person.machine(str(scene.first_vmid))

        scene.make()

        assert scene.machine().id == str(scene.first_vmid + 1)
        assert scene.person.machine(str(scene.first_vmid)) == before
        scene.bed.lab.proxmox.destroy(scene.first_vmid)

    def test_one_that_a_stranger_takes_after_it_was_chosen_is_left_to_him(self, scene: Scene) -> None:
        scene.faults.inject(Rule(scene.person.calls.create, Delay(1.5), times=1))
        scene.apply()
        chosen = scene.until(lambda: scene.status().get("intent", {}).get("id"), "the choice of a VMID")
        scene.bed.lab.proxmox.create(int(chosen), "stranger")
        before = scene.person.machine(chosen)

        scene.ready()

        assert scene.machine().id != chosen
        assert scene.person.machine(chosen) == before
        assert len(scene.here()) == 1
        scene.bed.lab.proxmox.destroy(int(chosen))

    def test_one_that_a_stranger_has_after_us_is_never_touched(self, scene: Scene) -> None:
        scene.make()
        vmid = scene.machine().id
        scene.annotate(paused="true")
        scene.wait("web", "Synced", "False", "Paused")
        scene.person.destroy(vmid)
        scene.bed.lab.proxmox.create(int(vmid), "stranger")
        before = scene.person.machine(vmid)

        scene.annotate(paused=None)
        scene.wait("web", "Ready", "False")
        scene.wait("web", "Stalled", "True")
        scene.delete()
        scene.gone()

        assert scene.person.machine(vmid) == before
        scene.bed.lab.proxmox.destroy(int(vmid))


def _settled(scene: Scene, machine_id: str) -> Facts | None:
    """The machine, once it is as it will stay: EC2 starts what is copied, the others do not."""
    found = scene.person.machine(machine_id)
    return found if found and found.running == (scene.cloud == "aws") else None


def _running(scene: Scene, machine_id: str) -> bool:
    found = scene.person.machine(machine_id)
    return found is not None and found.running


def _born_again(scene: Scene, before: Facts) -> bool:
    """Whether a new attempt is on record: PVE may give the new machine the VMID of the old one."""
    return int(scene.status().get("intent", {}).get("attempt", 1)) > 1 and before.id in scene.here()
