"""One test's stage: a namespace, a Provider, the cloud behind it and the person in that cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from lab.faultproxy import Cloud, FaultProxy
from tests.integration.operator.people import Facts, Person
from tests.operator_bed import OperatorBed, condition_of
from tests.things import MACHINES, THINGS
from tests.things.thing import Thing, Things

KIND = "virtualmachine"
_NUMBERS = count(1)
#: VMIDs for Providers that share the Proxmox cluster: each gets twenty of its own.
_VMIDS = count(2000, 20)


def unique(stem: str) -> str:
    """A name that no other test of this worker uses."""
    return f"{stem}-{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a test works on. ``proxy`` is set where the Provider is the test's own, with a fault proxy of its own."""

    bed: OperatorBed
    person: Person
    namespace: str
    provider: str
    proxy: FaultProxy | None = None
    first_vmid: int = field(default_factory=lambda: next(_VMIDS))
    #: Of which kind the objects are that are told of by their names alone.
    things: Things = MACHINES

    @property
    def cloud(self) -> Cloud:
        """The cloud."""
        return self.person.cloud

    def of(self, kind: str) -> Scene:
        """The same stage with objects of another kind, by its name in the API."""
        return replace(self, things=THINGS[kind])

    @property
    def faults(self) -> FaultProxy:
        """The test's own fault proxy."""
        assert self.proxy is not None
        return self.proxy

    def provider_manifest(self, **spec: object) -> dict[str, Any]:
        """The test's own Provider, which leads through its own fault proxy."""
        made = self.bed.provider(self.cloud, self.provider, **{"sweepInterval": "1s", **spec})
        made["spec"][self.cloud]["endpoint"] = self.faults.endpoint
        if self.cloud == "proxmox":
            made["spec"]["proxmox"]["vmIDRange"] = {"from": self.first_vmid, "to": self.first_vmid + 19}
        return made

    def mutations(self) -> list[str]:
        """Operations that may have changed something in the cloud since ``forget_requests``, as often as it was sent."""
        counts = self.faults.counts()
        return [name for name, count in sorted(counts.items()) if count.mutating for _ in range(count.requests)]

    def forget_requests(self) -> None:
        """Counts from here on."""
        self.faults.reset_counts()

    def secret(self, **replaced: str) -> dict[str, Any]:
        """The Secret of the test's own Provider; ``replaced`` gives other values for its keys."""
        return self.bed.secret(self.cloud, self.provider, **replaced)

    # ------------------------------------------------------------------ objects

    def manifest(self, name: str = "web", /, **spec: object) -> dict[str, Any]:
        """A small object of this scene; ``spec`` adds or replaces fields, and takes away those that are None."""
        made = self.things.manifest(self.cloud, name, self.provider, self.namespace)
        made["spec"] = {field: value for field, value in {**made["spec"], **spec}.items() if value is not None}
        return made

    def apply(self, name: str = "web", /, **spec: object) -> dict[str, Any]:
        """Applies an object; the object as the API server has it."""
        return self.bed.api.apply(self.manifest(name, **spec))

    def take(self, name: str = "web", /, *, wanted: Mapping[str, Any], **spec: object) -> dict[str, Any]:
        """Applies an object that imports what exists; ``wanted`` is the lifecycle, ``spec`` all that is set besides."""
        made = self.manifest(name)
        made["spec"] = {"providerRef": made["spec"]["providerRef"], "lifecycle": dict(wanted), **spec}
        return self.bed.api.apply(made)

    def events(self, name: str = "web") -> list[tuple[str, str]]:
        """Reasons and messages of the object's Events, in no order."""
        uid = self.uid(name)
        found = self.bed.objects("events", self.namespace)
        return [(one["reason"], one["message"]) for one in found if one["involvedObject"].get("uid") == uid]

    def make(self, name: str = "web", /, **spec: object) -> dict[str, Any]:
        """Applies an object and waits until it is Ready; its body."""
        self.apply(name, **spec)
        return self.ready(name)

    def ready(self, name: str = "web") -> dict[str, Any]:
        """Waits until an object is Ready; its body."""
        self.wait(name, "Ready", "True")
        return self.body(name)

    def change(self, name: str = "web", /, **spec: object) -> None:
        """Changes fields of the spec."""
        self.patch(name, {"spec": spec})

    def patch(self, name: str, patch: Mapping[str, Any]) -> None:
        """A merge patch of an object."""
        self.bed.patch(self.things.plural, name, patch, self.namespace)

    def annotate(self, name: str = "web", /, **annotations: str | None) -> None:
        """Sets or removes annotations in ``hybridge.io/``."""
        words = {f"hybridge.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.patch(name, {"metadata": {"annotations": words}})

    def delete(self, name: str = "web") -> None:
        """Asks for the deletion of an object."""
        self.bed.delete(self.things.plural, name, namespace=self.namespace)

    def gone(self, name: str = "web") -> None:
        """Waits until an object is gone."""
        self.bed.wait_gone(self.things.plural, name, namespace=self.namespace)

    def body(self, name: str = "web") -> dict[str, Any]:
        """The object."""
        found = self.bed.get(self.things.plural, name, self.namespace)
        assert found is not None, f"there is no {self.things.kind} {self.namespace}/{name}"
        return found

    def status(self, name: str = "web") -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.body(name)["status"]
        return status

    def uid(self, name: str = "web") -> str:
        """Its uid."""
        return str(self.body(name)["metadata"]["uid"])

    # --------------------------------------------------------------- conditions

    def wait(self, name: str, kind: str, status: str, reason: str | None = None, timeout: float = 60) -> dict[str, Any]:
        """Waits for a condition about the newest spec; the condition."""
        return self.wait_condition(self.things.plural, name, kind, status, reason, timeout)

    def wait_provider(self, kind: str, status: str, reason: str | None = None, timeout: float = 60) -> dict[str, Any]:
        """Waits for a condition of the Provider."""
        return self.wait_condition("provider", self.provider, kind, status, reason, timeout)

    def wait_condition(
        self, what: str, name: str, kind: str, status: str, reason: str | None, timeout: float
    ) -> dict[str, Any]:
        """Waits for a condition of any object."""
        last: dict[str, Any] = {}

        def so() -> dict[str, Any]:
            nonlocal last
            body = self.bed.get(what, name, self.namespace)
            last = (body or {}).get("status", {})
            found = condition_of(body, kind)
            fits = found.get("status") == status and reason in {None, found.get("reason")}
            return found if fits else {}

        return self.bed.wait_for(
            so, f"{what} {name}: {kind} {status} {reason or ''}", timeout, lambda: f"last status: {last}"
        )

    def until(self, holds: Callable[[], Any], what: str, timeout: float = 60) -> Any:
        """Waits until something holds; the value."""
        return self.bed.wait_for(holds, what, timeout, self._tell)

    # -------------------------------------------------------------------- cloud

    def mine(self, name: str = "web") -> list[Facts]:
        """The machines of the cloud that carry the object's marker."""
        return self.person.find(self.uid(name))

    def machine(self, name: str = "web") -> Facts:
        """The one machine that the object has in the cloud, and whose id its status names."""
        (found,) = self.mine(name)
        assert found.id == self.status(name)["id"]
        return found

    def thing(self, name: str) -> Thing:
        """The one that the object has in the cloud, and whose id its status names, of whatever kind."""
        uid = self.uid(name)
        (found,) = (one for one in self.things.seen(self.person) if one.is_of(uid))
        assert found.id == self.status(name)["id"]
        return found

    def here(self) -> set[str]:
        """Ids of all machines in the cloud that objects of this namespace made, whether those still exist or not."""
        return {machine.id for machine in self.person.machines() if machine.namespace == self.namespace}

    def wait_machine(self, holds: Callable[[Facts], bool], what: str, name: str = "web") -> Facts:
        """Waits until the object has exactly one machine and it is so."""
        uid = self.uid(name)

        def so() -> Facts | None:
            found = self.person.find(uid)
            return found[0] if len(found) == 1 and holds(found[0]) else None

        found = self.until(so, what)
        assert isinstance(found, Facts)
        return found

    def _tell(self) -> str:
        items = [item for things in THINGS.values() for item in self.bed.objects(things.plural, self.namespace)]
        return "\n".join(f"{one['kind']} {one['metadata']['name']}: {one['spec']} {one['status']}" for one in items)
