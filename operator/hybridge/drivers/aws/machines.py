"""EC2 instances as machines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.cloudinit import HOSTNAME, USER_DATA
from hybridge.core.errors import CloudError, Refused, Unclear
from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Change, Machine, MachineSpec, Power, PowerOff, Traits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping, tags
from hybridge.drivers.aws.attachments import Attachments
from hybridge.drivers.aws.catalogue import Catalogue
from hybridge.drivers.aws.changes import GROUPS, PROFILE, ROOT_CLASS, Changes
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.disks import Disks
from hybridge.drivers.aws.interfaces import MACHINE, Interfaces
from hybridge.drivers.aws.mapping import JOURNAL, Seen
from hybridge.drivers.aws.membership import Membership
from hybridge.drivers.aws.placement import Placement
from hybridge.drivers.aws.zones import Zones
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for

PAGE = 1000

#: Fields that belong to the parts of an instance, which have to be known before they are changed.
_OF_PARTS = {"rootDisk", ROOT_CLASS, GROUPS, "networks"}


class Machines:
    """The MachineDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = Traits(
        exact_sizes=False,
        delete_needs_stop=False,
        chooses_uuid=False,
        initialize=False,
        visibility=300.0,
        lag=300.0,
        token_lifetime=3600.0,
        block="aws",
        changes={
            "aws.iamInstanceProfile": Change.ONLINE,
            "aws.keyName": Change.REPLACE,
            "aws.securityGroupIDs": Change.ONLINE,
            HOSTNAME: Change.STOPPED,
            USER_DATA: Change.STOPPED,
            "networks": Change.ONLINE,
            "networks.first": Change.REPLACE,
            "placement.zone": Change.REPLACE,
            "rootDisk.class": Change.ONLINE,
        },
    )

    def __init__(
        self,
        client: Client,
        catalogue: Catalogue,
        zones: Zones,
        disks: Disks,
        placement: Placement,
        membership: Membership,
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._disks = disks
        self._zones = zones
        self._placement = placement
        self._membership = membership
        self._changes = Changes(client, catalogue, disks)
        self._interfaces = Interfaces(client, membership)
        self._attachments = Attachments(client)

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        """Disks have whole GiB, options that are empty ask for nothing; what EC2 does not have is refused."""
        launch.check(spec)
        return launch.normal(spec)

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """Resolves image, type, zone and subnets. ``taken`` says nothing here: EC2 chooses the ids."""
        del taken
        launch.check(spec)
        if not spec.image:
            raise Refused(Reason.INVALID_SPEC, "spec.image is needed to make a machine")
        image = self._catalogue.image(spec.image)
        kind = self._catalogue.choose(spec, [image.architecture] if image.architecture else [])
        place = self._placement.place(spec, kind, apart)
        subnets = [subnet.id for subnet in place.subnets]
        return Prepared(launch.parameters(spec, image, kind, subnets), placed=place.placed)

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        """RunInstances with the intent's token: a repetition gives the instance that the first call made."""
        words = launch.request(intent, spec, marker)
        try:
            answer = self._client.call("RunInstances", **words)
        except CloudError as error:
            if error.reason is Reason.CAPACITY and (zone := self._zones.zone_of(launch.subnet(words))):
                self._placement.full(words["InstanceType"], zone)
            elif isinstance(error, Refused):
                self._catalogue.doubt()
            raise
        made = [mapping.seen(instance) for instance in answer.get("Instances", [])]
        if not made:
            raise Unclear("RunInstances: the answer names no instance", took_effect_possible=True)
        if asked := launch.root_disk(words):
            self._disks.launched(made[0].machine.id, asked)
        # Nothing more is asked: an error from here on would look like a create that failed.
        machine = self._disks.complete(self._membership.own(made[0]), self._catalogue.known, self._zones.known_networks)
        return Started(machine.id, replace(machine, marker=marker, name=intent.name))

    def find(self, marker: Marker, intent: Intent | None) -> list[Machine]:
        """Two lists, because filters narrow each other: by the marker's tag, and by the intent's token."""
        filters = [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
        if intent is not None:
            filters.append({"Name": "client-token", "Values": [intent.token]})
        found: dict[str, Seen] = {}
        for one in filters:
            for page in self._client.pages("DescribeInstances", "Reservations", size=PAGE, Filters=[one]):
                found.update({seen.machine.id: seen for seen in instances(page)})
        self._disks.read({volume for seen in found.values() if (volume := self._disks.unknown(seen))})
        return self.complete(list(found.values()))

    def get(self, machine_id: str) -> Machine | None:
        """DescribeInstances by id; a terminated instance is GONE for about an hour, and unknown afterwards."""
        found = self._describe(machine_id)
        if found is None:
            return None
        self._disks.read_missing(found)
        return self.complete([found])[0]

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        """What can be done while the instance runs, in as few calls as can be; then type and user data (EC2 changes
        them only while the instance is stopped); at last the interfaces, which may have to be waited for.
        """
        if final := [field for field in fields if self.traits.changes.get(field) is Change.REPLACE]:
            raise Refused(Reason.UNSUPPORTED, f"{', '.join(final)}: EC2 never changes that of an instance")
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        changed, changes = machine, self._changes
        if asked & {"name", "tags"}:
            changed = tags.retag(self._client, changed, spec, asked)
        seen = self._look(machine.id) if asked & _OF_PARTS else None
        if seen and asked & {"rootDisk", ROOT_CLASS}:
            changed = changes.remake_disk(changed, seen, spec)
        if seen and GROUPS in asked:
            changed = changes.regroup(changed, seen, spec, self._interfaces)
        if PROFILE in asked:
            changed = changes.give_profile(changed, spec)
        if asked & {"cpus", "memory", "instanceType"}:
            changed = changes.resize(changed, spec)
        if asked & {HOSTNAME, USER_DATA}:
            changes.render(changed, spec, made_here=intent is not None and intent.attempt > 0)
        if seen and "networks" in asked and spec.networks:
            self._interfaces.change(seen, spec, self._placement.subnets(spec, seen.facts.zone), marker)
            (now,) = self.complete([self._look(machine.id)])
            groups = {key: known for key, known in now.settings.items() if key == GROUPS}
            shown = {**changed.settings, **groups}
            changed = replace(changed, ports=now.ports, addresses=now.addresses, settings=shown)
        return Started(machine.id, changed)

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """AttachVolume, under a device name that is free. EC2 never attaches a volume in another zone."""
        return self._attachments.attach(machine, self._look(machine.id), volume_id)

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """DetachVolume, never by force: while the guest uses it, EC2 waits."""
        return self._attachments.detach(machine, self._look(machine.id), volume_id)

    def mark(self, machine: Machine, marker: Marker | None) -> Started[Machine]:
        """Tags of the instance, and of its volumes and interfaces that carry the same marker as it does now.

        DescribeInstances comes first, as in ``delete``: what somebody else has taken over since stays his.
        """
        prove_for(machine, self._look(machine.id).machine.marker, marker)
        before = machine.marker
        parts = [*self._disks.marked(machine.id, before), *self._interfaces.of(machine.id, before)] if before else []
        tags.mark(self._client, [machine.id, *parts], before, marker, besides=(JOURNAL, MACHINE))
        return Started(machine.id, replace(machine, marker=marker))

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        """StartInstances or StopInstances. EC2 itself turns a soft stop into a hard one after some minutes."""
        if power is Power.RUNNING:
            answer = self._client.call("StartInstances", InstanceIds=[machine.id])
            return _changed(machine, answer.get("StartingInstances", []))
        if power is not Power.STOPPED:
            raise Refused(Reason.UNSUPPORTED, f"EC2 cannot bring an instance to {power}")
        words: dict[str, Any] = {}
        if hard or spec.power_off is PowerOff.HARD:
            words = {"Force": True, "SkipOsShutdown": True}
        answer = self._client.call("StopInstances", InstanceIds=[machine.id], **words)
        return _changed(machine, answer.get("StoppingInstances", []))

    def delete(self, machine: Machine) -> Started[Machine]:
        """TerminateInstances; its disks and interfaces go with it, as they were asked to when they were made.

        DescribeInstances comes first: the picture may be as old as the last sweep, and what is terminated stays so. What
        another object owns stays, whatever somebody has asked of EC2.
        """
        seen = self._describe(machine.id)
        if seen is None or seen.machine.power is Power.GONE:
            return Started(machine.id)
        prove(machine, seen.machine.marker)
        self._attachments.spare(seen)
        self._release(machine, seen)
        try:
            answer = self._client.call("TerminateInstances", InstanceIds=[machine.id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return Started(machine.id)
            raise
        return _changed(machine, answer.get("TerminatingInstances", []))

    def revert(self, machine: Machine, snapshot_id: str) -> Started[Machine]:
        """See the port."""
        raise Refused(Reason.UNSUPPORTED, f"EC2 does not take {machine.id} back to {snapshot_id}: make a Volume of it")

    def close(self) -> None:
        """Nothing of its own is open."""

    def complete(self, found: Sequence[Seen]) -> list[Machine]:
        """The machines with what only other calls tell; what is known of types and subnets is not asked again."""
        types = self._catalogue.types({seen.machine.instance_type for seen in found if seen.machine.instance_type})
        networks = self._zones.networks({subnet for seen in found for subnet in seen.subnets})
        return [self._disks.complete(self._membership.own(seen), types, networks) for seen in found]

    # ------------------------------------------------------------------- parts

    def _describe(self, machine_id: str) -> Seen | None:
        try:
            answer = self._client.call("DescribeInstances", InstanceIds=[machine_id])
        except Refused as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        found = next((seen for seen in instances(answer["Reservations"]) if seen.machine.id == machine_id), None)
        if found is None:
            # Of an instance that does not exist EC2 says just that: an answer without it proves nothing.
            raise Unclear(f"DescribeInstances: the answer does not tell of {machine_id}")
        return found

    def _look(self, machine_id: str) -> Seen:
        seen = self._describe(machine_id)
        if seen is None:
            raise Refused(Reason.NOT_FOUND, f"{machine_id} does not exist")
        return seen

    def _release(self, machine: Machine, seen: Seen) -> None:
        """Only an instance of several interfaces, or one whose interfaces were being changed, can leave some behind."""
        if machine.marker is not None and len(machine.ports or ()) > 1:
            self._interfaces.release(seen, machine.marker)


def instances(reservations: list[dict[str, Any]]) -> list[Seen]:
    """All instances of one page of DescribeInstances."""
    return [mapping.seen(item) for group in reservations for item in group.get("Instances", [])]


def _changed(machine: Machine, answer: list[dict[str, Any]]) -> Started[Machine]:
    """The machine in the state that a change of state answered with."""
    state = next((item["CurrentState"]["Name"] for item in answer if item.get("InstanceId") == machine.id), None)
    if state is None:
        return Started(machine.id, machine)
    return Started(machine.id, replace(machine, power=mapping.power(state), lock=mapping.lock(state)))
