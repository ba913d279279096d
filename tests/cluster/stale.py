"""One story of machines and Providers, told undisturbed and while the API server's answers and watches are spoilt.

What objects and clouds are in the end has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from hybridge.api.kinds import KINDS
from lab.bed import CLOUDS, Lab
from lab.faultproxy import Answer, Cloud, Dark, Delay, FaultProxy, Past, Repeat, Reset, Rule
from lab.faultproxy_kubernetes import before
from tests.cluster.herd import LARGER, PATIENCE, Herd, Member, people
from tests.operator_bed import OperatorBed
from tests.things import THINGS

OPTIONS = ("--identity", "only", "--lease-duration", "6", "--visibility-grace", "3", "--audit-interval", "2")
_OURS = "/apis/hybridge.io/*"
#: Each way of spoiling, as rules of a proxy with a seed.
FAULTS: Mapping[str, Callable[[int], list[Rule]]] = {
    "stale reads": lambda seed: [Rule("GET *", Past(), probability=0.4, seed=seed)],
    "conflicts": lambda _: [Rule(f"PATCH {_OURS}", Answer(409), times=3, each=True)],
    "events lost": lambda seed: [Rule(f"EVENT * {_OURS}", Dark(), probability=0.2, seed=seed)],
    "events twice": lambda seed: [Rule(f"EVENT * {_OURS}", Repeat(1.5), probability=0.5, seed=seed)],
    "events late": lambda seed: [Rule(f"EVENT * {_OURS}", Delay(1.0), probability=0.3, seed=seed)],
    "watches cut": lambda seed: [Rule(f"EVENT * {_OURS}", Reset(), probability=0.1, seed=seed)],
    "watches too old": lambda seed: [
        Rule(f"EVENT * {_OURS}", Answer(410), probability=0.1, seed=seed),
        Rule(f"WATCH {_OURS}", Answer(410), probability=0.2, seed=seed),
    ],
    # The watch is cut when an object goes, and what came meanwhile is not told to those that come back.
    "deletions in a gap": lambda seed: [
        Rule(f"EVENT DELETED {_OURS}", Reset(), seed=seed),
        Rule(f"WATCH {_OURS}", Answer(410), probability=0.5, seed=seed),
    ],
}
ALL = "all of them"
#: Of a status, what is the same whenever and however often things were done.
_LASTING = (
    "phase", "powerState", "cpus", "memory", "size", "instanceType", "plan", "drift", "restartRequired", "type",
    "capabilities",
)  # fmt: skip
_RUNS = count(1)


def rules(fault: str, seed: int) -> list[Rule]:
    """The rules of one way of spoiling, or of all."""
    chosen = FAULTS.values() if fault == ALL else [FAULTS[fault]]
    return [rule for nth, make in enumerate(chosen) for rule in make(seed + nth)]


class Stories:
    """Tells the story as often as it is asked for, with new names each time."""

    def __init__(self, bed: OperatorBed, door: FaultProxy) -> None:
        self._bed = bed
        self._door = door
        self._people = people(bed)

    def tell(self, fault: str | None = None, seed: int = 0) -> tuple[dict[str, Any], list[str], int]:
        """The end state, what was wrong in it, in words, and how many requests and events were spoilt."""
        run = next(_RUNS)
        numbers = [self._door.inject(rule) for rule in rules(fault, seed)] if fault else []
        try:
            herd = Herd(self._bed, self._people, {cloud: f"{cloud}-{run}" for cloud in self._bed.lab.clouds})
            found = self._live(herd)
            state = {} if found else self._state(herd)
            found = found or self._leave(herd)
            spoilt = sum(active.hit for active in self._door.faults() if active.id in numbers)
        finally:
            self._door.clear()
        if found:
            self._bury(herd)
        return state, found, spoilt

    # ------------------------------------------------------------------- story

    def _live(self, herd: Herd) -> list[str]:
        for cloud in herd.clouds:
            self._provide(herd, cloud)
        found = self._provided(herd)
        if found:
            return found
        herd.furnish()
        for cloud in herd.clouds:
            for name in ("kept", "changed", "again", "gone"):
                herd.create(cloud, f"{cloud}-{name}")
            herd.take(cloud, herd.persons[cloud].launch(f"by-hand-{cloud}-{herd.namespace}"), f"{cloud}-taken")
            herd.delete(herd.create(cloud, f"{cloud}-never"))
        found = herd.settle(self._tend)
        if found:
            return found
        self._bed.operator.kill()
        for cloud in herd.clouds:
            herd.change(Member(cloud, f"{cloud}-changed"), **LARGER)
            herd.delete(Member(cloud, f"{cloud}-gone"))
            herd.alter(cloud, 1)
        self._tend()
        try:
            for cloud in herd.clouds:
                herd.recreate(Member(cloud, f"{cloud}-again"), self._tend)
        except AssertionError as error:
            return [_stuck(error)]
        for cloud in herd.clouds:
            herd.change(Member(cloud, f"{cloud}-changed"), tags={"team": "shop"})
            herd.change(Member(cloud, f"{cloud}-kept"), restartToken="1")
            self._provide(herd, cloud, limits={"requestsPerSecond": 500, "burst": 500, "concurrentTasks": 8})
        return herd.settle(self._tend) or self._provided(herd)

    def _leave(self, herd: Herd) -> list[str]:
        """All machines go, and each Provider goes and comes again under its name."""
        for member in list(herd.wanted):
            herd.delete(member)
        found = herd.settle(self._tend)
        if found:
            return found
        names = tuple(herd.providers.values())
        for again in (True, False):
            self._bed.delete("provider", *names)
            try:
                self._bed.wait_for(partial(self._are_gone, names), "the Providers to be gone", PATIENCE)
            except AssertionError as error:
                return [_stuck(error)]
            if again:
                for cloud in herd.clouds:
                    self._provide(herd, cloud)
                found = self._provided(herd)
                if found:
                    return found
        return []

    def _provide(self, herd: Herd, cloud: Cloud, **spec: object) -> None:
        name = herd.providers[cloud]
        settings: dict[str, object] = {"sweepInterval": "1s", "imports": "Managed", **spec}
        self._bed.apply(self._bed.secret(cloud, name), self._bed.provider(cloud, name, **settings))

    def _provided(self, herd: Herd) -> list[str]:
        def ready() -> bool:
            self._tend()
            return all(self._bed.is_true("provider", name, "Ready") for name in herd.providers.values())

        try:
            self._bed.wait_for(ready, "the Providers to be Ready", PATIENCE)
        except AssertionError as error:
            return [_stuck(error)]
        return []

    def _are_gone(self, names: tuple[str, ...]) -> bool:
        self._tend()
        return not set(names) & {item["metadata"]["name"] for item in self._bed.objects("providers")}

    def _tend(self) -> None:
        if not self._bed.operator.process.alive:
            self._bed.operator.start()

    def _bury(self, herd: Herd) -> None:
        """Takes away what a story has left that went wrong."""
        self._tend()
        for member in herd.bodies():
            self._bed.delete(member.things.plural, member.name, namespace=herd.namespace)
        herd.wanted.clear()
        herd.settle(self._tend)
        for cloud, someone in herd.persons.items():
            for things in THINGS.values():
                for one in things.seen(someone) if cloud in things.clouds else ():
                    if one.id not in herd.strangers[cloud]:
                        things.destroy(someone, one.id)

    # --------------------------------------------------------------- end state

    def _state(self, herd: Herd) -> dict[str, Any]:
        """Every object and every thing of the clouds without times and ids."""
        state: dict[str, Any] = {}
        for kind in KINDS:
            for body in self._bed.objects(kind.plural, herd.namespace):
                if kind.namespaced or body["metadata"]["name"] in herd.providers.values():
                    state[f"{kind.kind} {_neutral(body['metadata']['name'], herd)}"] = _lasting(body, herd)
        bodies = herd.bodies()
        for cloud, someone in herd.persons.items():
            for things in THINGS.values():
                uids = {
                    body["metadata"]["uid"]
                    for member, body in bodies.items()
                    if (member.cloud, member.kind) == (cloud, things.kind)
                }
                mine = (
                    [one.looks for one in things.seen(someone) if one.owner.partition("/")[2] in uids] if uids else []
                )
                state[f"{things.plural} of {cloud}"] = sorted(mine, key=str)
        return state


def differences(reference: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """How an end state differs from that of the reference, in words."""
    return [
        f"wrong: {name} is {state.get(name)}, undisturbed it was {reference.get(name)}"
        for name in sorted(reference.keys() | state.keys())
        if reference.get(name) != state.get(name)
    ]


def _stuck(error: AssertionError) -> str:
    return f"stuck: {str(error).partition(chr(10))[0]}"


def _neutral(text: str, herd: Herd) -> str:
    for cloud, name in herd.providers.items():
        text = text.replace(name, cloud)
    return text


def _lasting(body: Mapping[str, Any], herd: Herd) -> dict[str, Any]:
    status, metadata = body.get("status", {}), body["metadata"]
    conditions = sorted((one["type"], one["status"], one["reason"]) for one in status.get("conditions", []))
    current = all(one.get("observedGeneration") == metadata["generation"] for one in status.get("conditions", []))
    imported = body["spec"].get("lifecycle", {}).get("import")
    spec = {key: value for key, value in body["spec"].items() if key not in {"providerRef", "credentials"}}
    if "vnet" in spec.get("proxmox", {}):
        spec["proxmox"] = {**spec["proxmox"], "vnet": "of its own"}
    return {
        "spec": {**spec, "lifecycle": "import"} if imported else spec,
        "finalizers": metadata.get("finalizers", []),
        "conditions": conditions,
        "current": current,
        "restart": status.get("restart"),
        **{key: status.get(key) for key in _LASTING},
        "provider": _neutral(str(body["spec"].get("providerRef", {}).get("name", "")), herd),
    }


@contextmanager
def stories(folder: Path, clouds: tuple[Cloud, ...] = CLOUDS) -> Iterator[Stories]:
    """A lab with an operator that reaches the API server through a proxy; all of it is ended afterwards."""
    with Lab(folder, clouds=clouds, prometheus=False) as lab, before(lab.controlplane, folder) as door:
        bed = OperatorBed(lab, folder, OPTIONS, before_kubernetes=door)
        try:
            bed.operator.start().wait()
            yield Stories(bed, door)
        finally:
            bed.operator.stop()
