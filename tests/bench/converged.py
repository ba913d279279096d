"""A large estate in which nothing is left to do: machines in the clouds, objects that own some of them, true statuses."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import yaml

from hybridge.api.shared import FINALIZER
from hybridge.core.identity import Marker, machine_uuid, token
from lab import manifests
from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.fleet import Seeded, Wanted
from tests.bench.admin import PARALLEL, PATHS, Admin, Sight

_TIMEOUT = 120.0
_PATTERN = "pattern"
#: Of the Provider for Proxmox VE: where the simulator puts machines.
_VMIDS = {"from": 100_000, "to": 199_999}


@dataclass(frozen=True, slots=True)
class Estate:
    """How many machines each cloud has, and how many of them have an object."""

    name: str
    machines: Mapping[Cloud, int]
    managed: Mapping[Cloud, int]

    @property
    def total(self) -> int:
        """All machines."""
        return sum(self.machines.values())

    @property
    def objects(self) -> int:
        """All objects."""
        return sum(self.managed.values())


def providers(estate: Estate, lab: Lab, limits: Mapping[str, int]) -> list[dict[str, Any]]:
    """A Provider for each cloud, which leads through the proxy that counts; the Secrets are applied."""
    made = []
    for cloud in estate.machines:
        secret = manifests.secret(cloud, lab.clouds[cloud].credentials)
        lab.controlplane.apply(yaml.safe_dump(secret))
        body = manifests.provider(cloud, lab.proxies[cloud].endpoint, lab.authority.pem, limits=dict(limits))
        if cloud == "proxmox":
            body["spec"]["proxmox"]["vmIDRange"] = _VMIDS
        made.append(body)
    return made


def patterns(estate: Estate, client: Admin) -> dict[Cloud, dict[str, Any]]:
    """One machine in each cloud, made by the operator that runs, as it stands in Kubernetes at last. It is deleted."""
    bodies = {cloud: manifests.machine(f"{_PATTERN}-{cloud}", cloud) for cloud in estate.machines}
    names = [str(body["metadata"]["name"]) for body in bodies.values()]
    with Sight(client, "VirtualMachine") as sight:
        client.apply_all(bodies.values())
        sight.wait_ready(names, _TIMEOUT)
        path = PATHS["VirtualMachine"]
        found = {cloud: client.request("GET", f"{path}/{body['metadata']['name']}") for cloud, body in bodies.items()}
        client.delete("VirtualMachine", names)
        sight.wait_gone(names, _TIMEOUT)
    return found


def furnish(
    estate: Estate, lab: Lab, client: Admin, made: Mapping[Cloud, dict[str, Any]], say: Callable[[str], None]
) -> dict[Cloud, list[str]]:
    """Objects and machines, while no operator runs; the ids of the managed machines. ``made``: see ``patterns``."""
    cluster = str(client.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"])
    managed: dict[Cloud, list[str]] = {}
    objects = {cloud: _objects(client, cloud, number) for cloud, number in estate.managed.items()}
    say(f"{estate.objects} objects are there")
    with ThreadPoolExecutor(len(objects)) as pool:
        orders = {
            cloud: pool.submit(
                _launch, lab.clouds[cloud], [_wanted(body, cluster) for body in bodies], estate.machines[cloud]
            )
            for cloud, bodies in objects.items()
        }
        managed = {cloud: order.result() for cloud, order in orders.items()}
    say(f"{estate.total} machines are there")
    for cloud, bodies in objects.items():
        pairs = list(zip(bodies, managed[cloud], strict=True))
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda pair, cloud=cloud: _tell(client, made[cloud], *pair), pairs))
    say("their statuses are there")
    return managed


def _objects(client: Admin, cloud: Cloud, number: int) -> list[dict[str, Any]]:
    bodies = [manifests.machine(f"{cloud}-{index:05}", cloud) for index in range(number)]
    for body in bodies:
        body["metadata"]["finalizers"] = [FINALIZER]
    return client.create(bodies)


def _wanted(body: Mapping[str, Any], cluster: str) -> Wanted:
    metadata = body["metadata"]
    marker = Marker(cluster, metadata["uid"], body["kind"], metadata["namespace"], metadata["name"])
    name = f"{metadata['name']}-{metadata['uid'][:8]}"
    return Wanted(name, marker.pairs(), machine_uuid(metadata["uid"], 1), token(metadata["uid"], 1))


def _launch(cloud: Any, wanted: Sequence[Wanted], total: int) -> list[str]:
    """The managed machines stand among strangers, and not all in the first pages."""
    strangers = (Wanted(f"stranger-{number:05}") for number in itertools.count())
    each = total // len(wanted)
    order = [one for machine in wanted for one in (machine, *itertools.islice(strangers, each - 1))]
    order += itertools.islice(strangers, total - len(order))
    seeded: Seeded = cloud
    ids = seeded.seed(order)
    return [ids[number * each] for number in range(len(wanted))]


def _tell(client: Admin, pattern: Mapping[str, Any], body: Mapping[str, Any], machine_id: str) -> None:
    """The pattern's status with this object's own names: what the clouds chose besides, the operator mends."""
    old, new = pattern["metadata"], body["metadata"]
    status = json.dumps(pattern["status"])
    for before, after in (
        (machine_uuid(old["uid"], 1), machine_uuid(new["uid"], 1)),
        (old["uid"], new["uid"]),
        (f"{old['name']}-{old['uid'][:8]}", f"{new['name']}-{new['uid'][:8]}"),
        (f'"id": "{pattern["status"]["id"]}"', f'"id": "{machine_id}"'),
    ):
        status = status.replace(before, after)
    path = f"{PATHS['VirtualMachine']}/{new['name']}/status"
    client.request("PATCH", path, {"status": json.loads(status)}, "application/merge-patch+json")


def wait_quiet(client: Admin, seconds: float = 5.0) -> None:
    """Blocks until nothing was written for so long; Leases do not count."""
    before, since = client.writes(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.5)
        now = client.writes()
        if without_leases(now) != without_leases(before):
            before, since = now, time.monotonic()


def without_leases(writes: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Writes to anything but Leases, which have to be written for ever."""
    return {key: count for key, count in writes.items() if key[0] != "leases" and count}
