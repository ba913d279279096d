"""What befalls a cluster as a whole: it is away, restored from a backup, rebuilt; objects come anew, bare or twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from lab.bed import CLOUDS, Lab
from lab.faultproxy import Cloud
from lab.operator import install
from tests.cluster.herd import LARGER, Herd, Member, people
from tests.operator_bed import OperatorBed, condition_of
from tests.things import MACHINES, THINGS, WARES

#: Seconds.
LEASE = 4.0
OPTIONS = (
    "--identity", "only", "--lease-duration", str(LEASE), "--visibility-grace", "3", "--audit-interval", "3",
    "--cluster-id", "the-same-for-ever",
)  # fmt: skip
_SETTINGS: Mapping[str, object] = {"sweepInterval": "1s", "imports": "Managed"}


class Accidents:
    """One lab with one operator, which a kubelet starts again whenever it ends."""

    def __init__(self, bed: OperatorBed) -> None:
        self.bed = bed
        self._people = people(bed)
        #: Orphans that were told, in all accidents together.
        self.orphans = 0

    def suffer(self, name: str) -> list[str]:
        """One accident, on machines of its own; what was not so in the end, in words."""
        herd = Herd(self.bed, self._people)
        herd.furnish(anew=name in _ANEW)
        made = [herd.create(cloud) for cloud in herd.clouds for _ in range(2)]
        found = herd.settle(self.tend)
        found = found or ACCIDENTS[name](self, herd, made)
        found = found or herd.settle(self.tend)
        for member in list(herd.wanted):
            herd.delete(member)
        return [f"{one} (accident: {name})" for one in found + herd.settle(self.tend)]

    def tend(self) -> None:
        """Starts the operator when it has ended."""
        if not self.bed.operator.process.alive:
            self.bed.operator.start()

    # --------------------------------------------------------------- accidents

    def away(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """The API server is away for longer than the Lease, while machines are made, changed and deleted."""
        for member in made[::2]:
            herd.change(member, **LARGER)
        herd.delete(made[1])
        for cloud in herd.clouds:
            herd.create(cloud)
        plane = self.bed.lab.controlplane
        plane.apiserver.kill()
        ended = self._ends()
        plane.apiserver.start().wait()
        return ended

    def restored(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """The cluster is restored from a backup: some objects are younger than it, others come back from the dead."""
        bed, plane = self.bed, self.bed.lab.controlplane
        begun = [herd.create(cloud) for cloud in herd.clouds]
        leaving = made[1]
        herd.delete(leaving)
        snapshot = plane.snapshot()
        then = {member: dict(spec) for member, spec in herd.wanted.items()}
        late = [herd.create(cloud) for cloud in herd.clouds]
        dead = made[-1]
        herd.delete(dead)
        for member in made[::2]:
            herd.change(member, tags={"since": "the-backup"})
        found = herd.settle(self.tend)
        if found:
            return found
        ids = {member: herd.ids[member] for member in late}
        plane.restore(snapshot)
        found = self._ends()
        self._until_ready()
        # Of these the restored cluster knows nothing: they are told, and nothing is done to them.
        for cloud in herd.clouds:
            known = {ids[member] for member in late if member.cloud == cloud}
            bed.wait_for(partial(self._tells, cloud, known), f"{known} to be told as orphans of {cloud}", 60)
            alive = {machine.id for machine in herd.persons[cloud].machines() if machine.running}
            found += [f"wrong: {cloud} {one} was touched while it was an orphan" for one in sorted(known - alive)]
        bed.wait_for(partial(self._is_lost, herd, dead), f"{dead.name} to be told as lost", 60, bed.log_tail)
        later = {member: herd.wanted[member] for member in late}
        herd.wanted = then
        herd.delete(dead)
        self._forget()
        # What people had applied since is applied again, and found.
        herd.wanted |= later
        herd.apply(*late)
        found += herd.settle(self.tend)
        made_anew = self._creations()
        assert begun
        return found + ([f"wrong: {made_anew} creations for objects that have machines"] if made_anew else [])

    def gitops(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """The objects are made anew, with other uids, while the operator is away."""
        del made
        self.bed.operator.kill()
        anew = tuple(herd.wanted)
        herd.disown(*anew)
        herd.wait_gone(*anew)
        self._forget()
        herd.apply()
        return self._adopts(herd)

    def renewed(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """The same behind the back of an operator at work: what it sees first are machines without an object."""
        self._forget()
        process, anew = self.bed.operator.process, tuple(herd.wanted)
        process.pause()
        try:
            herd.disown(*anew)
        finally:
            process.resume()
        herd.wait_gone(*anew)
        for cloud in herd.clouds:
            known = {herd.ids[member] for member in made if member.cloud == cloud}
            self.bed.wait_for(partial(self._tells, cloud, known), f"{known} to be told as orphans of {cloud}", 60)
        herd.apply()
        return self._adopts(herd)

    def rebuilt(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """A new cluster with the old cluster id; the same files are applied to it."""
        del made
        bed = self.bed
        bed.lab.controlplane.rebuild()
        found = self._ends()
        self._forget()
        install(bed.lab.controlplane)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": herd.namespace}}
        bed.apply(namespace)
        for cloud in herd.clouds:
            bed.apply(bed.secret(cloud), bed.provider(cloud, None, **_SETTINGS))
        herd.apply()
        return found + self._adopts(herd)

    def replaced(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """``kubectl replace``: without finalizers and annotations, and then without the status; at work and while away."""
        del made
        self._forget()
        for member in list(herd.wanted)[::2]:
            self._bare(herd, member)
        found = herd.settle(self.tend)
        self.bed.operator.kill()
        for member in herd.wanted:
            self._bare(herd, member)
        self.tend()
        return found + self._adopts(herd)

    def copied(self, herd: Herd, made: Sequence[Member]) -> list[str]:
        """The YAML of objects, as the cluster shows it, is applied under other names; of an import, too."""
        plane, found = self.bed.lab.controlplane, []
        taken = [herd.take(cloud, herd.persons[cloud].launch(f"by-hand-{herd.namespace}")) for cloud in herd.clouds]
        found += herd.settle(self.tend)
        before = dict(herd.ids)
        copies = {member: member._replace(name=f"copy-of-{member.name}") for member in (*made, *taken)}
        for member, copy in copies.items():
            shown = plane.kube("get", MACHINES.plural, member.name, "-n", herd.namespace, "-o", "yaml")
            plane.kube("create", "-f", "-", stdin=_renamed(shown, member.name, copy.name))
            if member not in taken:
                herd.wanted[copy] = {key: found for key, found in herd.wanted[member].items() if key not in _OWN}
        for member in taken:
            told = partial(self._says, herd, copies[member], "AlreadyOwned")
            self.bed.wait_for(told, f"{copies[member].name} to be told that it has another owner", 60)
        found += herd.settle(self.tend)
        for member, copy in copies.items():
            if member in taken:
                herd.wanted[copy] = {}
            herd.delete(copy)
        found += herd.settle(self.tend)
        return found + ["wrong: other machines than before"] * ({m: herd.ids[m] for m in before} != before)

    # ------------------------------------------------------------------ private

    def _adopts(self, herd: Herd) -> list[str]:
        """All is as it was, and nothing was made for that."""
        found = herd.settle(self.tend)
        made = self._creations()
        return found + ([f"duplicate: {made} creations for objects that have machines"] if made else [])

    def _bare(self, herd: Herd, member: Member) -> None:
        plane, body = self.bed.lab.controlplane, herd.manifest(member)
        plane.kube("replace", "-f", "-", stdin=yaml.safe_dump(body))
        plane.kube("replace", "--subresource=status", "-f", "-", stdin=yaml.safe_dump({**body, "status": {}}))

    def _ends(self) -> list[str]:
        """The operator ends by itself, and is not started again before."""
        process = self.bed.operator.process
        try:
            self.bed.wait_for(lambda: not process.alive, "the operator to end", 60)
        except AssertionError:
            return ["wrong: the operator goes on with what it knew of another cluster"]
        return [] if process.returncode == 1 else [f"wrong: the operator ended with {process.returncode}"]

    def _until_ready(self) -> None:
        def ready() -> bool:
            self.tend()
            try:
                return self.bed.operator.ready()
            except OSError:
                return False

        self.bed.wait_for(ready, "the operator to work", 90)

    def _tells(self, cloud: Cloud, ids: set[str]) -> bool:
        """Whether the Provider names all of these as orphans."""
        self.tend()
        status = (self.bed.get("provider", cloud) or {}).get("status", {})
        named = {one["id"] for one in status.get("orphans", [])}
        if not named >= ids or status.get("inventory", {}).get("orphans", 0) < len(ids):
            return False
        self.orphans += len(ids)
        return True

    @staticmethod
    def _says(herd: Herd, member: Member, reason: str) -> bool:
        return condition_of(herd.body(member), "Synced").get("reason") == reason

    def _is_lost(self, herd: Herd, member: Member) -> bool:
        self.tend()
        return condition_of(herd.body(member), "Stalled").get("reason") == "Lost"

    def _forget(self) -> None:
        for proxy in self.bed.lab.proxies.values():
            proxy.reset_counts()

    def _creations(self) -> int:
        """How many things the operator has asked for."""
        counts = {cloud: proxy.counts() for cloud, proxy in self.bed.lab.proxies.items()}
        return sum(
            counts[cloud][name].requests
            for cloud in counts
            for name in {one.creation[cloud] for one in THINGS.values() if cloud in one.clouds} & counts[cloud].keys()
        )


def _renamed(shown: str, name: str, other: str) -> str:
    """The YAML of an object under another name, as people copy it; what only one cluster knows is left to the server."""
    body: dict[str, Any] = yaml.safe_load(shown)
    kept = {key: found for key, found in body["metadata"].items() if key not in {"resourceVersion", "uid"}}
    assert kept["name"] == name
    spec = {key: found for key, found in body["spec"].items() if key not in _OWN}
    return yaml.safe_dump({**body, "metadata": {**kept, "name": other}, "spec": spec})


#: Fields of a machine's spec that lead to what only one machine can use.
_OWN = frozenset(field for things in WARES if not things.shared for field in things.use(""))
#: Accidents after which objects have other uids.
_ANEW = frozenset({"objects made anew", "objects made anew behind its back", "cluster rebuilt"})
#: Every accident by its name.
ACCIDENTS: Mapping[str, Callable[[Accidents, Herd, Sequence[Member]], list[str]]] = {
    "API server away": Accidents.away,
    "restored from a backup": Accidents.restored,
    "objects made anew": Accidents.gitops,
    "objects made anew behind its back": Accidents.renewed,
    "cluster rebuilt": Accidents.rebuilt,
    "finalizer and status replaced": Accidents.replaced,
    "copied": Accidents.copied,
}


@contextmanager
def accidents(folder: Path, clouds: Sequence[Cloud] = CLOUDS) -> Iterator[Accidents]:
    """A lab with an operator in it; all of it is ended afterwards."""
    with Lab(folder, clouds=clouds, prometheus=False) as lab:
        bed = OperatorBed(lab, folder, OPTIONS)
        try:
            bed.operator.start().wait()
            bed.connect(*clouds, **_SETTINGS)
            yield Accidents(bed)
        finally:
            bed.operator.stop()
