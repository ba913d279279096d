"""Arbitrary situations of the kinds that have no power: whatever may be wanted, on record and seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hypothesis import strategies as st

from hybridge.core import firewall_plan, image_plan, network_plan, snapshot_plan, volume_plan
from hybridge.core.attempt import Intent
from hybridge.core.firewall import Direction, Firewall, FirewallSpec, FirewallTraits, Ports, Protocol, Rule
from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Image, ImageSpec, ImageTraits, Published
from hybridge.core.lifecycle import Drift, Import
from hybridge.core.machine import Change
from hybridge.core.managed import State
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.plan import Plan
from hybridge.core.situation import AnySituation, Record, Sight
from hybridge.core.snapshot import Consistency, Snapshot, SnapshotSpec, SnapshotTraits
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Attachment, Volume, VolumeSpec, VolumeTraits
from tests.unit.core.situations import IDENTITY, NOW

#: Any object of the core. Strategies of several kinds have no closer type in common.
Whatever = Any


ids = st.sampled_from(["a-1", "a-2", "a-3"])
intents = st.builds(
    Intent,
    attempt=st.integers(0, 3),
    token=st.just("token"),
    name=st.just("data"),
    uuid=st.just(""),
    provider_identity=st.sampled_from([IDENTITY, IDENTITY, IDENTITY, IDENTITY, "account-2"]),
    started_at=st.sampled_from([NOW - seconds for seconds in (0, 30, 100, 299, 301, 1000)]),
    id=st.one_of(st.none(), ids),
    rejected=st.sampled_from([False, False, False, True]),
)
tasks = st.builds(
    Task,
    id=st.just("task-1"),
    operation=st.just("Copy"),
    started_at=st.just(NOW - 60),
    state=st.sampled_from([*TaskState, TaskState.RUNNING]),
)


def recorded(
    record: Callable[..., Whatever] = Record, **more: st.SearchStrategy[Whatever]
) -> st.SearchStrategy[Whatever]:
    """Records of a kind, and what it has of its own."""
    return st.builds(
        record,
        **{
            "id": st.one_of(st.none(), ids),
            "intent": st.one_of(st.none(), intents, intents),
            "created": st.booleans(),
            "deleting": st.booleans(),
            "protected": st.sampled_from([False, False, True]),
            "reached": st.booleans(),
            "drifted": st.just({}),
            **more,
        },
    )


def _is_deleting(situation: Whatever) -> bool:
    deleting: bool = situation.record.deleting
    return deleting


def _met_record(record: Whatever, _spec: Whatever) -> Whatever:
    return replace(record, reached=True, created=True)


@dataclass(frozen=True)
class Case:
    """A kind: its plan, what a situation of it is made from, what it looks like where it is as wanted, whether it has been
    asked to go, and what is on record once this spec is met.
    """

    noun: str
    plan: Callable[[Whatever], Plan]
    situation: Callable[..., Whatever]
    specs: st.SearchStrategy[Whatever] = field(repr=False)
    objects: st.SearchStrategy[Whatever] = field(repr=False)
    traits: st.SearchStrategy[Whatever] = field(repr=False)
    met: Callable[[Whatever, Whatever], Whatever] = field(repr=False)
    records: st.SearchStrategy[Whatever] = field(default_factory=recorded, repr=False)
    record: Callable[..., Whatever] = Record

    going: Callable[[Whatever], bool] = _is_deleting
    met_record: Callable[[Whatever, Whatever], Whatever] = _met_record

    def marker(self, uid: str = "uid-1") -> Marker:
        """The marker of the object that the test is about."""
        return Marker("cluster-1", uid, self.noun.capitalize(), "shop", "data")


sizes = st.sampled_from([None, 1, 2, 4])
tags = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "2"]), max_size=2)
machine_ids = st.sampled_from(["m-1", "m-2", "m-9"])


def wanted(**more: st.SearchStrategy[Whatever]) -> dict[str, st.SearchStrategy[Whatever]]:
    """Strategies for what all specs have, and ``more``."""
    return {
        "name": st.just("data"),
        "tags": tags,
        "named": st.booleans(),
        "observed": st.sampled_from([False, False, False, True]),
        "imports": st.sampled_from([None, None, None, Import(id="a-1"), Import(name="data")]),
        "detach": st.booleans(),
        "drift": st.sampled_from([Drift.CORRECT, *Drift]),
        "recreate_lost": st.booleans(),
        **more,
    }


def shown(**more: st.SearchStrategy[Whatever]) -> dict[str, st.SearchStrategy[Whatever]]:
    """Strategies for what all cloud objects have, and ``more``."""
    return {
        "id": ids,
        "name": st.sampled_from(["data", "other"]),
        "state": st.sampled_from([*State, State.READY, State.READY]),
        "tags": tags,
        "lock": st.sampled_from([None, None, None, "backup"]),
        "protection": st.sampled_from(["", "", "", "the option is on"]),
        "unfit": st.sampled_from(["", "", "", "no such thing"]),
        "detailed": st.sampled_from([True, True, False]),
        **more,
    }


def guaranteed(**more: st.SearchStrategy[Whatever]) -> dict[str, st.SearchStrategy[Whatever]]:
    """Strategies for what all traits have, and ``more``."""
    return {
        "visibility": st.sampled_from([0.0, 300.0]),
        "lag": st.sampled_from([0.0, 60.0]),
        "token_lifetime": st.sampled_from([0.0, 600.0]),
        **more,
    }


def _volume_met(spec: VolumeSpec, volume: Volume) -> Volume:
    return replace(
        volume,
        size=max(spec.size or 0, volume.size or 0),
        iops=spec.iops,
        throughput=spec.throughput,
        encrypted=spec.encrypted,
        settings={
            **({"class": (spec.class_,)} if spec.class_ else {}),
            **{f"placement.{key}": (value,) for key, value in spec.placement.items()},
            **{f"x.{key}": (str(value),) for key, value in spec.options.items()},
        },
    )


VOLUME = Case(
    "volume",
    volume_plan.plan,
    volume_plan.Situation,
    st.builds(
        VolumeSpec,
        **wanted(
            size=sizes,
            class_=st.sampled_from([None, "fast", "slow"]),
            iops=sizes,
            throughput=sizes,
            encrypted=st.sampled_from([None, True, False]),
            placement=st.sampled_from([{}, {"zone": "z1"}]),
            options=st.sampled_from([{}, {"key": "k1"}]),
        ),
    ),
    st.builds(
        Volume,
        **shown(
            size=sizes,
            iops=sizes,
            throughput=sizes,
            encrypted=st.sampled_from([None, True, False]),
            settings=st.sampled_from([{}, {"class": ("fast",), "placement.zone": ("z2",), "x.key": ("k2",)}]),
            attachments=st.lists(st.builds(Attachment, machine_ids), max_size=2).map(tuple),
        ),
    ),
    st.builds(
        VolumeTraits,
        **guaranteed(
            block=st.just("x"),
            changes=st.sampled_from([{}, {"size": Change.ONLINE, "class": Change.STOPPED, "iops": Change.ONLINE}]),
        ),
    ),
    _volume_met,
)


def _network_met(spec: NetworkSpec, network: Network) -> Network:
    return replace(
        network,
        parts=(*spec.parts, "another"),
        settings={
            **({"cidr": (spec.cidr,)} if spec.cidr else {}),
            **({"vlan": (str(spec.vlan),)} if spec.vlan else {}),
            **{f"x.{key}": (str(value),) for key, value in spec.options.items()},
        },
    )


NETWORK = Case(
    "network",
    network_plan.plan,
    network_plan.Situation,
    st.builds(
        NetworkSpec,
        **wanted(
            cidr=st.sampled_from([None, "10.0.0.0/24"]),
            vlan=st.sampled_from([None, 1, 2]),
            options=st.sampled_from([{}, {"zone": "z1"}]),
            parts=st.sampled_from([(), ("subnet",), ("subnet", "route")]),
            disruption=st.booleans(),
        ),
    ),
    st.builds(
        Network,
        **shown(
            settings=st.sampled_from([{}, {"cidr": ("10.0.1.0/24",), "vlan": ("1",), "x.zone": ("z2",)}]),
            parts=st.sampled_from([(), ("subnet",), ("subnet", "route")]),
            machines=st.lists(machine_ids, max_size=2).map(tuple),
        ),
    ),
    st.builds(
        NetworkTraits,
        **guaranteed(block=st.just("x"), changes=st.sampled_from([{}, {"vlan": Change.STOPPED}])),
    ),
    _network_met,
)


def _as_it_is(_spec: Whatever, found: Whatever) -> Whatever:
    """What has nothing to be changed but its name and tags."""
    return found


IMAGE = Case(
    "image",
    image_plan.plan,
    image_plan.Situation,
    st.builds(ImageSpec, **wanted(source=st.sampled_from([None, Copy("i-1"), Published("web")]))),
    st.builds(
        Image, **shown(machines=st.lists(machine_ids, max_size=2).map(tuple), progress=st.sampled_from([None, 40]))
    ),
    st.builds(ImageTraits, **guaranteed()),
    _as_it_is,
)
SNAPSHOT = Case(
    "snapshot",
    snapshot_plan.plan,
    snapshot_plan.Situation,
    st.builds(SnapshotSpec, **wanted(expires_after=st.sampled_from([None, None, 60.0, 3600.0]))),
    st.builds(Snapshot, **shown(consistency=st.sampled_from([None, *Consistency]))),
    st.builds(SnapshotTraits, **guaranteed()),
    _as_it_is,
    recorded(
        snapshot_plan.Record,
        taken_at=st.sampled_from([None, NOW - 600.0, NOW]),
        expired=st.sampled_from([False, False, False, True]),
    ),
    snapshot_plan.Record,
    lambda situation: situation.record.deleting or snapshot_plan.is_expired(situation),
)


def _firewall_met(spec: FirewallSpec, firewall: Firewall) -> Firewall:
    entries = tuple(entry for rule in spec.rules for entry in rule.entries)
    return replace(firewall, entries=tuple(reversed(entries)), members=(*reversed(spec.members), "m-9"))


WEB = Rule("web", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8", "::/0"), (Ports(80, 80), Ports(443, 443)))
SSH = Rule("ssh", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8",), (Ports(22, 22),))
OUT = Rule("out", Direction.EGRESS, Protocol.ANY, ("0.0.0.0/0",))

FIREWALL = Case(
    "firewall",
    firewall_plan.plan,
    firewall_plan.Situation,
    st.builds(
        FirewallSpec,
        **wanted(
            rules=st.sampled_from([(), (WEB,), (WEB, OUT), (SSH, WEB)]),
            members=st.sampled_from([(), ("m-1",), ("m-1", "m-2")]),
        ),
    ),
    st.builds(
        Firewall,
        **shown(
            entries=st.sampled_from([(), WEB.entries, (*WEB.entries[1:], *SSH.entries), OUT.entries]),
            members=st.lists(machine_ids, max_size=3, unique=True).map(tuple),
        ),
    ),
    st.builds(FirewallTraits, **guaranteed()),
    _firewall_met,
    recorded(
        firewall_plan.Record,
        met=st.sampled_from([None, firewall_plan.Wanted("a", "b"), firewall_plan.wanted(FirewallSpec("data"))]),
    ),
    firewall_plan.Record,
    met_record=lambda record, spec: replace(record, reached=True, created=True, met=firewall_plan.wanted(spec)),
)

CASES = (VOLUME, NETWORK, IMAGE, SNAPSHOT, FIREWALL)


@st.composite
def situations(draw: st.DrawFn, case: Case) -> AnySituation:
    """Only what Sight promises is kept: carriers carry our marker, what is on record has the id on record,
    and what was seen has an id.
    """
    mine = case.marker()
    others = (replace(mine, cluster="cluster-2"), replace(mine, uid="uid-0", name="other"))
    markers = st.sampled_from([None, mine, mine, mine, case.marker("uid-0"), *others])
    objects = st.builds(lambda found, marker: replace(found, marker=marker), case.objects, markers)
    situation = case.situation(
        draw(case.specs), draw(case.records), Sight(settled=True), draw(case.traits), mine, IDENTITY, NOW
    )
    if situation.id is None:
        situation = replace(situation, record=replace(situation.record, created=False))
    seen = draw(st.lists(objects, max_size=3, unique_by=lambda found: found.id))
    recorded = draw(st.one_of(st.none(), objects))
    marked = [found for found in seen if found.detailed and found.marker]
    sight = Sight(
        settled=draw(st.booleans()),
        recorded=replace(recorded, id=situation.id) if recorded and situation.id else None,
        absent=draw(st.booleans()),
        carriers=tuple(found for found in marked if found.marker == mine),
        predecessors=tuple(found for found in marked if found.marker != mine),
        matches=tuple(seen) if situation.spec.imports else (),
        task=draw(st.one_of(st.none(), st.none(), tasks)),
        searched_at=draw(st.sampled_from([None, NOW - 600, NOW - 1, NOW])),
        token_spent=draw(st.booleans()),
        users=draw(st.sampled_from([(), (), ("VirtualMachine shop/web",)])),
        owners=draw(st.sampled_from([{}, {"m-1": "VirtualMachine shop/web", "m-2": "VirtualMachine shop/db"}])),
    )
    return _with(situation, sight)


def _with(situation: Whatever, sight: Sight[Whatever]) -> AnySituation:
    """The situation with what its kind sees besides left as it was."""
    kept = {one.name: getattr(situation.sight, one.name) for one in fields(situation.sight)}
    new = {one.name: getattr(sight, one.name) for one in fields(sight)}
    made: AnySituation = replace(situation, sight=type(situation.sight)(**(kept | new)))
    return made


def seen(
    case: Case, spec: Whatever, found: Whatever, traits: Whatever, *, deleting: bool = False, **sight: Whatever
) -> Whatever:
    """What is provably ours, as it is to be looked at by a single test."""
    made: Whatever = proven(case, spec, found, traits)
    recorded = replace(made.sight.recorded, state=found.state, lock=found.lock)
    return replace(
        made,
        record=replace(made.record, deleting=deleting),
        sight=replace(made.sight, recorded=recorded, **sight),
    )


def proven(case: Case, spec: Whatever, found: Whatever, traits: Whatever, *, created: bool = True) -> AnySituation:
    """What is provably ours, whole, ready and seen in detail."""
    mine = replace(found, marker=case.marker(), lock=None, detailed=True, state=State.READY)
    intent = Intent(1, "token", spec.name, "", IDENTITY, NOW - 9999)
    situation: AnySituation = case.situation(
        spec,
        case.record(mine.id, intent, created=created),
        Sight(settled=True, recorded=mine),
        traits,
        case.marker(),
        IDENTITY,
        NOW,
    )
    return situation
