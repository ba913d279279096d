"""Several operators and a stranger make and destroy guests of one Proxmox VE cluster, all with the same VMIDs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from lab import manifests
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from tests.leftovers import leftovers
from tests.operator_bed import OperatorBed
from tests.truth import surplus, unsettled

#: PVE offers the lowest free VMID from 100 on: so all want the same.
FIRST = 100
#: Seconds between two acts of people, at most.
_PAUSE = 0.4
#: Seconds until all have to be as they are wanted.
_PATIENCE = 180.0


class Stranger:
    """Makes guests with whatever VMID the cluster offers, and destroys them again; also takes VMIDs that others leave."""

    def __init__(self, cloud: ProxmoxCloud, seed: int, *, most: int) -> None:
        self._cloud = cloud
        self._most = most
        self._random = random.Random(seed)
        self._names = count(1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stranger", daemon=True)
        self._lock = threading.Lock()
        self.guests: dict[int, str] = {}
        self.made = 0
        self.outrun = 0
        self.stolen = 0
        self.found: list[str] = []

    def __enter__(self) -> Stranger:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def steal(self, victim: int) -> None:
        """Destroys somebody's guest, and has one of its own with the same VMID as soon as it is free."""
        with self._lock:
            if victim in self.guests:
                return  # The object tells of a machine that has gone.
            try:
                self._cloud.destroy(victim)
            except LabError:
                return  # Its owner is at work on it, or has just destroyed it.
            self.stolen += self._make(victim)

    def check(self) -> list[str]:
        """What has become of its guests that it did not do itself, in words."""
        return [*self.found, *(wrong for vmid in self.guests for wrong in self._wrong(vmid))]

    def _wrong(self, vmid: int) -> list[str]:
        name = self.guests[vmid]
        for machine in self._cloud.machines():
            if machine.vmid == vmid:
                mine = (machine.name, machine.description, machine.tags) == (name, "", ())
                return [] if mine else [f"wrong: the stranger's guest {vmid} ({name}) was touched: {machine}"]
        return [f"wrong: the stranger's guest {vmid} ({name}) was destroyed"]

    def _work(self) -> None:
        while not self._over.is_set():
            with self._lock:
                if self.guests and (len(self.guests) >= self._most or self._random.random() < 0.4):
                    self._destroy(self._random.choice(sorted(self.guests)))
                else:
                    self._make(self._cloud.next_id())

    def _make(self, vmid: int) -> bool:
        name = f"stranger-{next(self._names)}"
        try:
            self._cloud.create(vmid, name)
        except LabError:
            self.outrun += 1
            return False
        self.guests[vmid] = name
        self.made += 1
        return True

    def _destroy(self, vmid: int) -> None:
        wrong = self._wrong(vmid)
        self.found += wrong
        del self.guests[vmid]
        if not wrong:
            self._cloud.destroy(vmid)


@dataclass(slots=True)
class Creator:
    """Who makes machines with a Provider of its own; ``wanted``: names of those that are to be there."""

    bed: OperatorBed
    provider: str
    namespace: str
    wanted: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def create(self) -> None:
        """One more machine; one that is lost is made anew."""
        name = f"race-{next(self._numbers)}"
        self.bed.apply(manifests.machine(name, self.provider, self.namespace, lifecycle={"onLost": "Recreate"}))
        self.wanted.append(name)

    def delete(self, name: str) -> None:
        """One less."""
        self.wanted.remove(name)
        self.bed.delete("virtualmachine", name, namespace=self.namespace)

    def kill(self) -> None:
        """kill -9 of its operator, which is started again."""
        self.bed.operator.kill()
        self.bed.operator.start().wait()

    def objects(self) -> list[dict[str, Any]]:
        """Its machines' objects."""
        return self.bed.objects("virtualmachines", self.namespace)


def connect(bed: OperatorBed, provider: dict[str, Any], secret: dict[str, Any], last: int) -> Creator:
    """A creator whose Provider has the VMIDs from the cluster's first to ``last``."""
    provider["spec"]["proxmox"]["vmIDRange"] = {"from": FIRST, "to": last}
    name = provider["metadata"]["name"]
    bed.apply(secret, provider)
    bed.wait_for(partial(bed.is_true, "provider", name, "Ready"), f"the Provider {name} to be Ready")
    return Creator(bed, name, bed.namespace())


def race(
    creators: Sequence[Creator], cloud: ProxmoxCloud, seed: int, *, number: int, acts: int, kills: int, most: int
) -> tuple[list[str], str]:
    """Each creator makes ``number`` machines at once; then follow ``acts`` creations, deletions and thefts, and ``kills``.

    ``most``: how many guests the stranger has at once. What was found, in words; and what happened, in words.
    """
    source, watcher = random.Random(seed), creators[0].bed
    litter = leftovers(cloud)
    with Stranger(cloud, seed, most=most) as stranger:
        for creator in creators:
            for _ in range(number):
                creator.create()
        for act in source.sample([*["act"] * acts, *["kill"] * kills], acts + kills):
            time.sleep(source.uniform(0, _PAUSE))
            creator = source.choice(creators)
            if act == "kill":
                creator.kill()
            else:
                _act(source, creator, stranger)
        found = _settle(creators, time.monotonic() + _PATIENCE)
    found += stranger.check()
    uids = [item["metadata"]["uid"] for creator in creators for item in creator.objects()]
    told = [str(item["status"].get("id")) for creator in creators for item in creator.objects()]
    found += [
        f"duplicate: the VMID {one} is told of two objects"
        for one in sorted({one for one in told if told.count(one) > 1})
    ]
    found += surplus(watcher, "proxmox", uids, [str(vmid) for vmid in stranger.guests])
    found += [f"leak: {one}" for one in sorted(leftovers(cloud) - litter)]
    besides = (
        f"{stranger.made} guests made by the stranger, {stranger.stolen} VMIDs taken over by it, {stranger.outrun} lost"
    )
    return found, besides


def _settle(creators: Sequence[Creator], deadline: float) -> list[str]:
    """Waits until all are as they are wanted; what never was, in words.

    An object is Ready until a sweep has seen that its machine was stolen: it counts with its machine alone.
    """
    while True:
        found = [
            one
            for creator in creators
            for one in unsettled(creator.bed, creator.namespace, creator.wanted, deadline - time.monotonic())
        ]
        if found or time.monotonic() > deadline or not any(map(_robbed, creators)):
            return found
        time.sleep(_PAUSE)


def _robbed(creator: Creator) -> bool:
    """Whether any of its objects has no machine."""
    owned = creator.bed.owned("proxmox", [item["metadata"]["uid"] for item in creator.objects()])
    return not all(owned.values())


def _act(source: random.Random, creator: Creator, stranger: Stranger) -> None:
    if not creator.wanted or source.random() < 0.35:
        creator.create()
    elif source.random() < 0.5:
        creator.delete(source.choice(creator.wanted))
    else:
        ids = [item["status"]["id"] for item in creator.objects() if item["status"].get("id")]
        if ids:
            stranger.steal(int(source.choice(ids)))
