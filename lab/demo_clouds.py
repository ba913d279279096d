"""The machines as each cloud itself has them, read without the operator and without its fault proxy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table

from lab.aws import AwsCloud, AwsMachine
from lab.bed import Lab
from lab.demo_objects import Row
from lab.proxmox import ProxmoxCloud, ProxmoxMachine
from lab.vsphere import VsphereCloud
from lab.vsphere_machine import VsphereMachine

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Seen:
    """One machine; ``state`` is the cloud's own word for what ``on`` says, ``where`` its zone, node or host."""

    cloud: str
    id: str
    name: str
    state: str
    on: bool
    size: str
    where: str


def seen(lab: Lab) -> list[Seen]:
    """All machines of all clouds; no templates. LabError when a cloud cannot be read."""
    found: list[Seen] = []
    for cloud in lab.clouds.values():
        match cloud:
            case AwsCloud():
                found += map(_aws, cloud.machines())
            case ProxmoxCloud():
                found += [_proxmox(machine) for machine in cloud.machines() if not machine.template]
            case VsphereCloud():
                found += [_vsphere(machine) for machine in cloud.machines() if not machine.template]
    return found


def cloud_table(machines: Iterable[Seen]) -> Table:
    """The machines, one a line."""
    columns = ("CLOUD", "ID", "NAME IN THE CLOUD", "STATE", "SIZE", "WHERE")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for machine in machines:
        table.add_row(machine.cloud, machine.id, machine.name, machine.state, machine.size, machine.where)
    return table


def differences(rows: Sequence[Row], machines: Sequence[Seen]) -> list[str]:
    """Sentences about every machine that the objects ask for and the clouds lack, have too much, or have otherwise."""
    found = []
    there = {(machine.cloud, machine.id): machine for machine in machines}
    for row in rows:
        if not row.machine:
            continue
        machine = there.pop((row.provider, row.id), None)
        if machine is None:
            found.append(f"{row.label} has no machine {row.id or '(no id)'} in {row.provider}")
        elif machine.on != row.wanted_on:
            found.append(f"{row.label} should be {'on' if row.wanted_on else 'off'}, and is {machine.state}")
    found += [f"{one.cloud} has a machine {one.id} ({one.name}) that no object asks for" for one in there.values()]
    return found


def _aws(machine: AwsMachine) -> Seen:
    state = machine.state
    return Seen("aws", machine.id, machine.name, state, state == "running", machine.type, machine.zone)


def _proxmox(machine: ProxmoxMachine) -> Seen:
    size = f"{machine.cpus} CPUs, {machine.memory / _GIB:g} GiB"
    on = machine.status == "running"
    return Seen("proxmox", str(machine.vmid), machine.name, machine.status, on, size, machine.node)


def _vsphere(machine: VsphereMachine) -> Seen:
    size = f"{machine.cpus} CPUs, {machine.memory / 1024:g} GiB"
    on = machine.power == "poweredOn"
    return Seen("vsphere", machine.moid, machine.name, machine.power, on, size, machine.host)
