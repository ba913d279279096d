"""The kind Firewall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import msgspec

from hybridge.api.firewall import Firewall, FirewallStatus, LeftOutStatus, MetStatus
from hybridge.api.firewall_desired import firewall_spec
from hybridge.api.network import Network
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import clip
from hybridge.core import firewall as core
from hybridge.core import firewall_plan
from hybridge.core.firewall_plan import Record, Situation, Wanted
from hybridge.core.kinds import CloudKind
from hybridge.core.managed import Phase
from hybridge.core.managed_status import Story
from hybridge.core.plan import Plan, Refuse, Rest, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Sight
from hybridge.drivers.base import Driver, FirewallDriver
from hybridge.engine import selected
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.objects import memo
from hybridge.engine.objects.case import Case
from hybridge.engine.objects.plain import Nature
from hybridge.engine.references import error, reach, unready
from hybridge.engine.world import World

_MOST_LEFT_OUT, _MOST_REASON, _MOST_REMARKED = 32, 512, 4


@dataclass(slots=True)
class Memo(memo.Memo[Firewall, core.Firewall]):
    """``owners``: in words, whose the machines are to which it applies, by id."""

    owners: Mapping[str, str] = field(default_factory=dict)

    def record(self, told: Firewall) -> Record:
        """See the base."""
        known, met = super(Memo, self).record(told), told.status.met
        return Record(
            **{one.name: getattr(known, one.name) for one in fields(known)},
            met=Wanted(met.rules, met.members) if met else None,
        )


class FirewallNature(Nature[Firewall, core.FirewallSpec, core.Firewall]):
    """See the base."""

    kind = CloudKind.FIREWALL
    model = Firewall
    situation = Situation
    memory = Memo

    def driver(self, driver: Driver) -> FirewallDriver | None:
        """See the base."""
        return driver.firewalls

    def lacking(self, cloud: str) -> str:
        """See the base."""
        if cloud != "vsphere":
            return super().lacking(cloud)
        return (
            "vSphere filters no traffic of machines without NSX, which is not managed here: filter in the guests, or keep"
            " machines apart by Networks with VLANs, and delete this object"
        )

    def wanted(self, told: Firewall, cloud: str) -> core.FirewallSpec:
        """See the base."""
        del cloud
        return firewall_spec(told, (), {})

    async def resolved(self, world: World, told: Firewall, wanted: core.FirewallSpec) -> core.FirewallSpec:
        """See the base."""
        link = world.link(told.spec.provider_ref.name)
        if link is None or told.metadata.deletion_timestamp is not None:
            return wanted  # Nobody is to be under one that goes.
        found = link.shelf(self.kind).inventory.get(told.status.id) if told.status.id else None
        chosen = selected.members(world, told, link, found.members if found is not None else ())
        network = await _vpc(world, told, link)
        spec = firewall_spec(told, chosen.members, selected.peers(world, told), network)
        return replace(spec, left_out=chosen.left_out)

    async def await_others(self, world: World, case: Case[Firewall, core.FirewallSpec, core.Firewall]) -> None:
        """See the base."""
        told, key = case.object, _network(case.object)
        if key is None:
            return
        network = await reach(world, told, key, "networkRef", Network)
        if isinstance(network, Wait | Refuse):
            raise error(network)
        waiting = unready(network, key)
        if waiting is None and not await _is_in_place(world, case):
            words = f"{key.in_words} is not there yet"
            waiting = Wait(Reason.DEPENDENCY_NOT_READY, words, patient=True)
        if waiting is not None:
            raise error(waiting)

    async def prepare(self, world: World, case: Case[Firewall, core.FirewallSpec, core.Firewall]) -> float | None:
        """See the base."""
        known = case.memo.id
        found = case.shelf.inventory.get(known) if known else None
        if isinstance(case.memo, Memo):
            members = selected.owners(world, case.link, found.members) if found is not None else {}
            case.memo.owners = {known_id: owner.in_words for known_id, owner in members.items()}
        return None

    def look(
        self, case: Case[Firewall, core.FirewallSpec, core.Firewall], seen: Sight[core.Firewall]
    ) -> Sight[core.Firewall]:
        """See the base."""
        return replace(seen, owners=case.memo.owners) if isinstance(case.memo, Memo) else seen

    def remark(self, wanted: core.FirewallSpec) -> str:
        """See the base."""
        told = [f"{name} ({why})" for name, why in sorted(wanted.left_out.items())]
        more = f" and {len(told) - _MOST_REMARKED} more" if len(told) > _MOST_REMARKED else ""
        return f"not applied to {', '.join(told[:_MOST_REMARKED])}{more}" if told else ""

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return firewall_plan.plan(situation)

    def status(self, old: FirewallStatus, story: Story[core.FirewallSpec, core.Firewall], now: Phase) -> FirewallStatus:
        """See the base."""
        status, found = msgspec.structs.replace(old, phase=now), story.found
        if story.plan is not None:
            status = msgspec.structs.replace(status, left_out=_left_out(story.spec))
        if story.plan is not None and isinstance(story.plan.step, Rest) and not story.spec.observed:
            met = firewall_plan.wanted(story.spec)
            status = msgspec.structs.replace(status, met=MetStatus(rules=met.rules, members=met.members))
        if found is None:
            return status
        return msgspec.structs.replace(status, entries=len(found.entries), machines=len(found.members))

    def beyond(self, told: Firewall, provider: ProviderSpec) -> str | None:
        """See the base: a Firewall names no more than its Network, which has been allowed by itself."""
        del told, provider
        return None

    def outside(self, found: core.Firewall, provider: ProviderSpec) -> str | None:
        """See the base: what may be named as a security group may be imported."""
        allowed = provider.restrict.security_group_ids
        return "this security group" if allowed is not None and found.id not in allowed else None


def _network(told: Firewall) -> Key | None:
    reference = told.spec.network_ref
    return None if reference is None else Key("Network", reference.namespace or told.metadata.namespace, reference.name)


async def _is_in_place(world: World, case: Case[Firewall, core.FirewallSpec, core.Firewall]) -> bool:
    """Whether its Network is seen, and it would be made there: where firewalls are of the whole cloud, they name none."""
    known = await _vpc(world, case.object, case.link)
    return known is not None and case.driver.normalize(replace(case.spec, network=known)).network == case.spec.network


async def _vpc(world: World, told: Firewall, link: Link) -> str | None:
    """The id of the VPC in which the Network is: its own, or the one in which its subnet was made."""
    key = _network(told)
    network = await reach(world, told, key, "networkRef", Network) if key is not None else None
    if not isinstance(network, Network) or network.status.id is None:
        return None
    found = link.shelf(CloudKind.NETWORK).inventory.get(network.status.id)
    return next(iter(found.settings.get("aws.vpcID", (found.id,))), None) if found is not None else None


def _left_out(spec: core.FirewallSpec) -> tuple[LeftOutStatus, ...]:
    told = sorted(spec.left_out.items())[:_MOST_LEFT_OUT]
    return tuple(LeftOutStatus(name=name, reason=clip(why, _MOST_REASON)) for name, why in told)
