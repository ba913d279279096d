"""A driver of the lab's cluster, which runs in a thread of the test, so that nodes, quorum and single calls can fail."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker, machine_uuid
from hybridge.core.machine import Machine, MachineSpec, Nic
from hybridge.drivers.base import Settings, Started, SweepRequest
from hybridge.drivers.proxmox.driver import Driver
from lab.pki import Authority
from lab.process import free_port
from lab.proxmox import documents_of
from lab.proxmox_cluster import Cluster
from lab.proxmox_estate import OPERATOR, PERSON, READONLY, furnish
from tests.sweeps import machines

GIB = 2**30
SPEC = MachineSpec("", image="debian-12", cpus=2, memory=2 * GIB, root_disk=20 * GIB, networks=(Nic("nic0", "vmbr1"),))
SECRET = "not-a-secret"


class Lab:
    """A cluster in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        pair = self.authority.issue("pve")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pve")
        self._thread.start()
        self.pve = Cluster(host="127.0.0.1", port=free_port())
        furnish(self.pve, {OPERATOR: SECRET, READONLY: SECRET, PERSON: SECRET})
        self.pve.users["hybridge@pve"] = SECRET
        self.do(lambda: self.pve.start(pair.certificate, pair.key))

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Runs in the cluster's thread."""

        async def run() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def stop(self) -> None:
        self.do(self.pve.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def guest(self, machine_id: str) -> Any:
        """What the cluster holds of a guest."""
        return self.pve.vm(int(machine_id))

    def isos(self) -> list[str]:
        return [name for store in self.pve.storages.values() for name in store["volumes"] if name.startswith("iso/")]

    def seeds(self) -> list[dict[str, str]]:
        """The documents of each ISO image that was uploaded."""
        return [documents_of(image) for image in self.pve.images.values()]


@dataclass
class Bench:
    """A driver whose requests are counted."""

    driver: Driver
    requests: Counter[str]

    def spec(self, **words: Any) -> MachineSpec:
        return replace(SPEC, name=f"web-{uuid4().hex[:6]}", **words)

    def intent(self, spec: MachineSpec, marker: Marker) -> Intent:
        prepared = self.driver.machines.prepare(spec, ())
        uuid = machine_uuid(marker.uid, 1)
        return Intent(1, "token", spec.name, uuid, "here", 0.0, prepared.parameters, prepared.id)

    def make(self, spec: MachineSpec, marker: Marker) -> tuple[Machine, Intent]:
        """From nothing to running; the lab's tasks take no time."""
        intent = self.intent(spec, marker)
        cloned = self.driver.machines.create(intent, spec, marker)
        machine = self.after(cloned)
        machine = self.after(self.driver.machines.configure(machine, spec, {"initialize"}, intent, marker))
        if spec.power is None or machine.power is spec.power:
            return machine, intent
        return self.after(self.driver.machines.set_power(machine, spec, spec.power)), intent

    def after(self, started: Started[Machine]) -> Machine:
        """How the next sweep shows the machine."""
        assert started.id
        tasks = [started.task] if started.task else []
        return machines(self.driver.sweep(SweepRequest(tasks=tasks))).objects[started.id]

    def look(self, machine_id: str, *, refresh: bool = False) -> Machine:
        return machines(self.driver.sweep(SweepRequest(refresh=[machine_id] if refresh else []))).objects[machine_id]


def marker() -> Marker:
    uid = str(uuid4())
    return Marker("cluster", uid, "VirtualMachine", "shop", f"web-{uid[:4]}")


def settings(lab: Lab, requests: Counter[str], **words: Any) -> Settings:
    given: dict[str, Any] = {
        "provider": "pve",
        "cloud": {"endpoint": lab.pve.url, "vmIDRange": {"from": 1000, "to": 1099}},
        "credentials": {"tokenID": OPERATOR, "tokenSecret": SECRET},
        "acquire": lambda: None,
        "meter": lambda operation, _code, _seconds: requests.update([operation]),
        "ca_bundle": lab.authority.pem,
    }
    return Settings(**{**given, **words})
