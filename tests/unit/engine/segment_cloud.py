"""Networks and images of a cloud in memory, beside its machines. It is strict: a call in the wrong state is a mistake."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused, Unreachable
from hybridge.core.identity import Marker
from hybridge.core.image import Find, Image, ImageSpec, ImageTraits, Published, Source
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Change, Machine, MachineSpec, Port
from hybridge.core.managed import ManagedObject, ManagedSpec, State
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Portion, Prepared, Started, Sweep, SweepRequest
from tests.unit.engine.estate import Remote

W = TypeVar("W", bound=ManagedSpec)
P = TypeVar("P", bound=ManagedObject)


class Things(Generic[W, P]):
    """Cloud objects of one kind. ``wrong``: calls that no driver should get. ``lose``: how many requests to change
    something take effect and have no answer, from now on. ``deaf``: how many configurations have no effect, and an answer
    that nobody understands.
    """

    def __init__(self, cloud: SegmentCloud, prefix: str) -> None:
        self.there: dict[str, P] = {}
        self.calls: list[str] = []
        self.wrong: list[str] = []
        self.lose = 0
        self.deaf = 0
        self._cloud = cloud
        self._ids = (f"{prefix}-{number}" for number in itertools.count(1))

    def normalize(self, spec: W) -> W:
        """Nothing is unsupported."""
        return spec

    def prepare(self, spec: W, _taken: Collection[str]) -> Prepared:
        """Nothing is left open."""
        self._cloud.ask("prepare")
        return Prepared({"name": spec.name})

    def create(self, intent: Intent, spec: W, marker: Marker) -> Started[P]:
        """Without idempotency: what is asked for twice is there twice."""
        self._asked("create")
        if not intent.token:
            self.wrong.append(f"create without an attempt: {intent}")
        made = self._made(next(self._ids), intent, spec, marker)
        self.there[made.id] = made
        return self._answer(Started(made.id, made))

    def find(self, marker: Marker, _intent: Intent | None) -> list[P]:
        """By the marker."""
        self._cloud.ask("find")
        return [one for one in self.there.values() if one.marker == marker]

    def get(self, known_id: str) -> P | None:
        """By id."""
        self._cloud.ask("get")
        return self.there.get(known_id)

    def configure(
        self, found: P, spec: W, fields: Collection[str], _intent: Intent | None, marker: Marker
    ) -> Started[P]:
        """Only what is ours, whole and there is configured."""
        self._asked(f"configure {' '.join(sorted(fields))}")
        now = self._proven(found, marker, "configure")
        if self.deaf:
            self.deaf -= 1
            raise Unreachable("the answer cannot be read")
        return self._answer(self._changed(found.id, **self._changes(now, spec, fields)))

    def mark(self, found: P, marker: Marker | None) -> Started[P]:
        """Nobody else's marker is overwritten, and what is taken away is ours."""
        self._asked("mark")
        now = self.there.get(found.id)
        if now is None or now.marker != found.marker:
            self.wrong.append(f"mark of {found.id}, which was seen with {found.marker} and has {now and now.marker}")
            raise Refused(Reason.IDENTITY_MISMATCH, "not what was seen")
        return self._answer(self._changed(found.id, marker=marker))

    def delete(self, found: P) -> Started[P]:
        """Only what is ours, and in nobody's use."""
        self._asked("delete")
        self._proven(found, found.marker, "delete")
        if users := self._users(found.id):
            self.wrong.append(f"delete of {found.id}, which {users} use")
            raise Refused(Reason.HAS_DEPENDANTS, f"{found.id} is in use")
        del self.there[found.id]
        return self._answer(Started(found.id))

    def seen(self) -> Portion[Any]:
        """What a sweep shows: what is left of one that is gone is only found."""
        return Portion({known_id: one for known_id, one in self.there.items() if not one.remains}, full=True)

    def change(self, known_id: str, **words: Any) -> None:
        """What a person does in the cloud, or the cloud by itself."""
        self.there[known_id] = replace(self.there[known_id], **words)

    @abstractmethod
    def _made(self, known_id: str, intent: Intent, spec: W, marker: Marker) -> P: ...

    @abstractmethod
    def _changes(self, found: P, spec: W, fields: Collection[str]) -> Mapping[str, Any]: ...

    @abstractmethod
    def _users(self, known_id: str) -> list[str]: ...

    def _proven(self, found: P, marker: Marker | None, operation: str) -> P:
        now = self.there.get(found.id)
        if now is None or marker is None or now.marker != marker or now.marker != found.marker:
            self.wrong.append(f"{operation} of {found.id} with {marker}, which has {now and now.marker}")
            raise Refused(Reason.IDENTITY_MISMATCH, "not provably ours")
        if now.state is not State.READY and operation != "delete":
            self.wrong.append(f"{operation} of {found.id}, which is {now.state}")
        return now

    def _answer(self, started: Started[P]) -> Started[P]:
        if self.lose:
            self.lose -= 1
            raise Unreachable("no answer", took_effect_possible=True)
        return started

    def _changed(self, known_id: str, **words: Any) -> Started[P]:
        self.change(known_id, **words)
        return Started(known_id, self.there[known_id])

    def _asked(self, operation: str) -> None:
        self._cloud.ask(operation)
        self.calls.append(operation)


class Networks(Things[NetworkSpec, Network]):
    """See ``hybridge.drivers.base.NetworkDriver``: each has its ``gate`` as a part, without which it attaches nothing."""

    traits = NetworkTraits(visibility=1.0, block="aws", changes={"aws.internet": Change.ONLINE, "vlan": Change.STOPPED})

    def normalize(self, spec: NetworkSpec) -> NetworkSpec:
        return spec if spec.observed else replace(spec, parts=("gate",))

    def seen(self) -> Portion[Any]:
        return Portion({known_id: self._with_machines(one) for known_id, one in self.there.items()}, full=True)

    def get(self, known_id: str) -> Network | None:
        found = super().get(known_id)
        return None if found is None else self._with_machines(found)

    def bridge(self, name: str) -> None:
        """One that was always there."""
        self.there[name] = Network(name, name, attaches=name)

    def _made(self, known_id: str, intent: Intent, spec: NetworkSpec, marker: Marker) -> Network:
        settings = {"cidr": (spec.cidr,)} if spec.cidr else {}
        return Network(known_id, intent.name, marker=marker, settings=settings)

    def _changes(self, found: Network, spec: NetworkSpec, fields: Collection[str]) -> Mapping[str, Any]:
        if "parts.gate" in fields:
            return {"parts": ("gate",), "attaches": f"in-{found.id}"}
        return {"name": spec.name, "tags": {**found.tags, **spec.tags}}

    def _with_machines(self, network: Network) -> Network:
        return replace(network, machines=tuple(self._users(network.id)))

    def _users(self, known_id: str) -> list[str]:
        word = self.there[known_id].attaches
        return [one.id for one in self._cloud.there.values() if any(word in port.network for port in one.ports or ())]


class Images(Things[ImageSpec, Image]):
    """See ``hybridge.drivers.base.ImageDriver``. ``public``: images of strangers, which sweeps do not show.
    ``slow``: they are made in their own time; ``denied``: strangers' may not be looked for. ``steps``: what is left to do of
    each that is made, in order.
    """

    traits = ImageTraits(visibility=1.0, remains=True)

    def __init__(self, cloud: SegmentCloud, prefix: str) -> None:
        super().__init__(cloud, prefix)
        self.public: dict[str, Image] = {}
        self.slow = self.denied = False
        self.sources: list[Source | None] = []
        self.steps: tuple[str, ...] = ()

    def get(self, known_id: str) -> Image | None:
        return super().get(known_id) or self.public.get(known_id)

    def seek(self, find: Find) -> list[Image]:
        """Everything of whose name the pattern might be meant."""
        self._cloud.ask("seek")
        self.calls.append(f"seek {find.name}")
        if self.denied:
            raise Refused(Reason.NOT_PERMITTED, "nobody may look")
        return [*self.there.values(), *self.public.values()]

    def _made(self, known_id: str, intent: Intent, spec: ImageSpec, marker: Marker) -> Image:
        source = spec.source
        self.sources.append(source)
        if isinstance(source, Published) and source.machine_id not in self._cloud.there:
            self.wrong.append(f"publication of {source}")
        if self.slow:
            return Image(known_id, intent.name, State.PENDING, marker=marker, progress=40)
        return Image(known_id, intent.name, marker=marker, missing=self.steps, unfit="half made" if self.steps else "")

    def _changes(self, found: Image, spec: ImageSpec, fields: Collection[str]) -> Mapping[str, Any]:
        if found.missing:
            if f"parts.{found.missing[0]}" not in fields:
                self.wrong.append(f"{fields} of {found}")
            left = found.missing[1:]
            return {"missing": left, "unfit": found.unfit if left else ""}
        return {"name": spec.name, "tags": {**found.tags, **spec.tags}}

    def _users(self, known_id: str) -> list[str]:
        return list(self.there[known_id].machines)


class SegmentCloud(Remote):
    """Machines are in the networks that they name, and start from images that are there. ``started``: from which."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self.networks = Networks(self, "net")
        self.images = Images(self, "img")
        self.wrong: list[str] = []
        self.started: list[str | None] = []

    def ask(self, operation: str) -> None:
        """A request."""
        self._request(operation)

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        known = {one.uuid for one in self.there.values()}
        if intent.uuid not in known:
            self.started.append(spec.image)
            image = {**self.images.there, **self.images.public}.get(spec.image or "")
            if spec.image != "debian" and (image is None or image.state is not State.READY or image.missing):
                self.wrong.append(f"a machine of image {spec.image}, which is {image}")
        started = super().create(intent, spec, marker)
        assert started.found is not None
        return started if intent.uuid in known else self._connected(started.found, spec)

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], _intent: Intent | None, _marker: Marker
    ) -> Started[Machine]:
        started = super().configure(machine, spec, fields, _intent, _marker)
        return self._connected(self.there[machine.id], spec) if "networks" in fields else started

    def sweep(self, request: SweepRequest) -> Sweep:
        sweep = super().sweep(request)
        more = {CloudKind.NETWORK: self.networks.seen(), CloudKind.IMAGE: self.images.seen()}
        return replace(sweep, portions={**sweep.portions, **more})

    @property
    def mistakes(self) -> list[str]:
        """All that should not have been asked for."""
        return [*self.wrong, *self.networks.wrong, *self.images.wrong]

    def _connected(self, machine: Machine, spec: MachineSpec) -> Started[Machine]:
        words = {one.attaches for one in self.networks.there.values()} - {""}
        for nic in spec.networks:
            if nic.network not in words:
                self.wrong.append(f"{machine.name} in {nic.network!r}, which is none of {sorted(words)}")
        ports = tuple(Port((nic.network,), vlan=nic.vlan or "") for nic in spec.networks)
        return self._changed(machine, ports=ports)
