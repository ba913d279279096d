"""kill -9 of the operator while it works, and what must be true afterwards: exactly the wanted machines, by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from functools import partial
from itertools import count

from lab import manifests
from lab.faultproxy import Cloud
from tests.integration.operator.people import person
from tests.operator_bed import OperatorBed, condition_of

#: An operator that may be killed keeps its name in the Lease, as a container does that is restarted in its pod.
OPTIONS = ("--identity", "chaos", "--lease-duration", "6", "--visibility-grace", "3")
#: Seconds that an operator lives at least and at most between two kills.
LIFE = (0.05, 1.2)
_NAMES = count()
_HOSTNAME = "another-name"


class Killer:
    """Kills the operator at random moments and starts it again, at once and under the same name."""

    def __init__(self, bed: OperatorBed, seed: int) -> None:
        self._bed = bed
        self._random = random.Random(seed)

    def run(self, kills: int) -> None:
        """``kills`` kills, each some time after the operator began to work."""
        for _ in range(kills):
            deadline = time.monotonic() + self._random.uniform(*LIFE)
            while time.monotonic() < deadline:
                time.sleep(0.01)
            self._bed.operator.kill()
            self._bed.operator.start().wait()


def slow_down(bed: OperatorBed, cloud: Cloud) -> None:
    """Has the cloud take its time, so that kills meet tasks under way and machines that cannot be seen yet."""
    match cloud:
        case "aws":
            bed.lab.aws.tune(transition_seconds=0.5, consistency_lag=1.0)
        case "proxmox":
            bed.lab.proxmox.tune(task_seconds=0.5, resources_lag=2.0)
        case "vsphere":
            bed.lab.vsphere.tune(task_delay=0.3)


def create_and_delete(bed: OperatorBed, cloud: Cloud, seed: int, *, number: int, kills: int) -> None:
    """``number`` creations, then as many deletions, with ``kills`` kills in each."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    killer = Killer(bed, seed)

    names = create(bed, cloud, namespace, number)
    wanted = uids(bed, namespace)
    killer.run(kills)
    bed.wait_ready(*names, namespace=namespace, timeout=180)

    assert_exactly(bed, cloud, wanted.values(), strangers)

    bed.delete("virtualmachines", *names, namespace=namespace)
    killer.run(kills)
    bed.wait_gone("virtualmachines", *names, namespace=namespace, timeout=180)

    assert set(bed.machines(cloud)) == strangers


def change_and_restart(bed: OperatorBed, cloud: Cloud, seed: int, *, number: int, kills: int) -> None:
    """``number`` machines get other sizes, tags, a host name and a restart, all at once, with ``kills`` kills in between."""
    namespace = bed.namespace()
    strangers = set(bed.machines(cloud))
    names = create(bed, cloud, namespace, number)
    bed.wait_ready(*names, namespace=namespace, timeout=180)
    before = ids(bed, namespace)
    wanted: dict[str, object] = {"cpus": 4, "memory": "16Gi", "tags": {"team": "shop"}, "restartToken": "1"}
    wanted["cloudInit"] = {"hostname": _HOSTNAME}
    for name in names:
        bed.patch("virtualmachine", name, {"spec": wanted | {"lifecycle": {"disruption": "Allow"}}}, namespace)
    Killer(bed, seed).run(kills)

    def arrived(name: str) -> bool:
        body = bed.get("virtualmachine", name, namespace) or {"status": {}}
        restarted = body["status"].get("restart") == {"token": "1", "phase": "Done"}
        synced = condition_of(body, "Synced").get("status") == "True"
        return restarted and synced and body["status"].get("cpus") == 4

    def told(name: str) -> str:
        return str(bed.get("virtualmachine", name, namespace))

    for name in names:
        bed.wait_for(partial(arrived, name), f"{name} to be changed and restarted", 180, partial(told, name))
    assert ids(bed, namespace) == before
    assert_exactly(bed, cloud, uids(bed, namespace).values(), strangers)
    machines = bed.machines(cloud)
    assert all(machines[machine_id].running for machine_id in before.values())
    assert all(_HOSTNAME in person(cloud, bed.lab).given(machine_id) for machine_id in before.values())
    bed.delete("virtualmachines", *names, namespace=namespace)
    bed.wait_gone("virtualmachines", *names, namespace=namespace, timeout=180)
    if cloud == "proxmox":  # There it travels on a CD of its own.
        assert not [iso for iso in bed.lab.proxmox.isos() if iso.split("-")[1] in before.values()]


def take_over(bed: OperatorBed, cloud: Cloud, seed: int, *, number: int, kills: int) -> None:
    """``number`` machines that people made are imported, each wanted by two objects, with ``kills`` kills in between."""
    namespace = bed.namespace()
    admin = person(cloud, bed.lab)
    bed.patch("provider", cloud, {"spec": {"imports": "Managed"}})
    bed.wait_for(lambda: bed.is_true("provider", cloud, "Ready"), "the Provider to be Ready")
    strangers = set(bed.machines(cloud))
    made = [admin.launch(f"by-hand-{cloud}-{next(_NAMES)}") for _ in range(number)]
    for machine_id in made:
        for rival in ("a", "b"):
            found = manifests.machine(f"take-{machine_id}-{rival}".lower(), cloud, namespace)
            found["spec"] = {"providerRef": {"name": cloud}, "lifecycle": {"import": {"id": machine_id}}}
            bed.apply(found)
    Killer(bed, seed).run(kills)

    def decided(machine_id: str) -> bool:
        rivals = [bed.get("virtualmachine", f"take-{machine_id}-{rival}".lower(), namespace) for rival in ("a", "b")]
        told = sorted(str(condition_of(body, "Synced").get("reason")) for body in rivals)
        return told == ["AlreadyOwned", "InSync"]

    def told(machine_id: str) -> str:
        rivals = [bed.get("virtualmachine", f"take-{machine_id}-{rival}".lower(), namespace) for rival in ("a", "b")]
        return "\n".join(str(body["status"]) for body in rivals if body)

    for machine_id in made:
        bed.wait_for(partial(decided, machine_id), f"{machine_id} to have one owner", 180, partial(told, machine_id))
    assert set(bed.machines(cloud)) == strangers | set(made)
    owners = [machine.owner for machine in bed.machines(cloud).values() if machine.id in made]
    assert len(set(owners)) == number
    assert all(owners)
    names = [item["metadata"]["name"] for item in bed.objects("virtualmachines", namespace)]
    bed.delete("virtualmachines", *names, namespace=namespace)
    bed.wait_gone("virtualmachines", *names, namespace=namespace, timeout=180)
    assert set(bed.machines(cloud)) == strangers


def assert_exactly(bed: OperatorBed, cloud: Cloud, wanted: Iterable[str], strangers: set[str]) -> None:
    """The cloud has one machine for each of the uids, the strangers, and nothing else."""
    owned = bed.owned(cloud, wanted)
    assert {uid: len(found) for uid, found in owned.items()} == dict.fromkeys(owned, 1)
    assert set(bed.machines(cloud)) - strangers == {found[0].id for found in owned.values()}


def create(bed: OperatorBed, cloud: Cloud, namespace: str, number: int) -> list[str]:
    """Applies ``number`` machines at once; their names."""
    names = [f"kill-{cloud}-{next(_NAMES)}" for _ in range(number)]
    bed.apply(*(manifests.machine(name, cloud, namespace) for name in names))
    return names


def ids(bed: OperatorBed, namespace: str) -> dict[str, str]:
    """The ids in the cloud of the VirtualMachines of a namespace, by name."""
    return {item["metadata"]["name"]: item["status"]["id"] for item in bed.objects("virtualmachines", namespace)}


def uids(bed: OperatorBed, namespace: str) -> dict[str, str]:
    """The uids of the VirtualMachines of a namespace, by name."""
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in bed.objects("virtualmachines", namespace)}
