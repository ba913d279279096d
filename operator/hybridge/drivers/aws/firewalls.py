"""Security groups as firewalls.

CreateSecurityGroup has no token, but a name can be had only once in a VPC, so that it cannot be repeated: asked again, it
leads to the group that there is. A machine has a firewall when its first interface has the group; that one is the last to
get it and the last to lose it, so that a change which did not end is taken up again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Refused, Unclear
from hybridge.core.firewall import (
    Direction,
    Entry,
    Firewall,
    FirewallSpec,
    FirewallTraits,
    Protocol,
    missing,
    surplus,
)
from hybridge.core.identity import OWNER, Marker
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import groups, launch, mapping, tags
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import NAME
from hybridge.drivers.aws.membership import Membership
from hybridge.drivers.aws.zones import Zones
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for

PAGE = 1000

#: Rules of a group in each direction, as accounts have it at first.
_MOST = 60

_AUTHORIZE = {Direction.INGRESS: "AuthorizeSecurityGroupIngress", Direction.EGRESS: "AuthorizeSecurityGroupEgress"}
_REVOKE = {Direction.INGRESS: "RevokeSecurityGroupIngress", Direction.EGRESS: "RevokeSecurityGroupEgress"}


class Firewalls:
    """The FirewallDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = FirewallTraits(visibility=300.0, lag=300.0, token_lifetime=3600.0)

    def __init__(self, client: Client, zones: Zones, membership: Membership, network: str | None) -> None:
        """``network``: the subnet that machines get by default."""
        self._client = client
        self._zones = zones
        self._membership = membership
        self._network = network

    def normalize(self, spec: FirewallSpec) -> FirewallSpec:
        """Ranges of addresses in their usual form; what EC2 does not have is refused."""
        groups.check(spec)
        return groups.normal(spec)

    def prepare(self, spec: FirewallSpec, taken: Collection[str]) -> Prepared:
        """The VPC: that of the spec, of the Provider's default network, or the account's default one."""
        del taken
        groups.check(spec)
        return Prepared({"VpcId": self._vpc(spec.network), launch.TAGS: dict(spec.tags)})

    def create(self, intent: Intent, spec: FirewallSpec, marker: Marker) -> Started[Firewall]:
        """CreateSecurityGroup; then what a new group allows without being asked is taken away, before anybody has it."""
        words = dict(intent.parameters)
        given = words.pop(launch.TAGS, {})
        assert isinstance(given, Mapping)
        marks = mapping.words({**given, NAME: intent.name, **marker.pairs()})
        try:
            answer = self._client.call(
                "CreateSecurityGroup",
                **words,
                GroupName=intent.name,
                Description=mapping.description(marker),
                TagSpecifications=[{"ResourceType": "security-group", "Tags": marks}],
            )
        except Refused as refused:
            if refused.reason is not Reason.NAME_TAKEN:
                raise
            made = next((one for one in self.find(marker, intent) if one.name == intent.name), None)
            if made is None:
                raise
            return Started(made.id, made)
        known = str(answer["GroupId"])
        self._membership.learn(known)
        made = Firewall(
            id=known,
            name=intent.name,
            marker=marker,
            tags={str(key): str(value) for key, value in given.items()},
            entries=(Entry(Direction.EGRESS, Protocol.ANY, "0.0.0.0/0"),),
        )
        # An error from here on would look like a create that failed; what is left is seen, and taken away by the plan.
        with contextlib.suppress(CloudError):
            made = self._take_unasked(made, spec)
        return Started(known, made)

    def find(self, marker: Marker, intent: Intent | None) -> list[Firewall]:
        """By the marker's tag, which comes with the create."""
        del intent
        found = self._groups(Filters=[{"Name": f"tag:{OWNER}", "Values": [marker.owner]}])
        return self._with_members(found)

    def get(self, known_id: str) -> Firewall | None:
        """DescribeSecurityGroups by id, and the interfaces that have it."""
        found = self._describe(known_id)
        return None if found is None else self._with_members([found])[0]

    def configure(
        self, firewall: Firewall, spec: FirewallSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Firewall]:
        """First what is missing is allowed, then machines get it or lose it, and then what is surplus is taken away."""
        del intent, marker
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        if "name" in asked:
            raise Refused(Reason.UNSUPPORTED, "name: EC2 never changes that of a security group")
        raw = self._look(firewall.id)
        (now,) = self._with_members([raw])
        prove(firewall, now.marker)
        lacking = [entry for field, some in missing(spec, now).items() if field in asked for entry in some]
        excess = [entry for field, some in surplus(spec, now).items() if field in asked for entry in some]
        changing = {field[len("members[") : -1] for field in asked if field.startswith("members[")}
        if changing and not now.members:
            # Nobody has it yet: whoever gets it is not to have what was never wanted, even for a moment.
            excess = [entry for some in surplus(spec, now).values() for entry in some]
            now = self._revoke(now, raw, excess)
            excess = []
        now = self._authorize(now, lacking)
        joined, left = changing & {*spec.members}, changing - {*spec.members}
        self._membership.change(now.id, str(raw.get("VpcId", "")), join=joined, leave=left)
        now = replace(now, members=tuple(sorted(({*now.members} | joined) - left)))
        now = self._revoke(now, raw, excess)
        if "tags" in asked:
            now = tags.retag(self._client, now, spec, asked)
        return Started(now.id, now)

    def mark(self, firewall: Firewall, marker: Marker | None) -> Started[Firewall]:
        """Its tags. DescribeSecurityGroups comes first: what somebody else has taken over since stays his."""
        (now,) = self._with_members([self._look(firewall.id)])
        prove_for(firewall, now.marker, marker)
        tags.mark(self._client, [firewall.id], firewall.marker, marker)
        return Started(firewall.id, replace(now, marker=marker))

    def delete(self, firewall: Firewall) -> Started[Firewall]:
        """DeleteSecurityGroup. Raises Busy (HAS_DEPENDANTS) while an interface has it, or a rule of another one names it."""
        now = self.get(firewall.id)
        if now is None:
            return Started(firewall.id)
        prove(firewall, now.marker)
        if now.members:
            machines = ", ".join(now.members)
            raise Busy(f"{firewall.id} is applied to {machines}", reason=Reason.HAS_DEPENDANTS)
        try:
            self._client.call("DeleteSecurityGroup", GroupId=firewall.id)
        except Refused as refused:
            if refused.reason is Reason.HAS_DEPENDANTS:
                raise Busy(refused.message, reason=Reason.HAS_DEPENDANTS) from refused
            if refused.reason is not Reason.NOT_FOUND:
                raise
        return Started(firewall.id, replace(now, state=State.DELETING))

    # ------------------------------------------------------------------ sweeps

    def all(self) -> list[dict[str, Any]]:
        """All groups as EC2 describes them, a request for each 1000; which of them are ours is known from then on."""
        found = self._groups()
        self._membership.read(found)
        return found

    # ------------------------------------------------------------------- parts

    def _take_unasked(self, made: Firewall, spec: FirewallSpec) -> Firewall:
        excess = [one for some in surplus(spec, made).values() for one in some if one in groups.UNASKED]
        for direction, permissions in groups.permissions(excess).items():
            self._client.call(_REVOKE[direction], GroupId=made.id, IpPermissions=permissions)
        return replace(made, entries=tuple(one for one in made.entries if one not in excess))

    def _authorize(self, now: Firewall, entries: Collection[Entry]) -> Firewall:
        for direction, permissions in groups.permissions(entries).items():
            try:
                self._client.call(_AUTHORIZE[direction], GroupId=now.id, IpPermissions=permissions)
            except Refused as refused:
                if refused.reason is not Reason.NAME_TAKEN:
                    raise
                # Somebody else was as fast: the next look shows what is still missing.
                raise Busy(refused.message, reason=Reason.UPDATING) from refused
            except CloudError as error:
                if error.reason is not Reason.QUOTA:
                    raise
                raise Refused(
                    Reason.QUOTA,
                    f"{now.id} allows {len(now.entries)} things, and {len(entries)} more are too many for EC2: each peer and"
                    f" each range of ports counts, {_MOST} in each direction unless the account's quota is another."
                    f" {error.message}",
                ) from error
        return replace(now, entries=tuple(sorted({*now.entries, *entries}, key=str)))

    def _revoke(self, now: Firewall, raw: Mapping[str, Any], entries: Collection[Entry]) -> Firewall:
        """Takes away what EC2 shows as these."""
        for direction, operation in _REVOKE.items():
            some = [words for entry, words in groups.allowed(raw) if entry in entries and entry.direction is direction]
            if not some:
                continue
            try:
                self._client.call(operation, GroupId=now.id, IpPermissions=some)
            except Refused as refused:
                if refused.reason is not Reason.NOT_FOUND:
                    raise
        return replace(now, entries=tuple(one for one in now.entries if one not in entries))

    def _with_members(self, found: Iterable[Mapping[str, Any]]) -> list[Firewall]:
        known = {one["GroupId"]: one for one in found}
        self._membership.read(known.values(), whole=False)
        members = self._membership.of(known)
        return [groups.firewall(one, members.get(group, ())) for group, one in known.items()]

    def _groups(self, **words: Any) -> list[dict[str, Any]]:
        pages = self._client.pages("DescribeSecurityGroups", "SecurityGroups", size=PAGE, **words)
        return [one for page in pages for one in page]

    def _describe(self, known_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.call("DescribeSecurityGroups", GroupIds=[known_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found: Mapping[str, Any] | None = next(
            (one for one in answer["SecurityGroups"] if one["GroupId"] == known_id), None
        )
        if found is None:
            # Of a group that does not exist EC2 says just that: an answer without it proves nothing.
            raise Unclear(f"DescribeSecurityGroups: the answer does not tell of {known_id}")
        return found

    def _look(self, known_id: str) -> Mapping[str, Any]:
        found = self._describe(known_id)
        if found is None:
            raise Refused(Reason.NOT_FOUND, f"{known_id} does not exist")
        return found

    def _vpc(self, wanted: str | None) -> str:
        if wanted:
            return self._zones.subnets(wanted)[0].vpc if wanted.startswith("subnet-") else wanted
        if self._network:
            return self._zones.subnets(self._network)[0].vpc
        filters = [{"Name": "is-default", "Values": ["true"]}]
        found = self._client.call("DescribeVpcs", Filters=filters)["Vpcs"]
        if not found:
            raise Refused(Reason.INVALID_SPEC, "spec.networkRef: the account has no default VPC; name a Network")
        return str(found[0]["VpcId"])
