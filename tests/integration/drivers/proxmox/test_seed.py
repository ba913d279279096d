"""The seed of cloud-init on Proxmox VE: an ISO image that comes and goes with its machine."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.errors import Busy
from hybridge.core.machine import CloudInit, Power
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
