"""A spec that somebody edits while its clone is being made, on Proxmox VE: the machine is initialized as wanted now."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hybridge.core.errors import CloudError, Refused
from hybridge.core.machine import CloudInit, MachineSpec, Nic, Power
from hybridge.core.reasons import Reason
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker

KEY = "ssh-ed25519 AAAA ann@x"


def edited(bench: Bench, before: MachineSpec, after: MachineSpec) -> str:
    """The VMID of a machine that was created after one spec and initialized after another."""
    owner = marker()
    intent = bench.intent(before, owner)
    machine = bench.after(bench.driver.machines.create(intent, before, owner))
    bench.after(bench.driver.machines.configure(machine, after, {"initialize"}, intent, owner))
    return machine.id


def bridges(lab: Lab, machine_id: str) -> list[str]:
    config = lab.guest(machine_id).config
    keys = sorted(key for key in config if key.startswith("net"))
    return [str(config[key]).partition("bridge=")[2].partition(",")[0] for key in keys]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (("vmbr1",), ("vmbr1", "vmbr0"), ["vmbr1", "vmbr0"]),
        (("vmbr1", "vmbr1"), ("vmbr1",), ["vmbr1"]),
        (("vmbr1",), ("vmbr0",), ["vmbr0"]),
        ((), ("vmbr1",), ["vmbr1"]),
        (("vmbr1", "vmbr1"), (), ["vmbr0"]),
    ],
    ids=["one more", "one less", "another", "at all", "none: as the template"],
)
def test_networks(lab: Lab, bench: Bench, before: tuple[str, ...], after: tuple[str, ...], found: list[str]) -> None:
    spec = bench.spec(power=Power.STOPPED)
    one, other = ([Nic(f"nic{index}", bridge) for index, bridge in enumerate(names)] for names in (before, after))

    machine_id = edited(bench, replace(spec, networks=tuple(one)), replace(spec, networks=tuple(other)))

    assert bridges(lab, machine_id) == found


def test_a_network_that_there_is_not_is_said(bench: Bench) -> None:
    spec = bench.spec(power=Power.STOPPED)

    with pytest.raises(Refused) as caught:
        edited(bench, spec, replace(spec, networks=(*spec.networks, Nic("nic1", "vmbr7"))))

    assert caught.value.reason is Reason.NOT_FOUND
    assert "vmbr7" in caught.value.message


@pytest.mark.parametrize(
    "wanted", [CloudInit(user_data="#!/bin/sh\n"), CloudInit(hostname="other")], ids=["user data", "hostname"]
)
def test_what_needs_a_seed_is_added(lab: Lab, bench: Bench, wanted: CloudInit) -> None:
    spec = bench.spec(power=Power.STOPPED)

    machine_id = edited(bench, spec, replace(spec, cloud_init=wanted))

    (documents,) = lab.seeds()
    meta = json.loads(documents["meta-data"])
    assert meta["local-hostname"] == (wanted.hostname or spec.name)
    assert documents["user-data"].startswith(wanted.user_data or "#cloud-config")
    (iso,) = lab.isos()
    config = lab.guest(machine_id).config
    assert iso in config["ide2"]
    bench.driver.machines.delete(bench.look(machine_id, refresh=True))
    assert lab.isos() == []


def test_user_data_beside_snippets_is_refused_before_it_is_uploaded(lab: Lab, bench: Bench) -> None:
    lab.guest("9000").config["cicustom"] = "vendor=nfs:snippets/agent.yaml"
    spec = bench.spec(power=Power.STOPPED)

    with pytest.raises(Refused) as caught:
        edited(bench, spec, replace(spec, cloud_init=CloudInit(user_data="#!/bin/sh\n")))

    assert caught.value.reason is Reason.UNSUPPORTED
    assert lab.isos() == []


@pytest.mark.parametrize("own", [True, False], ids=["a template with a CD of its own", "a template without"])
def test_what_needs_a_seed_is_taken_out(lab: Lab, bench: Bench, *, own: bool) -> None:
    if not own:
        del lab.guest("9000").config["ide2"]
    spec = bench.spec(power=Power.STOPPED, cloud_init=CloudInit(None, (KEY,), "#!/bin/sh\n"))

    machine_id = edited(bench, spec, replace(spec, cloud_init=CloudInit(ssh_keys=(KEY,))))

    config = lab.guest(machine_id).config
    assert "cloudinit" in config["ide2"]
    assert config["sshkeys"] == "ssh-ed25519%20AAAA%20ann%40x"
    assert "hybridge.io/seed" not in config["description"]


def test_a_seed_that_was_uploaded_and_is_needed_no_more_goes(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED, cloud_init=CloudInit(None, (KEY,), "#!/bin/sh\n"))
    intent = bench.intent(spec, owner)
    machine = bench.after(bench.driver.machines.create(intent, spec, owner))
    lab.pve.fail("PUT", f"/qemu/{machine.id}/config", 500, "unexpected", times=1)
    with pytest.raises(CloudError, match="unexpected"):
        bench.driver.machines.configure(machine, spec, {"initialize"}, intent, owner)
    assert lab.isos()

    without = replace(spec, cloud_init=CloudInit(ssh_keys=(KEY,)))
    bench.driver.machines.configure(machine, without, {"initialize"}, intent, owner)

    assert lab.isos() == []
    assert "sshkeys" in lab.guest(machine.id).config


def test_a_seed_that_is_attached_stays(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED, cloud_init=CloudInit(None, (KEY,), "#!/bin/sh\n"))
    machine, intent = bench.make(spec, owner)

    without = replace(spec, cloud_init=CloudInit(ssh_keys=(KEY,)))
    bench.driver.machines.configure(machine, without, {"initialize"}, intent, owner)

    (iso,) = lab.isos()
    assert iso in lab.guest(machine.id).config["ide2"]
