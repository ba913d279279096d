"""What is told of a machine: its phase, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from hybridge.core import story
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.plan import Do, Rest
from hybridge.core.reasons import Reason
from hybridge.core.story import Standing, early_phase


class Phase(StrEnum):
    """One word for people; conditions are what programs read."""

    PENDING = "Pending"
    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    UPDATING = "Updating"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Story(story.Story[MachineSpec, Machine]):
    """``address_timed_out``: an address was waited for long enough."""

    vital: ClassVar[frozenset[str]] = frozenset({"powerState"})

    address_timed_out: bool = False

    def standing(self) -> Standing | None:
        """See the base."""
        machine = self.proven
        if machine is None:
            return None
        awaited = Reason.WAITING_FOR_ADDRESS if waits_for_address(self) else None
        words = f"{machine.id} is {machine.power.value.lower()}{machine.notice and f'; {machine.notice}'}"
        return Standing(_has_wanted_power(self, machine), _STATES.get(machine.power), words, awaited)


def phase(story: Story) -> Phase:
    """The phase, from the first line that fits."""
    early, machine = early_phase(story), story.proven
    if early is not None or machine is None:
        return Phase(early or Phase.UNKNOWN)
    if machine.power in {Power.RUNNING, Power.STOPPED}:
        step = story.plan.step if story.plan else None
        return Phase.UPDATING if isinstance(step, Do) else Phase(machine.power.value)
    return Phase.UPDATING if machine.power in {Power.STARTING, Power.STOPPING} else Phase.UNKNOWN


def _has_wanted_power(story: Story, machine: Machine) -> bool:
    """Whether it runs or is stopped as it should be; where that is left open, or left as it is, either is right."""
    if machine.power not in {Power.RUNNING, Power.STOPPED}:
        return False
    plan = story.plan
    if plan is None or not (plan.actions or isinstance(plan.step, Rest)):
        return story.spec.power in {None, machine.power}
    return all(action.field != "powerState" for action in (*plan.actions, *plan.drift))


_STATES = {
    Power.RUNNING: Reason.RUNNING,
    Power.STOPPED: Reason.STOPPED,
    Power.STARTING: Reason.STARTING,
    Power.STOPPING: Reason.STOPPING,
}


def waits_for_address(story: Story) -> bool:
    """Whether a machine that has just begun to run is expected to report an address, and has not yet."""
    machine = story.found
    return (
        machine is not None
        and machine.power is Power.RUNNING
        and machine.reports_addresses
        and not machine.addresses
        and not story.was_ready
        and not story.address_timed_out
    )
