"""A life of a machine under faults: it ends as the spec wants it, with one machine, or with none after a deletion."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.lifecycle import Import
from hybridge.core.machine import MachineSpec, Power, PowerOff, Restart, Traits
from hybridge.core.machine_diff import differences
from hybridge.core.plan import Do, Refuse, Release, Rest, Step, Verb, Wait
from hybridge.core.reasons import Reason
from tests.unit.core.cloud_model import MINE, PREDECESSOR, Cloud, Fate, Guest, Nature
from tests.unit.core.operator_model import Operator

SPEC = MachineSpec("web-1-uid1", cpus=2, memory=4 << 30, root_disk=20 << 30, tags={"team": "shop"})
#: More steps than any life needs once nothing interferes any more.
BOUND = 60
VISIBILITY = 300.0
#: The id of a machine that was there before, and is imported in some lives.
FOUND = "55"

EC2 = Nature(
    Traits(
        exact_sizes=False,
        delete_needs_stop=False,
        chooses_uuid=False,
        visibility=VISIBILITY,
        token_lifetime=3600.0,
        lag=VISIBILITY,
    ),
    lag=40.0,
    remembers=True,
)
PROXMOX = Nature(
    Traits(initialize=True, visibility=VISIBILITY), chooses_id=True, tasks=True, bulk_is_plain=True, hot_add=True
)
VSPHERE = Nature(Traits(visibility=VISIBILITY, token_lifetime=600.0), tasks=True, hot_add=True)
CLOUDS = {"ec2": EC2, "proxmox": PROXMOX, "vsphere": VSPHERE}


class Event(Enum):
    """What happens besides the operator's own work."""

    CRASH = "crash"
    STOPPED = "somebody stops the machine"
    RESIZED = "somebody changes its size"
    RETAGGED = "somebody changes a tag"
    DESTROYED = "somebody destroys it"
    REUSED = "somebody destroys it, and a stranger gets its id"
    COPIED = "somebody copies it with its marker"
    DEAF = "its guest no longer obeys"
    SECRET = "the Secret changes, so that tokens do not match"
    DELETE = "the object is deleted"


@dataclass(frozen=True)
class Life:
    """One story: what the cloud is like, what becomes of each change, and what happens before which step."""

    nature: Nature
    spec: MachineSpec = SPEC
    fates: tuple[Fate, ...] = ()
    events: tuple[tuple[int, Event | MachineSpec], ...] = ()
    predecessor: bool = False
    imported: bool = False


def live(life: Life) -> Operator:
    """Lives it to its end, which has to come within the bound."""
    cloud = Cloud(life.nature, fates=list(life.fates))
    if life.predecessor:
        cloud.stranger("77", PREDECESSOR)
    spec = life.spec
    if life.imported:
        cloud.stranger(FOUND)
        spec = replace(spec, imports=Import(id=FOUND))
    operator = Operator(cloud, spec)
    last = max((when for when, _ in life.events), default=0)
    calm = 0
    for step in itertools.count():
        for when, event in life.events:
            if when == step:
                happen(operator, event)
        fates = len(cloud.fates)
        plan = operator.reconcile()
        calm = calm + 1 if step >= last and fates == len(cloud.fates) and cloud.quiet else 0
        # What happened last has been seen after a sweep or two.
        if operator.status.released or (calm >= 4 and ended(operator, plan.step)):
            return operator
        assert calm < BOUND, f"no end in sight: {[plan.step for plan in operator.steps[-6:]]}"
        assert step < 40 * BOUND
    raise AssertionError


def ended(operator: Operator, step: Step) -> bool:
    if isinstance(step, Wait) and step.after is None:
        return is_deaf(operator) and step.reason is Reason.STOPPING and operator.spec.power_off is PowerOff.SOFT
    return isinstance(step, Rest | Refuse | Release)


def is_deaf(operator: Operator) -> bool:
    return any(not guest.obeys for guest in operator.cloud.ours())


def happen(operator: Operator, event: Event | MachineSpec) -> None:
    cloud = operator.cloud
    if isinstance(event, MachineSpec):
        operator.spec = replace(event, imports=operator.spec.imports)
        return
    if event is Event.CRASH:
        operator.crash()
    elif event is Event.DELETE:
        operator.deleting = True
    elif event is Event.SECRET:
        cloud.spent |= {f"hybridge-{MINE.uid}-{attempt}" for attempt in range(1, 9)}
    else:
        for guest in [guest for guest in cloud.ours() if not guest.machine.lock and guest.machine.marker == MINE]:
            befall(operator, guest, event)


def befall(operator: Operator, guest: Guest, event: Event) -> None:
    cloud, machine = operator.cloud, guest.machine
    match event:
        case Event.STOPPED:
            guest.machine = replace(machine, power=Power.STOPPED)
        case Event.RESIZED:
            guest.machine = replace(machine, cpus=1, memory=1 << 30)
        case Event.RETAGGED:
            guest.machine = replace(machine, tags={"team": "other", "more": "x"})
        case Event.DEAF:
            guest.obeys = False
        case Event.COPIED:
            if operator.status.id == machine.id:
                cloud.appears(replace(machine, id=f"{machine.id}-copy-{len(cloud.guests)}", uuid="copied"))
        case Event.DESTROYED:
            cloud.destroy(guest)
        case Event.REUSED:
            cloud.destroy(guest)
            if cloud.nature.chooses_id:
                cloud.stranger(machine.id)


def check_end(operator: Operator, life: Life) -> None:
    """The end is good, and stays so."""
    happened = {event for _, event in life.events if isinstance(event, Event)}
    step = operator.steps[-1].step
    ours = operator.cloud.ours()
    if isinstance(step, Refuse):
        assert_refusal_is_justified(operator, step, happened)
        return
    if isinstance(step, Release):
        assert operator.deleting
        assert not ours or operator.spec.detach
    else:
        assert not operator.deleting
        assert [guest.machine.power for guest in ours] == [operator.spec.power] or isinstance(step, Wait)
        assert isinstance(step, Wait) or not differences(operator.spec, ours[0].machine, life.nature.traits)
        record = operator.status.restart
        assert record is not None
        assert record == Restart(operator.spec.restart_token or record.token) or isinstance(step, Wait)
        assert not life.imported or [guest.machine.id for guest in ours] == [FOUND]
    assert all(guest.foreign in (None, guest.machine) for guest in operator.cloud.guests)
    operator.cloud.advance(10 * VISIBILITY)
    assert len(operator.cloud.ours()) == len(ours) or operator.spec.detach


def assert_refusal_is_justified(operator: Operator, step: Refuse, happened: set[Event]) -> None:
    ours = operator.cloud.ours()
    match step.reason:
        case Reason.RESTART_REQUIRED:
            assert not operator.spec.disruption
            assert [guest.machine.power for guest in ours] == [Power.RUNNING]
        case Reason.LOST:
            assert happened & {Event.DESTROYED, Event.REUSED}
            assert not operator.spec.recreate_lost or operator.spec.imports
            assert not ours
        case Reason.IDENTITY_MISMATCH:
            let_go = [guest for guest in operator.cloud.guests if not guest.ours and guest.foreign is None]
            assert let_go or Event.REUSED in happened
            assert let_go or not operator.cloud.nature.traits.chooses_uuid
        case _:
            raise AssertionError(step)


SPECS = st.builds(
    replace,
    st.just(SPEC),
    cpus=st.sampled_from([2, 4]),
    memory=st.sampled_from([4 << 30, 8 << 30]),
    root_disk=st.sampled_from([20 << 30, 30 << 30]),
    power=st.sampled_from([Power.RUNNING, Power.STOPPED]),
    power_off=st.sampled_from(list(PowerOff)),
    tags=st.sampled_from([{"team": "shop"}, {"team": "it", "a": "b"}]),
    disruption=st.booleans(),
    recreate_lost=st.booleans(),
    detach=st.booleans(),
    restart_token=st.sampled_from([None, "1", "2"]),
)


@st.composite
def natures(draw: st.DrawFn) -> Nature:
    initialize = draw(st.booleans())
    lag = draw(st.sampled_from([0.0, 5.0, 200.0]))
    traits = Traits(
        exact_sizes=draw(st.booleans()),
        delete_needs_stop=draw(st.booleans()),
        # By the UUID the plan knows that a machine was initialized.
        chooses_uuid=initialize or draw(st.booleans()),
        initialize=initialize,
        visibility=VISIBILITY,
        token_lifetime=draw(st.sampled_from([0.0, 20.0, 3600.0])),
        lag=VISIBILITY if lag else 0.0,
    )
    return Nature(
        traits,
        chooses_id=draw(st.booleans()),
        delay=draw(st.sampled_from([2.0, 30.0, 90.0])),
        lag=lag,
        tasks=draw(st.booleans()),
        remembers=draw(st.booleans()),
        bulk_is_plain=initialize and draw(st.booleans()),
        hot_add=draw(st.booleans()),
    )


HARMLESS = [Event.CRASH, Event.STOPPED, Event.RESIZED, Event.RETAGGED, Event.COPIED, Event.DEAF, Event.SECRET]
LOSSES = [Event.DESTROYED, Event.REUSED]


@st.composite
def lives(draw: st.DrawFn) -> Life:
    # What is copied and then lost cannot be told from its copy, and nobody promises that.
    lossy = [event for event in [*HARMLESS, *LOSSES] if event is not Event.COPIED]
    kinds = HARMLESS if draw(st.booleans()) else lossy
    event = st.one_of(st.sampled_from([*kinds, Event.CRASH, Event.DELETE]), SPECS)
    return Life(
        draw(st.one_of(st.sampled_from(list(CLOUDS.values())), natures())),
        draw(SPECS),
        tuple(draw(st.lists(st.sampled_from(list(Fate)), max_size=12))),
        tuple(draw(st.lists(st.tuples(st.integers(0, 40), event), max_size=6))),
        **draw(st.sampled_from([{}, {"predecessor": True}, {"imported": True}])),
    )


@settings(max_examples=5 * settings().max_examples)
@given(lives())
def test_every_life_ends_well(life: Life) -> None:
    check_end(live(life), life)


@settings(max_examples=5 * settings().max_examples)
@given(lives(), st.integers(0, 60))
def test_a_deletion_at_any_moment_leaves_nothing_behind(life: Life, when: int) -> None:
    life = replace(life, events=(*life.events, (when, Event.DELETE)))
    operator = live(life)
    check_end(operator, life)
    if isinstance(operator.steps[-1].step, Refuse):
        # A person was asked for, and does what was advised.
        operator.spec = replace(operator.spec, detach=True)
        while not operator.status.released:
            operator.reconcile()
            assert len(operator.steps) < 80 * BOUND


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("origin", [{}, {"predecessor": True}, {"imported": True}])
def test_every_single_fault_is_survived(cloud: str, deleted: bool, origin: dict[str, bool]) -> None:
    wishes = replace(SPEC, disruption=True), replace(SPEC, disruption=True, cpus=4, memory=8 << 30, restart_token="1")
    for at, fate in itertools.product(range(8), Fate):
        events: list[tuple[int, Event | MachineSpec]] = [(12, wishes[1])]
        if deleted:
            events.append((30, Event.DELETE))
        life = Life(CLOUDS[cloud], wishes[0], (*[Fate.GOOD] * at, fate), tuple(events), **origin)
        operator = live(life)
        check_end(operator, life)
        assert isinstance(operator.steps[-1].step, Release if deleted else Rest)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_undisturbed_life_makes_few_changes(cloud: str) -> None:
    life = Life(CLOUDS[cloud])
    operator = live(life)
    verbs = [plan.step.verb for plan in operator.steps if isinstance(plan.step, Do)]
    expected = {
        "ec2": [Verb.CREATE],
        "proxmox": [Verb.CREATE, Verb.INITIALIZE, Verb.SET_POWER],
        "vsphere": [Verb.CREATE, Verb.SET_POWER],
    }
    assert verbs == expected[cloud]
    for _ in range(20):
        assert operator.reconcile().step == Rest()
