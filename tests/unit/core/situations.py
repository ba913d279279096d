"""Arbitrary situations: whatever may be wanted, on record and seen, however unlikely together."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker
from hybridge.core.lifecycle import Drift, Import
from hybridge.core.machine import (
    Change,
    Disk,
    Machine,
    MachineSpec,
    Nic,
    Port,
    Power,
    PowerOff,
    Restart,
    RestartPhase,
    Traits,
    VolumeUse,
)
from hybridge.core.machine_situation import Record, Situation
from hybridge.core.plan import Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from hybridge.core.task import Task, TaskState

MINE = Marker("cluster-1", "uid-1", "VirtualMachine", "shop", "web-1")
EARLIER = replace(MINE, uid="uid-0")
#: The same name in another cluster, another name in the same cluster, and another kind.
OTHERS = (replace(MINE, cluster="cluster-2"), replace(EARLIER, name="web-2"), replace(EARLIER, kind="Volume"))
UUID, OTHER_UUID = "uuid-1", "uuid-2"
IDENTITY = "account-1"
#: Ids of volumes that Volumes of this cluster own.
VOLUMES = ("vol-1", "vol-2", "vol-3")
NOW = 1_000_000.0

ids = st.sampled_from(["101", "102", "103"])
sizes = st.sampled_from([None, 1, 2, 4])
tags = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "2"]), max_size=2)
markers = st.sampled_from([None, MINE, MINE, MINE, EARLIER, *OTHERS])

machines = st.builds(
    Machine,
    id=ids,
    name=st.just("web"),
    power=st.sampled_from([*Power, Power.RUNNING, Power.STOPPED]),
    marker=markers,
    uuid=st.sampled_from([None, UUID, UUID, OTHER_UUID]),
    cpus=sizes,
    memory=sizes,
    root_disk=sizes,
    instance_type=st.sampled_from([None, "small", "large"]),
    tags=tags,
    hot_add_cpus=st.booleans(),
    hot_add_memory=st.booleans(),
    lock=st.sampled_from([None, None, None, "clone", "backup"]),
    ports=st.sampled_from([None, (), (Port(("net-a", "id-a")),), (Port(("net-a",)), Port(("net-b",)))]),
    disks=st.sampled_from([None, (), (), (Disk("vol-1"),), (Disk("vol-1"), Disk("vol-2"), Disk("foreign"))]),
    settings=st.sampled_from([{}, {"placement.node": ("n1",), "x.bios": ("ovmf",), "x.key": ("k1",)}]),
    pending=st.sampled_from([{}, {}, {"cpus": "2", "x.bios": "ovmf"}]),
    protection=st.sampled_from(["", "", "", "the option is on"]),
    template=st.booleans(),
    detailed=st.sampled_from([True, True, False]),
)
specs = st.builds(
    MachineSpec,
    name=st.just("web"),
    cpus=sizes,
    memory=sizes,
    root_disk=sizes,
    power=st.sampled_from([Power.RUNNING, Power.RUNNING, Power.STOPPED, None]),
    networks=st.sampled_from([(), (Nic("nic0", "net-a"),), (Nic("nic0", "id-a"), Nic("nic1", "net-c"))]),
    volumes=st.sampled_from(
        [
            (),
            (),
            (VolumeUse("data", "db-data", "vol-1"),),
            (VolumeUse("logs", "db-logs", "vol-3"), VolumeUse("data", "db-data")),
        ]
    ),
    placement=st.sampled_from([{}, {}, {"node": "n2"}]),
    power_off=st.sampled_from(PowerOff),
    tags=tags,
    options=st.sampled_from([{}, {}, {"instanceType": "small"}, {"bios": "seabios", "key": "k2"}]),
    disruption=st.booleans(),
    recreate_lost=st.booleans(),
    detach=st.booleans(),
    named=st.booleans(),
    observed=st.sampled_from([False, False, False, True]),
    imports=st.sampled_from([None, None, None, Import(id="101"), Import(name="web", tags={"a": "1"})]),
    drift=st.sampled_from([Drift.CORRECT, *Drift]),
    restart_token=st.sampled_from([None, None, "1", "2"]),
)
traits = st.builds(
    Traits,
    exact_sizes=st.booleans(),
    delete_needs_stop=st.booleans(),
    chooses_uuid=st.booleans(),
    initialize=st.booleans(),
    visibility=st.sampled_from([0.0, 300.0]),
    lag=st.sampled_from([0.0, 60.0]),
    token_lifetime=st.sampled_from([0.0, 600.0]),
    block=st.just("x"),
    changes=st.sampled_from([{}, {"placement.node": Change.ONLINE, "x.bios": Change.STOPPED}]),
)
intents = st.builds(
    Intent,
    attempt=st.integers(0, 3),
    token=st.just("token"),
    name=st.just("web"),
    uuid=st.sampled_from(["", UUID, UUID]),
    provider_identity=st.sampled_from([IDENTITY, IDENTITY, IDENTITY, IDENTITY, "account-2"]),
    started_at=st.sampled_from([NOW - seconds for seconds in (0, 30, 100, 299, 301, 1000)]),
    id=st.one_of(st.none(), ids),
    rejected=st.sampled_from([False, False, False, True]),
)
tasks = st.builds(
    Task,
    id=st.just("task-1"),
    operation=st.sampled_from(["Clone", "Shutdown", "Destroy"]),
    started_at=st.sampled_from([NOW, NOW - 60, NOW - 600]),
    state=st.sampled_from([*TaskState, TaskState.RUNNING]),
    progress=st.sampled_from([None, 40]),
)
records = st.builds(
    Record,
    id=st.one_of(st.none(), ids),
    intent=st.one_of(st.none(), intents, intents),
    created=st.booleans(),
    deleting=st.booleans(),
    protected=st.sampled_from([False, False, True]),
    reached=st.booleans(),
    drifted=st.sampled_from([{}, {"cpus": "2", "powerState": "Running"}]),
    restart=st.one_of(st.none(), st.builds(Restart, st.sampled_from(["", "1", "2"]), st.sampled_from([*RestartPhase]))),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Only what Sight promises is kept: carriers carry our marker, what is on record has the id on record,
    and what was seen has an id.
    """
    situation = Situation(draw(specs), draw(records), Sight(settled=True), draw(traits), MINE, IDENTITY, NOW)
    if situation.id is None:
        situation = replace(situation, record=replace(situation.record, created=False))
    seen = draw(st.lists(machines, max_size=3, unique_by=lambda machine: machine.id))
    recorded = draw(st.one_of(st.none(), machines))
    others = [machine for machine in seen if machine.detailed and machine.marker]
    sight = Sight(
        settled=draw(st.booleans()),
        recorded=replace(recorded, id=situation.id) if recorded and situation.id else None,
        absent=draw(st.booleans()),
        carriers=tuple(machine for machine in others if machine.marker == MINE),
        predecessors=tuple(machine for machine in others if machine.marker != MINE),
        matches=tuple(seen) if situation.spec.imports else (),
        task=draw(st.one_of(st.none(), st.none(), tasks)),
        searched_at=draw(st.sampled_from([None, NOW - 600, NOW - 1, NOW])),
        token_spent=draw(st.booleans()),
    )
    return replace(
        situation,
        sight=sight,
        volumes=draw(st.sampled_from([(), VOLUMES])),
        detachable=draw(st.sampled_from([(), VOLUMES])),
        unread=draw(st.sampled_from([(), (), ("foreign",)])),
        others=draw(st.sampled_from([{}, {}, {"foreign": "Volume shop/data (cluster-2/uid-9)"}])),
        unconnected=draw(st.sampled_from([{}, {}, {"nic0": Refuse(Reason.NOT_PERMITTED, "it is not granted")}])),
        held=draw(st.sampled_from([{}, {}, {"logs": Wait(Reason.DEPENDENCY_NOT_READY, "it is at another")}])),
    )


def proven(spec: MachineSpec, machine: Machine, traits: Traits, *, created: bool = True) -> Situation:
    """A machine that is provably ours, and seen whole."""
    machine = replace(machine, marker=MINE, uuid=UUID, lock=None, detailed=True)
    intent = Intent(1, "token", spec.name, UUID, IDENTITY, NOW - 9999)
    record = Record(machine.id, intent, created=created)
    return Situation(spec, record, Sight(settled=True, recorded=machine), traits, MINE, IDENTITY, NOW)
