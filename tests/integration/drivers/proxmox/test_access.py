"""Who works on Proxmox VE: roles, logins, and the name of the cluster."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from hybridge.core.machine import CloudInit, Power
from hybridge.drivers.proxmox.driver import connect
from lab import permissions
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import SECRET, Bench, Lab, marker, settings

PERMISSIONS = permissions.DOCS / "proxmox.md"


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
