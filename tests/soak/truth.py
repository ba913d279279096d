"""What must be so when all is over: every object as it wants to be, one thing each, and nothing else touched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.hooks import Doors
from tests.integration.operator.people import GIB, Facts, Person
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed, condition_of
from tests.soak.crowd import Crowd
from tests.things import MACHINES, THINGS, WARES
from tests.things.thing import Thing, Things

#: Seconds between two looks.
_LOOK = 1.0


def unsettled(bed: OperatorBed, crowd: Crowd) -> dict[str, str]:
    """Objects that are not Ready and Synced for their newest spec, that are missing, or that should be gone; and why."""
    found: dict[str, str] = {}
    for things in THINGS.values():
        wanted = crowd.wanted[things.kind]
        bodies = {body["metadata"]["name"]: body for body in bed.objects(things.plural, crowd.namespace)}
        for name, body in bodies.items():
            if name not in wanted:
                found[name] = f"is still there: {_words(body)}"
            elif any(condition_of(body, kind).get("status") != "True" for kind in ("Ready", "Synced")):
                found[name] = _words(body)
        found |= dict.fromkeys(wanted.keys() - bodies.keys(), "is missing")
    return found


def settle(bed: OperatorBed, crowd: Crowd, patience: float) -> list[str]:
    """Waits until all objects are as they want to be; those that are not after so many seconds."""
    deadline = time.monotonic() + patience
    while (left := unsettled(bed, crowd)) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return [f"stuck: {name} {why}" for name, why in sorted(left.items())]


def rest(doors: Doors, seconds: float, patience: float) -> list[str]:
    """Waits until for so many seconds nothing was sent that may change something, but Leases; what was sent instead."""
    deadline = time.monotonic() + patience
    while True:
        for door in doors.values():
            door.reset_counts()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not mutations(doors):
            time.sleep(_LOOK)
        sent = mutations(doors)
        if not sent or time.monotonic() > deadline:
            return [f"wrong: {name}, {number} times, although all is as it should be" for name, number in sent.items()]


def mutations(doors: Doors) -> dict[str, int]:
    """What was sent to change something since the counts were reset, but for Leases."""
    return {
        f"{api} {name}": count.requests
        for api, door in doors.items()
        for name, count in door.counts().items()
        if count.mutating and "/leases" not in name
    }


def wrong(bed: OperatorBed, crowd: Crowd, litter: Mapping[Cloud, set[str]]) -> list[str]:
    """What the clouds have too much, too little, or otherwise than it is wanted."""
    return [one for cloud in CLOUDS for one in _wrong(bed, crowd, cloud, litter[cloud])]


def _wrong(bed: OperatorBed, crowd: Crowd, cloud: Cloud, litter: set[str]) -> list[str]:
    found: list[str] = []
    machines = {machine.id: machine for machine in crowd.people[cloud].machines()}
    bodies = [body for body in bed.objects(MACHINES.plural, crowd.namespace) if _cloud(body) == cloud]
    ours: set[str] = set()
    for body in bodies:
        name, machine_id = body["metadata"]["name"], str(body["status"].get("id", ""))
        machine = machines.get(machine_id)
        ours.add(machine_id)
        if machine is None:
            found.append(f"wrong: {name} has no machine {machine_id}")
            continue
        found += [f"wrong: {name}: {one}" for one in _differs(machine, body, exact=cloud != "aws")]
    there = set(machines)
    for things in (things for things in WARES if cloud in things.clouds):
        seen = things.seen(crowd.people[cloud])
        there |= {one.id for one in seen}
        for body in bed.objects(things.plural, crowd.namespace):
            if _cloud(body) == cloud:
                ours.add(str(body["status"].get("id", "")))
                found += _wares_differ(crowd.people[cloud], things, seen, body)
    strangers = crowd.strangers[cloud]
    found += [f"duplicate: {one} in {cloud}" for one in sorted(there - ours - strangers)]
    found += [f"wrong: a stranger is gone: {one} in {cloud}" for one in sorted(strangers - there)]
    found += [f"leak: {one} in {cloud}" for one in sorted(leftovers(bed.lab.clouds[cloud]) - litter - there)]
    return found


def _wares_differ(someone: Person, things: Things, seen: Sequence[Thing], body: Mapping[str, Any]) -> list[str]:
    name, owned = body["metadata"]["name"], [one for one in seen if one.is_of(body["metadata"]["uid"])]
    if [one.id for one in owned] != [body["status"].get("id")]:
        return [f"wrong: {name} is told to be {body['status'].get('id')}, and is {[one.id for one in owned]}"]
    return [f"wrong: {name}: {one}" for one in things.differs(someone, owned[0], body["spec"])]


def _differs(machine: Facts, body: Mapping[str, Any], *, exact: bool) -> list[str]:
    """``exact``: sizes are as they are wanted. On EC2 an instance type is kept that has more than is wanted."""
    spec = body["spec"]
    cpus, memory = spec["cpus"], int(spec["memory"].removesuffix("Gi")) * GIB
    pairs = {
        "owner": (machine.owner.partition("/")[2], body["metadata"]["uid"]),
        "running": (machine.running, spec["powerState"] == "Running"),
        "cpus": (machine.cpus, cpus if exact else max(cpus, machine.cpus)),
        "memory": (machine.memory, memory if exact else max(memory, machine.memory)),
        **{f"tag {key}": (machine.tags.get(key), value) for key, value in spec.get("tags", {}).items()},
    }
    return [f"{field} is {found}, not {wanted}" for field, (found, wanted) in pairs.items() if found != wanted]


def _cloud(body: Mapping[str, Any]) -> str:
    return str(body["spec"]["providerRef"]["name"])


def _words(body: Mapping[str, Any]) -> str:
    told = [
        f"{one['type']} {one['status']} {one['reason']}: {one.get('message', '')}"
        for one in body["status"].get("conditions", [])
    ]
    return "; ".join(told)
