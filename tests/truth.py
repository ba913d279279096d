"""What must be so in the end, whatever happened: each object has its machine, and nothing else has come or gone."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from lab.faultproxy import Cloud
from tests.operator_bed import OperatorBed, condition_of


def unsettled(bed: OperatorBed, namespace: str, kept: Collection[str], patience: float) -> list[str]:
    """Waits until these VirtualMachines are Ready and Synced, and all others of the namespace gone; what never was, in
    words.
    """
    deadline = time.monotonic() + patience
    while True:
        there = {item["metadata"]["name"]: item for item in bed.objects("virtualmachines", namespace)}
        settled = {
            name
            for name, item in there.items()
            if all(condition_of(item, kind).get("status") == "True" for kind in ("Ready", "Synced"))
        }
        wrong = sorted((set(kept) - settled) | (there.keys() - set(kept)))
        if not wrong or time.monotonic() > deadline:
            return [f"stuck: {name}: {there[name]['status'] if name in there else 'no object'}" for name in wrong]
        time.sleep(0.2)


def surplus(bed: OperatorBed, cloud: Cloud, wanted: Iterable[str], strangers: Collection[str]) -> list[str]:
    """What the cloud has besides one machine for each of these uids and the strangers by their ids, in words."""
    owned = bed.owned(cloud, wanted)
    found = [f"duplicate: {uid} has {[one.id for one in those]}" for uid, those in owned.items() if len(those) > 1]
    found += [f"wrong: {uid} has no machine" for uid, those in owned.items() if not those]
    known = {*strangers, *(one.id for those in owned.values() for one in those)}
    machines = bed.machines(cloud)
    found += [f"leak: {one}, of which no object knows: {machines[one]}" for one in sorted(machines.keys() - known)]
    return found + [f"wrong: the stranger {one} is gone" for one in sorted(set(strangers) - machines.keys())]
