"""A small cloud in virtual time.

It is right but unkind: answers get lost, effects come late, what was created stays invisible for a while, and people
interfere. Whatever must never happen raises Violation at the moment it happens: a second machine, a touch on what is
not ours, a surprising power cycle, a deletion that nobody asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from hybridge.core.attempt import Intent
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, MachineSpec, Power, PowerOff, Traits
from hybridge.core.task import Task, TaskState

MINE = Marker("cluster-1", "uid-1", "VirtualMachine", "shop", "web-1")
PREDECESSOR = replace(MINE, uid="uid-0")
#: A power state that a person or a task brings about needs so many seconds.
TASK_SECONDS = 3.0


class Violation(AssertionError):
    """Something happened that must never happen."""


class Unanswered(Exception):
    """No answer came, so the call may have taken effect."""


class NoEffect(Exception):
    """The cloud proved that the call had no effect."""


class Crash(Exception):
    """The operator's process ended in the middle of a call."""


class TokenSpent(Exception):
    """The token was used before, with other parameters."""


class Fate(Enum):
    """What becomes of one call that changes the cloud."""

    GOOD = "good"
    REFUSED = "refused"
    UNSENT = "the answer is lost, and so was the request"
    UNHEARD = "the answer is lost, the effect is not"
    LATE = "the answer is lost, the effect comes later"
    CRASH_BEFORE = "crash before the request"
    CRASH_AFTER = "crash before the answer"
    CRASH_LATE = "crash, and the effect comes later"


CRASHES = frozenset({Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.CRASH_LATE})


@dataclass(frozen=True)
class Nature:
    """What kind of cloud it is, besides its traits.

    ``chooses_id``: the operator chooses ids, and they are reused. ``delay``: how late a late effect is. ``lag``: seconds
    for which reads deny what was just created. ``tasks``: changes go on after they were accepted. ``remembers``:
    what was deleted is shown as gone. ``bulk_is_plain``: a list shows details only from the second look on.
    """

    traits: Traits
    chooses_id: bool = False
    delay: float = 50.0
    lag: float = 0.0
    tasks: bool = False
    remembers: bool = False
    bulk_is_plain: bool = False
    hot_add: bool = False


@dataclass
class Guest:
    """The truth about one machine. ``ours``: it has to go with the object that the test is about. ``foreign``: how it
    was made by somebody else, if it is not to be touched.
    """

    machine: Machine
    ours: bool
    foreign: Machine | None = None
    visible_at: float = 0.0
    obeys: bool = True
    dead: bool = False


@dataclass
class Cloud:
    """The truth. Times are virtual seconds."""

    nature: Nature
    now: float = 1_000_000.0
    fates: list[Fate] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    mutations: int = 0
    may_stop: bool = True
    may_delete: bool = True
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _unheeded: dict[str, Guest] = field(default_factory=dict)
    _tokens: dict[str, Guest] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(101))

    # Time and truth.

    def advance(self, seconds: float) -> None:
        """Lets time go by, and what is due happen at its own time."""
        end = self.now + seconds
        while due := sorted((item for item in self._later if item[0] <= end), key=lambda item: item[0]):
            self._later.remove(due[0])
            self.now = max(self.now, due[0][0])
            due[0][1]()
        self.now = end

    @property
    def quiet(self) -> bool:
        """Whether nothing more will happen by itself."""
        return not self._later

    def ours(self) -> list[Guest]:
        """Machines that were made, or taken over, for our object and still exist."""
        return [guest for guest in self.guests if guest.ours and not guest.dead]

    def living(self, machine_id: str) -> Guest | None:
        """What has this id now."""
        return next((guest for guest in self.guests if guest.machine.id == machine_id and not guest.dead), None)

    def stranger(self, machine_id: str, marker: Marker | None = None) -> Guest:
        """Somebody else's machine appears."""
        uuid = f"foreign-{len(self.guests)}"
        return self.appears(Machine(machine_id, "stranger", Power.STOPPED, marker, uuid=uuid, cpus=1, memory=1))

    def appears(self, machine: Machine) -> Guest:
        """A machine that somebody else made."""
        guest = Guest(machine, ours=False, foreign=machine)
        self.guests.append(guest)
        return guest

    # Reads.

    def listed(self) -> dict[str, Machine]:
        """A bulk list."""
        return {guest.machine.id: guest.machine for guest in self.guests if self._shown(guest)}

    def get(self, machine_id: str) -> Machine | None:
        """One machine by id. None is what the cloud says, be it because it does not see its newest machine yet."""
        return self.listed().get(machine_id)

    def find(self, marker: Marker, intent: Intent | None) -> list[Machine]:
        """What carries the marker or came from the intent."""
        return [
            machine
            for machine in self.listed().values()
            if (machine.marker and machine.marker.owner == marker.owner) or (intent and machine.id == intent.id)
        ]

    def _shown(self, guest: Guest) -> bool:
        if self.now < guest.visible_at:
            return False
        if not guest.dead:
            return True
        reused = self.living(guest.machine.id) is not None
        return self.nature.remembers and not reused

    def task(self, task_id: str) -> Task:
        """How far a task is. A shutdown that the guest does not heed ends when somebody else stops the machine."""
        guest, task = self._unheeded.get(task_id), self.tasks[task_id]
        ended = guest is not None and guest.machine.power is not Power.RUNNING
        return replace(task, state=TaskState.SUCCEEDED) if ended else task

    # Changes.

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> tuple[Machine | None, Task | None]:
        """One machine an attempt, marked from the start."""
        if intent.token in self.spent and intent.token in self._tokens:
            raise TokenSpent
        guest: list[Guest] = []
        sent_at = self.now
        self._meet_fate(lambda: guest.extend(self._made(intent, spec, marker, sent_at)))
        if not guest:
            raise NoEffect
        machine = guest[0].machine
        task = self._task("Clone") if self.nature.tasks and not guest[0].dead else None
        return (None if task and not self.nature.chooses_id else machine), task

    def _made(self, intent: Intent, spec: MachineSpec, marker: Marker, sent_at: float) -> list[Guest]:
        """Nothing, when the id is taken. A request that was overtaken by its repetition makes nothing more."""
        traits = self.nature.traits
        known = self._tokens.get(intent.token) if traits.token_lifetime else None
        if known is not None and (self.nature.remembers or not known.dead or self.now > sent_at):
            return [known]
        if intent.id and self.living(intent.id):
            return []
        if self.ours():
            raise Violation(f"a second machine: {[guest.machine.id for guest in self.ours()]}")
        machine_id = intent.id or f"i-{next(self._numbers)}"
        first = not traits.initialize
        machine = Machine(
            machine_id,
            intent.name,
            Power.STOPPED if self.nature.chooses_id or traits.initialize else Power.RUNNING,
            marker,
            uuid=intent.uuid if first and traits.chooses_uuid else f"clone-{machine_id}",
            cpus=spec.cpus if first else 1,
            memory=spec.memory if first else 1,
            root_disk=spec.root_disk if first else 1,
            tags=dict(spec.tags) if first else {},
            hot_add_cpus=self.nature.hot_add,
            hot_add_memory=self.nature.hot_add,
        )
        if self.nature.tasks:
            machine = replace(machine, power=Power.STOPPED, lock="clone", marker=None)
        guest = Guest(machine, ours=True, visible_at=self.now + self.nature.lag)
        self.guests.append(guest)
        self._tokens[intent.token] = guest
        if self.nature.tasks:
            self._at(TASK_SECONDS, lambda: self._change(guest, lambda now: replace(now, lock=None, marker=marker)))
        return [guest]

    def initialize(self, seen: Machine, spec: MachineSpec, intent: Intent, marker: Marker) -> None:
        """Everything that a new machine gets after its clone."""
        guest = self._proven(seen, marker)
        self._meet_fate(
            lambda: self._change(
                guest,
                lambda now: replace(
                    now,
                    uuid=intent.uuid,
                    cpus=spec.cpus or now.cpus,
                    memory=spec.memory or now.memory,
                    root_disk=spec.root_disk or now.root_disk,
                    tags=dict(spec.tags),
                ),
            )
        )

    def configure(self, seen: Machine, spec: MachineSpec, fields: set[str], marker: Marker) -> None:
        """Sizes, disk and tags. A running machine only takes what can be added while it runs."""
        guest = self._proven(seen, marker)
        self._meet_fate(lambda: self._configured(guest, spec, fields))

    def _configured(self, guest: Guest, spec: MachineSpec, fields: set[str]) -> None:
        machine = guest.machine
        running = machine.power is not Power.STOPPED
        if "cpus" in fields and self._takes(machine.cpus, spec.cpus, running=running):
            machine = replace(machine, cpus=spec.cpus)
        if "memory" in fields and self._takes(machine.memory, spec.memory, running=running):
            machine = replace(machine, memory=spec.memory)
        if "rootDisk" in fields and spec.root_disk:
            machine = replace(machine, root_disk=max(machine.root_disk or 0, spec.root_disk))
        if "tags" in fields:
            machine = replace(machine, tags={**machine.tags, **spec.tags})
        guest.machine = machine

    def _takes(self, found: int | None, wanted: int | None, *, running: bool) -> bool:
        return wanted is not None and (not running or (self.nature.hot_add and wanted > (found or 0)))

    def mark(self, seen: Machine, marker: Marker | None, *, expected: Marker | None) -> None:
        """A takeover or a letting go. From then on it counts as ours, or no more."""
        guest = self._proven(seen, expected)
        if expected != MINE:
            guest.foreign = None
        self._meet_fate(lambda: self._marked(guest, marker))

    def _marked(self, guest: Guest, marker: Marker | None) -> None:
        guest.machine = replace(guest.machine, marker=marker)
        guest.ours = marker is not None

    def set_power(self, seen: Machine, spec: MachineSpec, power: Power, *, hard: bool) -> Task | None:
        """Soft stops ask the guest, which may not listen."""
        guest = self._proven(seen, MINE)
        if power is Power.STOPPED and guest.machine.power is not Power.STOPPED and not self.may_stop:
            raise Violation("a power cycle that nobody allowed")
        soft = power is Power.STOPPED and not hard and spec.power_off is not PowerOff.HARD
        if not soft:
            self._meet_fate(lambda: self._change(guest, lambda now: replace(now, power=power)))
            return None
        tasks: list[Task] = []
        self._meet_fate(lambda: tasks.append(self._asked_to_stop(guest)))
        return tasks[0]

    def _asked_to_stop(self, guest: Guest) -> Task:
        if not guest.obeys:
            task = self._task("Shutdown", ends=False)
            self._unheeded[task.id] = guest
            return task
        self._at(TASK_SECONDS, lambda: self._change(guest, lambda now: replace(now, power=Power.STOPPED)))
        return self._task("Shutdown")

    def delete(self, seen: Machine) -> Task | None:
        """Gone for good, at once or in a while."""
        guest = self._proven(seen, MINE)
        if not self.may_delete:
            raise Violation("a deletion that nobody asked for")
        if self.nature.traits.delete_needs_stop and guest.machine.power is not Power.STOPPED:
            raise NoEffect
        tasks: list[Task] = []
        if self.nature.tasks:
            self._meet_fate(lambda: tasks.append(self._destroyed_soon(guest)))
        else:
            self._meet_fate(lambda: self.destroy(guest))
        return tasks[0] if tasks else None

    def _destroyed_soon(self, guest: Guest) -> Task:
        self._at(TASK_SECONDS, lambda: self.destroy(guest))
        return self._task("Destroy")

    def destroy(self, guest: Guest) -> None:
        """The machine ends, by whomever."""
        guest.dead = True
        guest.machine = replace(guest.machine, power=Power.GONE, lock=None)

    def _proven(self, seen: Machine, marker: Marker | None) -> Guest:
        """Where ids are reused a driver proves once more what it is about to touch; elsewhere the plan's proof is all."""
        guest = self.living(seen.id)
        if guest is None:
            raise NoEffect
        owner = marker.owner if marker else None
        theirs = (guest.machine.marker.owner if guest.machine.marker else None) != owner
        if theirs and self.nature.chooses_id:
            raise NoEffect
        if guest.foreign is not None and marker == MINE:
            raise Violation(f"{seen.id} was touched, but it is not ours")
        return guest

    @staticmethod
    def _change(guest: Guest, change: Callable[[Machine], Machine]) -> None:
        if not guest.dead:
            guest.machine = change(guest.machine)

    def _task(self, operation: str, *, ends: bool = True) -> Task:
        task = Task(f"task-{len(self.tasks)}", operation, self.now)
        self.tasks[task.id] = task
        if ends:
            self._at(TASK_SECONDS, lambda: self.tasks.update({task.id: replace(task, state=TaskState.SUCCEEDED)}))
        return task

    def _at(self, seconds: float, what: Callable[[], None]) -> None:
        self._later.append((self.now + seconds, what))

    def _meet_fate(self, effect: Callable[[], object]) -> None:
        self.mutations += 1
        fate = self.fates.pop(0) if self.fates else Fate.GOOD
        if fate in {Fate.GOOD, Fate.UNHEARD, Fate.CRASH_AFTER}:
            effect()
        elif fate in {Fate.LATE, Fate.CRASH_LATE}:
            self._at(self.nature.delay, lambda: (effect(), None)[1])
        if fate in CRASHES:
            raise Crash
        if fate is Fate.REFUSED:
            raise NoEffect
        if fate is not Fate.GOOD:
            raise Unanswered
