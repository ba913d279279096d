"""Network interfaces of instances that exist: more of them, fewer, and those that were left behind.

EC2 makes, attaches and marks an interface in three calls, and takes it away in two with a wait between them. Whatever
comes between those calls must neither leak nor double, so the instance itself carries a record of the change as a tag
(``JOURNAL``), written before the first call and taken away after the last: a token, from which the tokens of the calls
follow, and the interfaces that will be left over. Each sweep shows the tag, and the plan comes back to it.

What is deleted is proven to be ours: it carries the marker, and was made for this instance or stands in its record.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from hybridge.core.errors import Busy, Refused
from hybridge.core.identity import OWNER, PREFIX, Marker
from hybridge.core.machine import MachineSpec, Nic
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.mapping import JOURNAL, Interface, Seen, Subnet
from hybridge.drivers.aws.membership import Membership

#: Tag of an interface that was made for an instance that existed: its id.
MACHINE = f"{PREFIX}machine"

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Journal:
    """The record of a change. ``left``: interfaces of ours that it takes away."""

    token: str
    left: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Journal:
        """The record in the tag's value; a new one when it is empty."""
        token, *left = text.split() or [uuid4().hex[:16]]
        return cls(token, frozenset(left))

    def write(self) -> str:
        """The tag's value."""
        return " ".join([self.token, *sorted(self.left)])


@dataclass(frozen=True, slots=True)
class Marked:
    """An interface that carries our marker. ``made_for`` is the instance for which it was made, ``at`` the one that has
    it; both are empty where there is none.
    """

    id: str
    subnet: str
    address: str
    at: str
    attachment: str
    goes: bool
    leaves: bool
    made_for: str


@dataclass(frozen=True, slots=True)
class Match:
    """Which interfaces stay, which go, and from where on new ones are needed."""

    kept: tuple[Interface, ...]
    dropped: tuple[Interface, ...]
    missing: int


def match(have: Sequence[Interface], want: Sequence[str]) -> Match:
    """Brings interfaces to these subnets, in this order, by taking some away and adding others at the end."""
    kept: list[Interface] = []
    dropped: list[Interface] = []
    rest = list(have)
    for index, subnet in enumerate(want):
        at = next((at for at, nic in enumerate(rest) if nic.subnet == subnet), None)
        if at is None:
            return Match(tuple(kept), (*dropped, *rest), index)
        dropped += rest[:at]
        kept.append(rest[at])
        rest = rest[at + 1 :]
    return Match(tuple(kept), (*dropped, *rest), len(want))


class Interfaces:
    """Changes them. Every method can be repeated, and takes up what an earlier call did not end."""

    def __init__(self, client: Client, membership: Membership) -> None:
        self._client = client
        self._membership = membership

    def change(self, seen: Seen, spec: MachineSpec, subnets: Sequence[Subnet], marker: Marker) -> None:
        """Brings all interfaces but the first to ``spec.networks``, of which ``subnets`` are the subnets.

        Raises Busy while one is being detached; it is to be called again then.
        """
        _check_zones(seen, spec, subnets)
        machine_id, attached = seen.machine.id, seen.interfaces or ()
        ours = {one.id: one for one in self.marked(marker)}
        if unseen := [one.id for one in ours.values() if one.at == machine_id and one.id not in _ids(attached)]:
            raise Busy(f"{', '.join(unseen)}: not shown at {machine_id} yet", reason=Reason.UPDATING)
        leaving = [nic for nic in attached[1:] if nic.leaves]
        plan = match([nic for nic in attached[1:] if not nic.leaves], [subnet.id for subnet in subnets[1:]])
        journal = Journal.read(seen.journal)
        left = journal.left | {nic.id for nic in (*plan.dropped, *leaving) if nic.id in ours}
        free = [one for one in ours.values() if not one.at and (one.made_for == machine_id or one.id in left)]
        loose = [one for one in ours.values() if one.at == machine_id == one.made_for and not one.goes]
        missing = list(zip(spec.networks, subnets, strict=True))[1 + plan.missing :]
        if not (seen.journal or plan.dropped or leaving or missing or free or loose):
            return
        journal = Journal(journal.token, left)
        if journal.write() != seen.journal:
            self._client.call("CreateTags", Resources=[machine_id], Tags=mapping.words({JOURNAL: journal.write()}))
        for one in loose:
            self._tie(one.id, one.attachment)
        for nic in plan.dropped:
            self._detach(nic.attachment)
        if going := [nic.id for nic in (*plan.dropped, *leaving)]:
            raise Busy(f"{', '.join(going)}: being detached from {machine_id}", reason=Reason.UPDATING)
        place = max((nic.index for nic in attached), default=(0, 0))[1]
        for index, (wanted, subnet) in enumerate(missing, start=place + 1):
            known = next((one for one in free if one.subnet == subnet.id and _has_address(one, wanted)), None)
            if known is not None:
                free.remove(known)
            interface = known.id if known else self._make(seen, journal, wanted, subnet, spec, marker, index)
            self._attach(machine_id, interface, index)
        for one in free:
            self._delete(one.id)
        self._client.call("DeleteTags", Resources=[machine_id], Tags=[{"Key": JOURNAL}])

    def release(self, seen: Seen, marker: Marker) -> None:
        """Before an instance is terminated: what was made for it will go with it, or goes now.

        Raises Busy while an interface is being detached.
        """
        machine_id, left = seen.machine.id, Journal.read(seen.journal).left
        for one in self.marked(marker):
            if one.made_for != machine_id and one.id not in left:
                continue
            if one.leaves:
                self._detach(one.attachment, Force=True)
                raise Busy(f"{one.id}: being detached from {machine_id}", reason=Reason.DELETING)
            if not one.at:
                self._delete(one.id)
            elif one.at == machine_id and not one.goes:
                self._tie(one.id, one.attachment)

    def regroup(self, seen: Seen, groups: Collection[str]) -> None:
        """Gives all interfaces of an instance these security groups; those that Firewalls gave them stay.

        Raises Refused (INVALID_SPEC) when one of ``groups`` is a Firewall's.
        """
        given = {group for nic in seen.interfaces or () for group in nic.groups}
        ours = {*self._membership.firewalls([*given, *groups])}
        if named := sorted(ours & {*groups}):
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.aws.securityGroupIDs: {', '.join(named)} belongs to a Firewall, which chooses its"
                " machines by their labels",
            )
        for nic in seen.interfaces or ():
            kept = [group for group in nic.groups if group in ours]
            if set(nic.groups) != {*groups, *kept}:
                words = [*groups, *kept]
                self._client.call("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=nic.id, Groups=words)

    def of(self, machine_id: str, marker: Marker) -> list[str]:
        """The ids of the interfaces of this instance that carry this marker."""
        return [one.id for one in self.marked(marker) if machine_id in {one.at, one.made_for}]

    def marked(self, marker: Marker) -> list[Marked]:
        """All interfaces that carry this marker, read now; copies of an instance may have some as well."""
        filters = [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
        pages = self._client.pages("DescribeNetworkInterfaces", "NetworkInterfaces", size=PAGE, Filters=filters)
        return [_marked(found) for page in pages for found in page]

    # ------------------------------------------------------------------- parts

    def _make(
        self, seen: Seen, journal: Journal, nic: Nic, subnet: Subnet, spec: MachineSpec, marker: Marker, place: int
    ) -> str:
        words: dict[str, Any] = {"SubnetId": subnet.id, "Description": f"{nic.name} of {seen.machine.id}"}
        groups = spec.options.get("securityGroupIDs")
        first = next(iter(seen.interfaces or ()), None)
        kept = self._membership.firewalls(first.groups) if first else []
        if groups or kept:
            # What Firewalls gave the machine its further interfaces have as well.
            assert groups is None or isinstance(groups, list | tuple)
            words["Groups"] = [*groups, *kept] if groups else [*(first.groups if first else ())]
        if nic.addresses:
            words["PrivateIpAddress"] = launch.private_address(nic)
        tags = mapping.words({**marker.pairs(), MACHINE: seen.machine.id, mapping.NAME: seen.machine.name})
        words["TagSpecifications"] = [{"ResourceType": "network-interface", "Tags": tags}]
        # Other words need another token; the same ones, again, are the same interface.
        token = uuid5(NAMESPACE_OID, f"{journal.token} {place} {sorted(words.items())!r}")
        answer = self._client.call("CreateNetworkInterface", ClientToken=str(token), **words)
        return str(answer["NetworkInterface"]["NetworkInterfaceId"])

    def _detach(self, attachment: str, **words: bool) -> None:
        try:
            self._client.call("DetachNetworkInterface", AttachmentId=attachment, **words)
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise

    def _attach(self, machine_id: str, interface: str, place: int) -> None:
        try:
            answer = self._client.call(
                "AttachNetworkInterface", InstanceId=machine_id, NetworkInterfaceId=interface, DeviceIndex=place
            )
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise
            # Not visible yet, or somebody has deleted it: what comes next must not be taken for the same request.
            again = Journal.read("").write()
            self._client.call("CreateTags", Resources=[machine_id], Tags=mapping.words({JOURNAL: again}))
            raise Busy(f"{interface}: not there yet. {refused.message}", reason=Reason.UPDATING) from refused
        self._tie(interface, answer["AttachmentId"])

    def _tie(self, interface: str, attachment: str) -> None:
        """The interface is deleted with its instance from now on."""
        self._client.call(
            "ModifyNetworkInterfaceAttribute",
            NetworkInterfaceId=interface,
            Attachment={"AttachmentId": attachment, "DeleteOnTermination": True},
        )

    def _delete(self, interface: str) -> None:
        try:
            self._client.call("DeleteNetworkInterface", NetworkInterfaceId=interface)
        except Refused as refused:
            if refused.reason is not Reason.NOT_FOUND:
                raise


def _check_zones(seen: Seen, spec: MachineSpec, subnets: Sequence[Subnet]) -> None:
    for nic, subnet in zip(spec.networks[1:], subnets[1:], strict=True):
        if subnet.zone != seen.facts.zone:
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.networks[{nic.name}]: subnet {subnet.id} is in zone {subnet.zone}, but {seen.machine.id} is in"
                f" {seen.facts.zone}",
            )


def _ids(interfaces: Collection[Interface]) -> set[str]:
    return {interface.id for interface in interfaces}


def _has_address(one: Marked, nic: Nic) -> bool:
    return not nic.addresses or launch.private_address(nic) == one.address


def _marked(found: dict[str, Any]) -> Marked:
    attachment = found.get("Attachment", {})
    return Marked(
        id=found["NetworkInterfaceId"],
        subnet=found.get("SubnetId", ""),
        address=found.get("PrivateIpAddress", ""),
        at=attachment.get("InstanceId", ""),
        attachment=attachment.get("AttachmentId", ""),
        goes=attachment.get("DeleteOnTermination", False),
        leaves=attachment.get("Status") == "detaching",
        made_for=mapping.pairs(found.get("TagSet", [])).get(MACHINE, ""),
    )
