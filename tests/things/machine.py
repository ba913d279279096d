"""VirtualMachines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hybridge.core.identity import PREFIX
from lab import manifests
from lab.faultproxy import Cloud
from tests.crash.wishes import differs
from tests.integration.operator.people import Facts, Person
from tests.things.thing import Thing, Things


class Machines(Things):
    """See the base."""

    kind = "VirtualMachine"
    plural = "virtualmachines"
    creation: ClassVar[Mapping[Cloud, str]] = {
        "aws": "ec2:RunInstances",
        "proxmox": "POST /nodes/{node}/qemu/{vmid}/clone",
        "vsphere": "CloneVM_Task",
    }

    def manifest(self, cloud: Cloud, name: str, provider: str, namespace: str) -> dict[str, Any]:
        """See the base."""
        del cloud
        return manifests.machine(name, provider, namespace)

    def seen(self, someone: Person) -> list[Thing]:
        """See the base."""
        return [Thing(one.id, one.owner, _looks(one)) for one in someone.machines()]

    def differs(self, someone: Person, thing: Thing, spec: Mapping[str, Any]) -> list[str]:
        """See the base."""
        machine = someone.machine(thing.id)
        return ["it is gone"] if machine is None else differs(machine, someone.given(machine.id), spec)

    def destroy(self, someone: Person, thing_id: str) -> None:
        """See the base."""
        someone.destroy(thing_id)


def _looks(machine: Facts) -> tuple[object, ...]:
    tags = {key: text for key, text in machine.tags.items() if not key.startswith(PREFIX) and key != "Name"}
    return machine.running, machine.cpus, machine.memory, machine.disk, len(machine.networks), sorted(tags.items())
