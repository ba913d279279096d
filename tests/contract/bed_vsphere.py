"""vSphere of the lab, as a bed of the contract."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, cast

from hybridge.core.identity import OWNER
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer
from lab.vsphere import VsphereCloud, VsphereMachine
from tests.contract.bed import MIB, Bed, Calls, Shown


class VsphereBed(Bed):
    """A vCenter."""

    kind = "vsphere"
    calls = Calls(
        create="CloneVM_Task",
        start="PowerOnVM_Task",
        resize="ReconfigVM_Task",
        mark="ReconfigVM_Task",
        delete="Destroy_Task",
        list="WaitForUpdatesEx",
    )
    throttle = Answer(429, body="Too Many Requests")
    refusal = Answer(500, code="InvalidArgument", message="A specified parameter was not correct: spec")
    permissions = ("VirtualMachine.", "System.", "Resource.", "Datastore.")
    deadlines: ClassVar[Mapping[str, object]] = {
        "hybridge.drivers.vsphere.client._READ_TIMEOUT": 1.0,
        "hybridge.drivers.vsphere.watch._GRACE": 1.0,
    }
    sweep_cost = 1
    create_cost = 1
    hot_add: ClassVar[Mapping[str, object]] = {"cpuHotAdd": True, "memoryHotAdd": True}
    missing_id = "vm-999999"
    missing_image = "vm-999999"

    @property
    def _vcenter(self) -> VsphereCloud:
        return cast("VsphereCloud", self.cloud)

    def machines(self) -> dict[str, Shown]:
        return {machine.moid: self._shown(machine) for machine in self._vcenter.machines()}

    def given(self, machine_id: str) -> str:
        words = self._vcenter.machine(machine_id).extra_config
        return "\n".join(_decoded(words[key]) for key in _GUEST_INFO if key in words)

    def pace(self, seconds: float) -> None:
        self._vcenter.tune(task_delay=seconds)

    def power(self, machine_id: str, *, on: bool) -> None:
        self._vcenter.power(machine_id, on=on)

    def destroy(self, machine_id: str) -> None:
        self._vcenter.destroy(machine_id)

    def copy(self, machine_id: str) -> str:
        return self._vcenter.clone_by_hand(machine_id, f"copy-of-{machine_id}")

    def stranger(self, name: str, machine_id: str | None = None) -> str:
        assert machine_id is None
        return self._vcenter.create(name)

    def unknown_task(self, known: str) -> str:
        return f"{known.rstrip('0123456789')}999999"

    def resize(self, machine_id: str) -> None:
        self._vcenter.set_cpus(machine_id, 4)

    @property
    def networks(self) -> tuple[str, str]:
        return "VM Network", "DC0_DVPG0"

    @property
    def places(self) -> tuple[str, ...]:
        return "DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"

    def _start(self, folder: Path) -> SimulatedCloud:
        return VsphereCloud(folder, self.authority).start().wait()

    def _block(self, endpoint: str) -> Mapping[str, object]:
        return {"endpoint": endpoint, "datacenter": VsphereCloud.datacenter}

    def _defaults(self) -> Mapping[str, str]:
        return {"folder": VsphereCloud.folder, "cluster": VsphereCloud.cluster}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        return self._vcenter.readonly_credentials

    @property
    def image_id(self) -> str:
        return self._vcenter.templates[self.image]

    @staticmethod
    def _shown(machine: VsphereMachine) -> Shown:
        words = machine.extra_config
        return Shown(
            id=machine.moid,
            name=machine.name,
            running=machine.power == "poweredOn",
            cpus=machine.cpus,
            memory=machine.memory * MIB,
            root_disk=machine.disks[0] if machine.disks else None,
            owner=words.get(OWNER) or None,
            uuid=machine.instance_uuid,
            template=machine.template,
        )


_GUEST_INFO = ("guestinfo.metadata", "guestinfo.userdata")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
