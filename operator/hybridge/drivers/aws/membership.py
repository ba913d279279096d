"""Which instances have which security groups, and which of these groups are Firewalls' rather than the machine's own."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import groups
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import Seen

PAGE = 1000

#: Groups of an interface, as accounts have it at first.
_MOST = 5
_FOR_PODS = "aws-K8S-"


class Membership:
    """Reads and changes it. Safe from several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._ours: frozenset[str] = frozenset()
        self._others: frozenset[str] = frozenset()

    # --------------------------------------------------- whose a group is

    def read(self, found: Iterable[Mapping[str, Any]], *, whole: bool = True) -> None:
        """Groups as EC2 has just described them; ``whole``: all that there are."""
        seen = {one["GroupId"]: groups.is_firewall(one) for one in found}
        ours = frozenset(known for known, is_ours in seen.items() if is_ours)
        others = seen.keys() - ours
        with self._lock:
            self._ours = ours if whole else (self._ours - others) | ours
            self._others = frozenset(others) if whole else (self._others - ours) | others

    def learn(self, known: str) -> None:
        """A Firewall's group that was just made."""
        with self._lock:
            self._ours |= {known}

    def own(self, seen: Seen) -> Seen:
        """The instance without the groups that Firewalls gave it, as far as they are known."""
        ours = self._ours
        if not ours or not any(group in some for some in seen.facts.groups for group in ours):
            return seen
        kept = {",".join(one for one in some.split(",") if one not in ours) for some in seen.facts.groups}
        return replace(seen, facts=replace(seen.facts, groups=tuple(sorted(kept - {""}))))

    def firewalls(self, ids: Iterable[str]) -> list[str]:
        """Those of these groups that are Firewalls'; a request where one of them was never read."""
        wanted = [*dict.fromkeys(ids)]
        unknown = [one for one in wanted if one not in self._ours and one not in self._others]
        if unknown:
            try:
                found = self._client.among("DescribeSecurityGroups", "SecurityGroups", "group-id", unknown, size=PAGE)
                self.read(found, whole=False)
            except Refused as refused:
                # Who may not look at groups has made no Firewall.
                if refused.reason is not Reason.NOT_PERMITTED:
                    raise
        return [one for one in wanted if one in self._ours]

    # --------------------------------------------------------------- who has it

    def of(self, wanted: Collection[str]) -> Mapping[str, Collection[str]]:
        """The ids of the instances that have each of these groups."""
        if not wanted:
            return {}
        found: dict[str, set[str]] = {}
        for nic in self._interfaces("group-id", [*wanted]):
            attachment = nic.get("Attachment", {})
            instance = attachment.get("InstanceId")
            if instance and _is_first(attachment):
                for group in nic.get("Groups", []):
                    found.setdefault(group["GroupId"], set()).add(instance)
        return found

    @staticmethod
    def seen(found: Iterable[Seen], into: dict[str, set[str]]) -> None:
        """The same, from what sweeps show of instances."""
        for seen in found:
            first = next(iter(seen.interfaces or ()), None)
            for group in first.groups if first is not None and first.index == (0, 0) else ():
                into.setdefault(group, set()).add(seen.machine.id)

    # ------------------------------------------------------------------ changes

    def change(self, group: str, vpc: str, *, join: Collection[str], leave: Collection[str]) -> None:
        """Gives a group to instances, or takes it from them, as they are now; all others of their groups stay.

        One that cannot have it does not keep the others from it. Raises Refused: QUOTA, NOT_FOUND, INVALID_SPEC; and Busy
        (UPDATING) where an interface came or went meanwhile.
        """
        wanted = sorted({*join, *leave})
        if not wanted:
            return
        interfaces: dict[str, list[dict[str, Any]]] = {}
        for nic in self._interfaces("attachment.instance-id", wanted):
            if not nic.get("Operator", {}).get("Managed") and not nic.get("Description", "").startswith(_FOR_PODS):
                interfaces.setdefault(nic["Attachment"]["InstanceId"], []).append(nic)
        failed: CloudError | None = None
        for instance in wanted:
            nics = sorted(interfaces.get(instance, []), key=lambda nic: _is_first(nic["Attachment"]))
            try:
                if instance in join and not nics:
                    raise Refused(Reason.NOT_FOUND, f"{instance} has no network interface, or does not exist")
                for nic in nics:
                    self._put(nic, group, vpc, wanted=instance in join)
            except Refused as error:
                failed = error
            except Busy as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def _put(self, nic: Mapping[str, Any], group: str, vpc: str, *, wanted: bool) -> None:
        known, instance = nic["NetworkInterfaceId"], nic["Attachment"]["InstanceId"]
        now = [one["GroupId"] for one in nic.get("Groups", [])]
        if (group in now) is wanted:
            return
        if wanted and nic.get("VpcId", vpc) != vpc:
            raise Refused(
                Reason.INVALID_SPEC,
                f"{instance} is in {nic['VpcId']}, and the firewall {group} in {vpc}: set spec.networkRef to a Network"
                " of that VPC, or do not select the machine",
            )
        new = [*now, group] if wanted else [one for one in now if one != group]
        try:
            self._client.call(
                "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=known, Groups=new or [self._default(vpc)]
            )
        except CloudError as error:
            if error.reason is Reason.NOT_FOUND:
                # It, or one of its groups, went since it was described; an interface that is no more has left.
                if wanted or self._interfaces("network-interface-id", [known]):
                    raise Busy(error.message, reason=Reason.UPDATING) from error
                return
            if error.reason is not Reason.QUOTA:
                raise
            raise Refused(
                Reason.QUOTA,
                f"{instance} has {len(now)} security groups ({', '.join(now)}), and one more is too many: an interface of"
                f" EC2 has at most {_MOST} unless the account's quota is another. {error.message}",
            ) from error

    def _default(self, vpc: str) -> str:
        """The default group of a VPC: an interface has at least one."""
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": [groups.DEFAULT]}]
        found = self._client.call("DescribeSecurityGroups", Filters=filters)["SecurityGroups"]
        if not found:
            raise Refused(Reason.NOT_FOUND, f"{vpc} has no default security group")
        return str(found[0]["GroupId"])

    def _interfaces(self, name: str, values: Collection[str]) -> list[dict[str, Any]]:
        return self._client.among("DescribeNetworkInterfaces", "NetworkInterfaces", name, values, size=PAGE)


def _is_first(attachment: Mapping[str, Any]) -> bool:
    return attachment.get("DeviceIndex") == 0 and attachment.get("NetworkCardIndex", 0) == 0
