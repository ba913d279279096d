"""What a VirtualMachine's status says besides what every object's does."""

from __future__ import annotations

import msgspec

from hybridge.api import desired
from hybridge.api.provider import Provider
from hybridge.api.shared import clip
from hybridge.api.virtualmachine import (
    AddressStatus,
    Phase,
    RestartStatus,
    RevertStatus,
    VirtualMachine,
    VirtualMachineStatus,
)
from hybridge.core import machine_status
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, Revert
from hybridge.core.machine_status import Story
from hybridge.core.plan import Plan, Refuse, Rest
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.base import Driver
from hybridge.engine import conditions
from hybridge.engine.machines.case import Case
from hybridge.engine.objects.report import ObjectReporter
from hybridge.engine.restrictions import outside

#: Seconds for which a running machine is given time to report an address before it is Ready without one.
ADDRESS_PATIENCE = 300.0
#: Seconds after which an address is asked for that sweeps have not shown.
ADDRESS_DELAY = 1.0
#: Seconds after which a machine that is coming up or going down is looked at again, when no sweep has called.
TRANSITION_PATIENCE = 10.0
#: Characters of what a cloud or a guest tells, in a status.
_MOST_ADDRESS, _MOST_TYPE, _MOST_PLACE = 253, 64, 255


class MachineReporter(ObjectReporter[Case]):
    """See the base."""

    model = VirtualMachine

    def story(self, case: Case, told: VirtualMachine, plan: Plan, found: Machine | None) -> Story:
        """See the base."""
        memo, now = case.memo, self._world.clock()
        waited = now - memo.running_since if memo.running_since is not None else 0.0
        return Story(
            case.spec,
            plan,
            found,
            deleting=case.deleting,
            created=memo.created_at is not None,
            was_ready=conditions.is_true(told.status.conditions, Type.READY),
            address_timed_out=waited > ADDRESS_PATIENCE,
        )

    def story_of_error(
        self, told: VirtualMachine, spec: MachineSpec | None, found: Machine | None, error: CloudError
    ) -> Story:
        """See the base."""
        return Story(spec or desired.machine_spec(told, ""), None, found, error=error)

    def lag(self, driver: Driver) -> float:
        """See the base."""
        return driver.machines.traits.lag

    def outside(self, found: Machine, provider: Provider) -> str | None:
        """See the base."""
        return outside(found, provider.spec)

    def awaits(self, case: Case, story: Story) -> float | None:
        """See the base: a transition that is not of our doing; or an address, which sweeps find of a machine that has just
        come up, and which has to be asked for later.
        """
        if story.found is not None and story.found.power in {Power.STARTING, Power.STOPPING}:
            case.link.expect(case.key)
            return TRANSITION_PATIENCE
        if not machine_status.waits_for_address(story):
            return None
        waited = self._world.clock() - (case.memo.running_since or self._world.clock())
        case.link.expect(case.key, refresh=case.memo.id if waited >= ADDRESS_DELAY else None)
        return min(10.0, max(ADDRESS_DELAY, waited / 2))

    def status(self, old: VirtualMachineStatus, story: Story) -> VirtualMachineStatus:
        """See the base."""
        phase = Phase(machine_status.phase(story).value)
        restart_required = _restart_required(story)
        if story.error is not None:
            # What cannot be looked at now is told as it was last seen.
            phase = (old.phase or phase) if phase is Phase.UNKNOWN else phase
            restart_required = old.restart_required
        status = msgspec.structs.replace(
            old,
            phase=phase,
            restart=_restart(story, old.restart),
            revert=_revert(story, old.revert),
            restart_required=restart_required,
        )
        return status if story.found is None else _with_machine(status, story.found)


def _with_machine(status: VirtualMachineStatus, machine: Machine) -> VirtualMachineStatus:
    return msgspec.structs.replace(
        status,
        power_state=machine.power,
        addresses=tuple(
            AddressStatus(type=found.type, address=clip(found.address, _MOST_ADDRESS))
            for found in machine.addresses[:64]
        ),
        cpus=machine.cpus,
        memory=None if machine.memory is None else format_bytes(machine.memory),
        instance_type=_clipped(machine.instance_type, _MOST_TYPE),
        host=_clipped(machine.host, _MOST_PLACE),
        zone=_clipped(machine.zone, _MOST_PLACE),
        guest_agent=machine.agent,
    )


def _clipped(text: str | None, most: int) -> str | None:
    return None if text is None else clip(text, most)


def _restart(story: Story, record: RestartStatus | None) -> RestartStatus | None:
    """The record of the last restart: once nothing more is asked for, it is done."""
    if not _is_reached(story):
        return record
    token = story.spec.restart_token
    if token is None and record is not None:
        token = record.token
    return desired.restart_status(Restart(token or ""))


def _revert(story: Story, record: RevertStatus | None) -> RevertStatus | None:
    """The record of the last revert, likewise."""
    wish = story.spec.revert
    if not _is_reached(story):
        return record
    if wish is not None:
        return desired.revert_status(Revert(wish.token, wish.snapshot))
    return None if record is None else desired.revert_status(Revert(record.token, record.snapshot))


def _is_reached(story: Story) -> bool:
    """Whether nothing is left of what was asked for once."""
    step = story.plan.step if story.plan else None
    reached = isinstance(step, Rest) or (isinstance(step, Refuse) and step.reason in _AFTER_RESTART)
    return reached and not story.spec.observed


#: Refusals that only come when nothing is left to do but what they name.
_AFTER_RESTART = frozenset({Reason.RESTART_REQUIRED, Reason.REPLACEMENT_REQUIRED})


def _restart_required(story: Story) -> bool:
    step = story.plan.step if story.plan else None
    return isinstance(step, Refuse) and step.reason is Reason.RESTART_REQUIRED
