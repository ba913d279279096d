"""Each deceit, alone or with another one, while objects of a kind go, let go, or are lost; and what must be so then."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.faultproxy import Cloud
from lab.process import LabError
from tests.deceit.deceits import DECEITS, Deceit, Reused
from tests.integration.operator.people import Facts, Person
from tests.integration.operator.scene import KIND, Scene, unique
from tests.operator_bed import OperatorBed, condition_of

#: An operator that is killed keeps its name in the Lease.
OPTIONS = ("--identity", "deceived", "--visibility-grace", "2", "--lease-duration", "6")
#: What is asked for while it is deceived, by the name of the object: its lifecycle, and whether it is deleted.
WISHES: Mapping[str, tuple[Mapping[str, Any], bool]] = {
    "gone": ({"onDelete": "Delete"}, True),
    "let-go": ({"onDelete": "Detach"}, True),
    "again": ({"onLost": "Recreate"}, False),
}
#: Looks of the operator at a cloud that deceives it.
_LOOKS = 2
_PATIENCE = 120.0


def cases(cloud: Cloud, seed: int, *, pairs: int) -> list[tuple[type[Deceit], ...]]:
    """Each deceit that is possible in the cloud, and so many pairs of them, chosen by the seed."""
    possible = [deceit for deceit in DECEITS if cloud in deceit.clouds]
    every = [pair for pair in itertools.combinations(possible, 2) if Reused not in pair]
    alone: list[tuple[type[Deceit], ...]] = [(deceit,) for deceit in possible]
    return alone + random.Random(f"{seed} {cloud}").sample(every, pairs)


def play(bed: OperatorBed, person: Person, folder: Path, chosen: Sequence[type[Deceit]], *, kill: bool) -> list[str]:
    """One case with all wishes at once; what was wrong, in words. ``kill``: the operator is killed while it is deceived."""
    with _scene(bed, person, folder) as scene:
        for name, (lifecycle, _) in WISHES.items():
            scene.apply(name, lifecycle=lifecycle)
        for name in WISHES:
            scene.wait(name, "Ready", "True", timeout=_PATIENCE)
        ids = {name: scene.machine(name).id for name in WISHES}
        owners = {name: scene.machine(name).owner for name in WISHES}
        deceits = [deceit() for deceit in chosen]
        for deceit in deceits:
            deceit.begin(scene, list(ids.values()))
        _looked(scene)
        strangers = _strangers(scene, deceits, ids)
        found, early = _deceived(scene, deceits, ids, owners, kill=kill)
        found += _touched(scene, strangers)
        for deceit in reversed(deceits):
            deceit.end(scene)
        if any(deceit.renames for deceit in deceits):
            # It may have gone since it was asked for, and before its marker was back.
            early = early or scene.bed.get(KIND, "let-go", scene.namespace) is None
        if any(isinstance(deceit, Reused) for deceit in deceits):
            strangers = {one: facts for one, facts in strangers.items() if one not in ids.values()}
        found += _undeceived(scene, ids, owners, early)
        return found + _touched(scene, strangers)


def _strangers(scene: Scene, deceits: Sequence[Deceit], ids: Mapping[str, str]) -> dict[str, Facts]:
    """All machines that are none of ours, now that people have done what they do."""
    reused = any(isinstance(deceit, Reused) for deceit in deceits)
    before: dict[str, Facts] = {}

    def at_rest() -> bool:
        nonlocal before
        known, before = before, {one.id: one for one in scene.person.machines()}
        return known == before

    scene.until(at_rest, "the cloud to come to rest", _PATIENCE)
    return {machine_id: facts for machine_id, facts in before.items() if reused or machine_id not in ids.values()}


def _looked(scene: Scene) -> None:
    """Waits until the operator has looked at the cloud several times."""
    asked = scene.faults.total()
    scene.until(lambda: scene.faults.total() >= asked + _LOOKS, "the operator to look at the cloud", _PATIENCE)


def _deceived(
    scene: Scene, deceits: Sequence[Deceit], ids: Mapping[str, str], owners: Mapping[str, str], *, kill: bool
) -> tuple[list[str], bool]:
    """What is wrong, and whether the machine that is to be let go was so already, for its marker named nobody here."""
    scene.forget_requests()
    for name, (_, deleted) in WISHES.items():
        if deleted:
            scene.delete(name)
    if kill:
        scene.bed.operator.kill()
        scene.bed.operator.start().wait()
    holds = any(deceit.holds for deceit in deceits)
    told = {name: partial(_told, scene, name) for name, (_, deleted) in WISHES.items() if deleted and holds}
    for name, so in told.items():
        scene.until(so, f"a word about {name}", _PATIENCE)
    _looked(scene)
    found = [f"wrong: {one} was sent without a proof" for one in scene.mutations() if holds]
    early = False
    for name in WISHES:
        body, machine = scene.bed.get(KIND, name, scene.namespace), scene.person.machine(ids[name])
        ours = machine is not None and machine.owner == owners[name]
        if body is None:
            early = early or name == "let-go"
            if ours or (name == "gone" and holds):
                found.append(f"wrong: the object {name} went without a proof")
    return found, early


def _told(scene: Scene, name: str) -> bool:
    """Whether an object is gone, or says why it is not."""
    body = scene.bed.get(KIND, name, scene.namespace)
    return body is None or condition_of(body, "Synced").get("status") == "False"


def _undeceived(scene: Scene, ids: Mapping[str, str], owners: Mapping[str, str], early: bool) -> list[str]:
    """All is true again: everything comes to the end that was asked for."""
    found = []
    for name, (_, deleted) in WISHES.items():
        with contextlib.suppress(LabError):
            scene.annotate(name, sync_now="undeceived")
        try:
            if deleted:
                scene.bed.wait_gone("virtualmachines", name, namespace=scene.namespace, timeout=_PATIENCE)
            else:
                scene.wait(name, "Synced", "True", timeout=_PATIENCE)
                scene.wait(name, "Ready", "True", timeout=_PATIENCE)
        except AssertionError as error:
            found.append(f"stuck: {name}: {str(error)[:1500]}")
    if found:
        return found
    machines = {one.id: one for one in scene.person.machines()}
    if ids["gone"] in machines:
        found.append(f"leak: {ids['gone']} outlived its object")
    left = machines.get(ids["let-go"])
    if not early and left is not None and left.owner == owners["let-go"]:
        found.append(f"wrong: {ids['let-go']} was let go and still carries the marker")
    told = scene.status("again")["id"]
    if told not in machines or machines[told].owner != owners["again"]:
        found.append(f"wrong: {told} is not the machine of its object")
    return found


def _touched(scene: Scene, strangers: Mapping[str, Facts]) -> list[str]:
    now = {one.id: one for one in scene.person.machines()}
    gone = [f"wrong: the stranger {one} is gone" for one in strangers if one not in now]
    changed = [f"wrong: the stranger {one} was {facts} and is {now[one]}" for one, facts in strangers.items()
               if one in now and now[one] != facts]  # fmt: skip
    return gone + changed


@contextlib.contextmanager
def _scene(bed: OperatorBed, person: Person, folder: Path) -> Iterator[Scene]:
    """A namespace, and a Provider with a fault proxy of its own; all that was made in it is taken away."""
    name = unique(f"deceit-{person.cloud}")
    (folder / name).mkdir()
    before = {machine.id for machine in person.machines()}
    with bed.lab._proxy(person.cloud, folder / name) as proxy:
        scene = Scene(bed, person, bed.namespace(), name, proxy)
        bed.apply(scene.secret(), scene.provider_manifest())
        scene.wait_provider("Ready", "True")
        try:
            yield scene
        finally:
            proxy.clear()
            for machine in person.machines():
                if machine.id not in before:
                    with contextlib.suppress(LabError):
                        person.destroy(machine.id)
            for body in bed.objects("virtualmachines", scene.namespace):
                bed.delete(KIND, body["metadata"]["name"], namespace=scene.namespace)
            bed.wait_gone("virtualmachines", *WISHES, namespace=scene.namespace, timeout=_PATIENCE)
            bed.delete("provider", name)
            bed.wait_gone("providers", name)
