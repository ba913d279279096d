"""The kind VirtualMachine."""

from __future__ import annotations

from dataclasses import replace

from hybridge.api.desired import machine_spec
from hybridge.api.provider import ProviderSpec
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core import machine_plan
from hybridge.core.cloudinit import described
from hybridge.core.identity import Marker
from hybridge.core.machine import Machine, Power
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Plan
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.machines import references, userdata, volumes
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.group import neighbours
from hybridge.engine.machines.memo import Memo
from hybridge.engine.machines.report import MachineReporter
from hybridge.engine.machines.reverting import reversion
from hybridge.engine.machines.steps import MachineSteps
from hybridge.engine.meter import MachineMeter
from hybridge.engine.objects import sight
from hybridge.engine.objects.case import normal
from hybridge.engine.objects.kind import ObjectKind
from hybridge.engine.restrictions import beyond, outside, within
from hybridge.engine.world import World


class MachineKind(ObjectKind[Case]):
    """Reconciles VirtualMachines of all clouds."""

    model = VirtualMachine
    memory = Memo

    def __init__(self, world: World, meter: MachineMeter) -> None:
        super().__init__(world, meter, MachineSteps(world), MachineReporter(world, meter))

    async def case(
        self, key: Key, told: VirtualMachine, memo: Memo, provider: ProviderSpec, link: Link, marker: Marker
    ) -> Case:
        """See the base."""
        driver = link.driver.machines
        named = references.Named()
        deleting = told.metadata.deletion_timestamp is not None
        if not deleting:
            references.check(told, provider)
            named = await references.resolve(self._world, told)
        back = await reversion(self._world, told)
        attached = volumes.ids(self._world, told)
        wanted = machine_spec(told, provider.type, volumes=attached, networks=named.networks, image=named.image)
        wanted = volumes.near(replace(back.named(wanted), within=within(provider)), link)
        spec = normal(driver, wanted, deleting=deleting)
        case = Case(key, told, memo, provider, link, link.machines, driver, spec, marker, named, back)
        if sight.is_to_be_made(case):
            named.require_image()
            named.require_networks()
            volumes.await_all(self._world, case)
        return case

    def situation(self, case: Case) -> Situation:
        """See the base."""
        record = case.memo.record(case.object)
        return Situation(
            case.spec,
            record,
            sight.look(self._world, case, record, outside),
            sight.bounded(self._world, case.driver.traits),
            case.marker,
            case.link.connection.identity,
            self._world.clock(),
            neighbours=neighbours(self._world, case),
            volumes=volumes.surviving(self._world, case),
            detachable=volumes.detachable(self._world, case),
            others=volumes.others(self._world, case),
            unread=volumes.unread(case),
            held=volumes.held(self._world, case),
            unconnected=case.named.holds,
            irreversible=case.back.hold(case.memo.id, possible=case.driver.traits.reverts),
            resumes=case.back.resumes,
        )

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return machine_plan.plan(situation)

    def beyond(self, told: VirtualMachine, provider: ProviderSpec) -> str | None:
        """See the base."""
        return beyond(told.spec, provider)

    def outside(self, found: Machine, provider: ProviderSpec) -> str | None:
        """See the base."""
        return outside(found, provider)

    async def prepare(self, case: Case) -> float | None:
        """See the base."""
        return await userdata.compare(self._world, case)

    def recognise(self, case: Case, mine: Machine, plan: Plan) -> None:
        """See the base."""
        super().recognise(case, mine, plan)
        memo = case.memo
        if memo.given is None and memo.created_at is not None and not case.deleting:
            memo.given = described(case.spec.cloud_init)  # Found by its marker: what it was given nobody knows.
        if mine.power is not Power.RUNNING:
            memo.running_since = None
        elif memo.running_since is None:
            memo.running_since = self._world.clock()
