"""Ids that the operator chooses, held by what its account does not see: the object gets a machine of another id."""

from __future__ import annotations

from tests.integration.operator.conftest import MakeScene


def test_a_machine_gets_another_id_where_something_hidden_has_its_own(make_scene: MakeScene) -> None:
    scene = make_scene("proxmox")
    for vmid in (scene.first_vmid, scene.first_vmid + 1):
        scene.bed.lab.proxmox.hold(vmid)

    status = scene.make()["status"]

    assert status["id"] == scene.machine().id == str(scene.first_vmid + 2)
    assert status["intent"]["attempt"] == 3
    clones = [name for name in scene.mutations() if name == scene.person.calls.create]
    assert len(clones) == 3
    scene.delete()
    scene.gone()
    assert scene.here() == set()
