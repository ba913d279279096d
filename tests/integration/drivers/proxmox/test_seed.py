"""The seed of cloud-init on Proxmox VE: an ISO image that comes and goes with its machine."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.machine import CloudInit, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.driver import connect
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker, settings


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


def test_a_seed_that_comes_later_is_noted_before_it_is_made(lab: Lab, bench: Bench) -> None:
    """Whatever comes between upload and attachment: what the guest's notes name goes with the guest."""
    owner, spec = marker(), bench.spec(power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    wanted = replace(spec, cloud_init=CloudInit(user_data="#cloud-config\n"))
    lab.pve.fail("POST", "/upload", 500, "unexpected", times=1)

    with pytest.raises(CloudError, match="unexpected"):
        bench.driver.machines.configure(machine, wanted, {USER_DATA}, intent, owner)

    assert f"hybridge-{machine.id}-" in lab.guest(machine.id).config["description"]
    bench.driver.machines.configure(machine, wanted, {USER_DATA}, intent, owner)
    (iso,) = lab.isos()
    assert iso in lab.guest(machine.id).config["description"]
    bench.driver.machines.delete(bench.look(machine.id, refresh=True))
    assert lab.isos() == []


def test_without_a_drive_for_it_nothing_is_uploaded(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    drives = dict.fromkeys(("ide0", "ide1", "ide2", "ide3", *(f"sata{n}" for n in range(6))), "nfs:1000/x.qcow2")
    lab.guest(machine.id).config.update(drives)
    wanted = replace(spec, cloud_init=CloudInit(user_data="#cloud-config\n"))

    with pytest.raises(Refused, match="no drive free"):
        bench.driver.machines.configure(machine, wanted, {USER_DATA}, intent, owner)

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


def test_a_storage_that_is_gone_does_not_keep_a_guest_from_being_deleted(lab: Lab, bench: Bench) -> None:
    spec = bench.spec(cloud_init=CloudInit(user_data="#cloud-config\n"), power=Power.STOPPED)
    machine, _ = bench.make(spec, marker())
    (seed,) = lab.isos()
    store = next(name for name, store in lab.pve.storages.items() if seed in store["volumes"])
    del lab.pve.storages[store]

    bench.driver.machines.delete(bench.look(machine.id, refresh=True))

    assert lab.guest(machine.id) is None


def test_a_hostname_that_is_the_name_again_is_written(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(cloud_init=CloudInit(hostname="other"), power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    back = replace(spec, cloud_init=CloudInit(hostname=spec.name))

    bench.driver.machines.configure(machine, back, {HOSTNAME}, intent, owner)

    (documents,) = lab.seeds()
    assert json.loads(documents["meta-data"])["local-hostname"] == spec.name


def test_user_data_that_is_wanted_no_more_is_taken_off_the_seed(lab: Lab, bench: Bench) -> None:
    keys = ("ssh-ed25519 AAAA ann@x",)
    owner, spec = marker(), bench.spec(cloud_init=CloudInit(None, keys, "#!/bin/sh\n"), power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    without = replace(spec, cloud_init=CloudInit(ssh_keys=keys))

    bench.driver.machines.configure(machine, without, {USER_DATA}, intent, owner)

    (documents,) = lab.seeds()
    assert "/bin/sh" not in documents["user-data"]
    assert keys[0] in documents["user-data"]
    assert json.loads(documents["meta-data"])["instance-id"] == intent.uuid


def test_snippets_are_not_lost_to_a_seed(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    guest = lab.guest(machine.id)
    guest.config["cicustom"] = "vendor=nfs:snippets/agent.yaml"
    before = dict(guest.config)
    wanted = replace(spec, cloud_init=CloudInit(user_data="#cloud-config\n"))

    with pytest.raises(Refused) as caught:
        bench.driver.machines.configure(machine, wanted, {USER_DATA}, intent, owner)

    assert caught.value.reason is Reason.UNSUPPORTED
    assert "cicustom: vendor=nfs:snippets/agent.yaml" in caught.value.message
    assert (guest.config, lab.isos()) == (before, [])


def test_a_template_with_snippets_and_user_data_is_refused_before_anything_is_made(lab: Lab, bench: Bench) -> None:
    lab.guest("9000").config["cicustom"] = "user=nfs:snippets/all.yaml"

    with pytest.raises(Refused) as caught:
        bench.driver.machines.prepare(bench.spec(cloud_init=CloudInit(user_data="#cloud-config\n")), ())

    assert caught.value.reason is Reason.UNSUPPORTED
    assert "template 9000" in caught.value.message
    assert bench.driver.machines.prepare(bench.spec(cloud_init=CloudInit(ssh_keys=("ssh-ed25519 AAAA",))), ()).id


def test_a_seed_that_is_there_is_written_anew_whatever_snippets_there_are(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(cloud_init=CloudInit(user_data="#!/bin/sh\n"), power=Power.STOPPED)
    machine, intent = bench.make(spec, owner)
    lab.guest(machine.id).config["cicustom"] = "vendor=nfs:snippets/agent.yaml"
    wanted = replace(spec, cloud_init=CloudInit(user_data="#!/bin/bash\n"))

    bench.driver.machines.configure(machine, wanted, {USER_DATA}, intent, owner)

    assert [documents["user-data"] for documents in lab.seeds()] == ["#!/bin/bash\n"]
