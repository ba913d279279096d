"""What a cloud itself shows of objects that stand as wanted, held against their specs, and what is there besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hybridge.core.units import parse_quantity
from tests.crash.bed import CrashBed
from tests.integration.operator.people import Facts
from tests.misoperation.walk import Truth
from tests.things.thing import Things

#: Clouds that round sizes up to what they have.
_ROUNDED = frozenset({"aws"})


def of_machines(bed: CrashBed) -> Truth:
    """Each object has one machine, which is as its spec wants it; nothing has come besides, and no stranger has changed."""
    strangers = _machines(bed)
    litter = bed.leftovers()

    def told(bodies: Mapping[str, Mapping[str, Any]]) -> list[str]:
        machines = _machines(bed)
        found = []
        for name, body in bodies.items():
            owned = [one for one in machines.values() if one.owner.partition("/")[2] == body["metadata"]["uid"]]
            if len(owned) != 1:
                found.append(f"{'duplicate' if owned else 'wrong'}: {name} has {len(owned)} machines")
                continue
            if owned[0].id != body["status"].get("id"):
                found.append(f"wrong: {name} has {owned[0].id}, and tells {body['status'].get('id')}")
            found += [
                f"wrong: {name} is told as wanted, and its {one}" for one in _differs(bed, owned[0], body["spec"])
            ]
        known = strangers.keys() | {body["status"].get("id") for body in bodies.values()}
        found += [f"duplicate: {one}" for one in sorted(machines.keys() - known)]
        found += [f"wrong: {one} was touched" for one, facts in strangers.items() if machines.get(one) != facts]
        return found + [f"leak: {one}" for one in sorted(bed.leftovers() - litter)]

    return told


def of_wares(things: Things, bed: CrashBed) -> Truth:
    """Each object has one thing, which is as its spec wants it; nothing has come besides, and no stranger has changed."""
    strangers = {one.id: one for one in things.seen(bed.person)}
    litter = bed.leftovers()

    def told(bodies: Mapping[str, Mapping[str, Any]]) -> list[str]:
        seen = {one.id: one for one in things.seen(bed.person)}
        found, known = [], set(strangers)
        for name, body in bodies.items():
            owned = [one for one in seen.values() if one.is_of(body["metadata"]["uid"])]
            known |= {one.id for one in owned}
            if len(owned) != 1:
                found.append(f"{'duplicate' if owned else 'wrong'}: {name} has {len(owned)} {things.plural}")
                continue
            if owned[0].id != body["status"].get("id"):
                found.append(f"wrong: {name} has {owned[0].id}, and tells {body['status'].get('id')}")
            differs = things.differs(bed.person, owned[0], body["spec"])
            found += [f"wrong: {name} is told as wanted, and {one}" for one in differs]
        found += [f"duplicate: {one}" for one in sorted(seen.keys() - known)]
        found += [f"wrong: {one} was touched" for one, before in strangers.items() if seen.get(one) != before]
        return found + [f"leak: {one}" for one in sorted(bed.leftovers() - litter - seen.keys())]

    return told


def of_providers(bed: CrashBed) -> Truth:
    """Whatever becomes of Providers that nobody uses, no machine comes, goes or changes."""
    strangers = _machines(bed)

    def told(bodies: Mapping[str, Mapping[str, Any]]) -> list[str]:
        del bodies
        machines = _machines(bed)
        changed = [f"wrong: {one} was touched" for one, facts in strangers.items() if machines.get(one) != facts]
        return changed + [f"duplicate: {one}" for one in sorted(machines.keys() - strangers.keys())]

    return told


def _machines(bed: CrashBed) -> dict[str, Facts]:
    return {machine.id: machine for machine in bed.person.machines()}


def _differs(bed: CrashBed, facts: Facts, spec: Mapping[str, Any]) -> Iterator[str]:
    """How a machine is not as its spec wants it, in words; what a spec leaves open or as it is counts for nothing."""
    lifecycle = spec.get("lifecycle", {})
    if lifecycle.get("management") == "Observed" or lifecycle.get("drift") == "Ignore":
        return
    if "powerState" in spec and facts.running != (spec["powerState"] == "Running"):
        yield f"power is not {spec['powerState']}"
    if "instanceType" not in spec.get("aws", {}):
        sizes = [("cpus", facts.cpus, spec["cpus"]), ("memory", facts.memory, parse_quantity(spec["memory"]))]
        for field, found, wanted in sizes:
            if found < wanted or (found != wanted and bed.cloud not in _ROUNDED):
                yield f"{field} is {found}, not {wanted}"
    if facts.disk < parse_quantity(spec.get("rootDisk", {}).get("size", 0)):
        yield f"disk is {facts.disk}, not {spec['rootDisk']['size']}"
    if spec.get("networks") and len(facts.networks) != len(spec["networks"]):
        yield f"interfaces are {len(facts.networks)}, not {len(spec['networks'])}"
    for name, text in spec.get("tags", {}).items():
        if facts.tags.get(name) != text:
            yield f"tag {name!r} is {facts.tags.get(name)!r}, not {text!r}"
