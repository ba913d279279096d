"""A driver of the lab's EC2 whose requests are counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker, token
from hybridge.core.machine import Machine, MachineSpec
from hybridge.core.place import Placed
from hybridge.drivers.aws.driver import Driver
from hybridge.drivers.base import Prepared, Settings
from lab.aws import REGION, AwsCloud

GIB = 1024**3
SPEC = MachineSpec(name="web", image="debian-12", cpus=2, memory=4 * GIB, root_disk=20 * GIB, tags={"team": "shop"})


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


@dataclass
class Bench:
    """A driver whose requests are counted, and markers that nobody else has."""

    driver: Driver
    requests: Counter[str]

    def marker(self) -> Marker:
        uid = str(uuid4())
        return Marker("cluster", uid, "VirtualMachine", "shop", f"web-{uid}")

    def intent(self, spec: MachineSpec, marker: Marker, attempt: int = 1) -> Intent:
        prepared = self.driver.machines.prepare(spec, ())
        given = token(marker.uid, attempt)
        return Intent(attempt, given, marker.name, "", "aws", 0.0, parameters=prepared.parameters)

    def prepare(self, spec: MachineSpec = SPEC, *apart: str) -> Prepared:
        return self.driver.machines.prepare(spec, (), [Placed(zone=f"{REGION}{zone}") for zone in apart])

    def make(self, spec: MachineSpec = SPEC, marker: Marker | None = None) -> Machine:
        marker = marker or self.marker()
        made = self.driver.machines.create(self.intent(spec, marker), spec, marker)
        assert made.id
        return self.look(made.id)

    def look(self, machine_id: str) -> Machine:
        found = self.driver.machines.get(machine_id)
        assert found
        return found


def settings(cloud: AwsCloud, requests: Counter[str], credentials: dict[str, str] | None = None) -> Settings:
    return Settings(
        provider="aws",
        cloud={"region": cloud.region, "endpoint": cloud.endpoint},
        credentials=credentials or cloud.credentials,
        acquire=lambda: None,
        meter=lambda operation, _, __: requests.update([operation]),
    )
