"""Networks of one vCenter, behind the port: port groups of distributed switches, and (see ``standard_networks``) of standard
ones.

A vCenter takes no token for one; its name is unique in the folder of its switch, so that a repetition finds the port group
that the first call made, or is refused. The marker is in the description, and given with the call.

Source: DistributedVirtualSwitch and DistributedVirtualPortgroup in the vSphere Web Services API reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Change, Known
from hybridge.core.managed import State
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for
from hybridge.drivers.vsphere import collector, network_mapping, port_groups, proof
from hybridge.drivers.vsphere.attributes import Attributes
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import COMPUTE, HOSTS, SWITCHES, Inventory
from hybridge.drivers.vsphere.network_mapping import carries
from hybridge.drivers.vsphere.network_reading import NetworkReading
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.port_groups import DISTRIBUTED, STANDARD, PortGroup
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.standard_networks import Host, StandardNetworks, require_together, vlan_of

#: Of how many creations the task is remembered.
_ASKED: Final = 200


class VsphereNetworks:
    """The port's methods. Ids of managed objects are never used twice."""

    traits: Final = NetworkTraits(
        visibility=60.0, token_lifetime=0.0, block="vsphere", changes={"vlan": Change.STOPPED}
    )

    def __init__(self, session: Session, inventory: Inventory, picture: Picture) -> None:
        self._session = session
        self._inventory = inventory
        self._picture = picture
        self._attributes = Attributes(session, picture)
        self._reading = NetworkReading(session, picture, session.calls)
        self._standard = StandardNetworks(session, self._attributes)
        self._asked: dict[str, Task] = {}

    def normalize(self, spec: NetworkSpec) -> NetworkSpec:
        """Paths as they are told, and tags that have a value."""
        return network_mapping.normalize(spec)

    def prepare(self, spec: NetworkSpec, taken: Collection[str]) -> Prepared:
        """One request at most, two where the switch is new, and none for a minute after that."""
        del taken  # the vCenter chooses ids
        spec = self.normalize(spec)
        wanted = str(spec.options.get("switch") or "")
        if not wanted:
            raise Refused(Reason.INVALID_SPEC, "spec.vsphere.switch is missing")
        try:
            return self._placed(spec, wanted)
        except Refused:  # a switch may come at any moment
            self._inventory.forget()
            return self._placed(spec, wanted)

    def _placed(self, spec: NetworkSpec, wanted: str) -> Prepared:
        if spec.options.get("cluster"):
            cluster = self._cluster(spec)
            for host in self._standard.hosts(self._hosts(cluster.id)):
                host.require(wanted)
            why = f"on standard switch {wanted} of the hosts of {readable(str(cluster.properties.get('name')))}"
            return Prepared(network_mapping.standard_parameters(cluster.id, spec), placed=Placed(why=why))
        switch = self._resolved(wanted)
        why = f"on distributed switch {readable(str(switch.properties.get('name', wanted)))}"
        return Prepared(network_mapping.parameters(switch.id, spec), placed=Placed(why=why))

    def create(self, intent: Intent, spec: NetworkSpec, marker: Marker) -> Started[Network]:
        """One CreateDVPortgroup_Task, after a look at what the switch has."""
        del spec  # all of it is among the parameters
        if "cluster" in intent.parameters:
            return self._create_standard(intent, marker)
        switch = vim.DistributedVirtualSwitch(str(intent.parameters["switch"]), self._session.calls)
        below = collector.start(switch, collector.step(vim.DistributedVirtualSwitch, "portgroup"), skip=True)
        there = [self._described(one) for one in self._reading.read(below)]
        for one in there:
            if one.name == readable(intent.name):
                if carries(one, marker):
                    return Started(one.id, one)
                raise Refused(Reason.NAME_TAKEN, f"{intent.name} exists on the switch as {one.id}, and it is not ours")
        asked = self._asked.get(intent.token)
        if asked is not None and not self._picture.has_failed(asked):
            return Started(task=asked)
        argument = network_mapping.create_spec(intent, marker)
        try:
            task = self._begun("CreateNetwork", lambda: switch.CreateDVPortgroup_Task(argument))
        except CloudError as error:
            if caused_by(error, "ManagedObjectNotFound"):
                self._inventory.forget()
            raise
        self._asked[intent.token] = task
        if len(self._asked) > _ASKED:
            del self._asked[next(iter(self._asked))]
        return Started(task=task)

    def find(self, marker: Marker, intent: Intent | None) -> list[Network]:
        """All networks of the datacenter, read now: one request."""
        del intent  # what it made carries the marker
        folder = self._inventory.datacenter.properties["networkFolder"]
        everything = map(self._described, self._reading.read(collector.tree(folder)))
        return [one for one in everything if carries(one, marker)]

    def get(self, network_id: str) -> Network | None:
        """One request. Raises CloudError where the answer is without it: see ``proof``."""
        found = self._reading.one(network_id)
        return self._described(found) if found is not None else None

    def configure(
        self, found: Network, spec: NetworkSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Network]:
        """Custom attributes one call each; name and VLAN in one ReconfigureDVPortgroup_Task."""
        del intent, marker
        spec = self.normalize(spec)
        group, now = self._proven(found)
        if group.kind != DISTRIBUTED:
            self._configure_standard(spec, fields, group, now)
        if any(field.partition(".")[0] == "tags" for field in fields):
            now = self._attributes.set(now, port_groups.reference(now.id), spec.tags)
        if group.kind != DISTRIBUTED:
            return Started(now.id, now)
        name = spec.name if "name" in fields and now.name != spec.name else None
        vlan = spec.vlan if "vlan" in fields and (str(spec.vlan),) != group.vlan else None
        if name is None and vlan is None:
            return Started(now.id, now)
        change = network_mapping.change_spec(group, name=name, vlan=vlan)
        return self._reconfigured(group, "Reconfigure", change)

    def mark(self, found: Network, marker: Marker | None) -> Started[Network]:
        """One ReconfigureDVPortgroup_Task of the description, after a read: what somebody else has taken over stays his."""
        group, now = self._there(found)
        prove_for(found, now.marker, marker)
        if now.unfit:
            raise Refused(Reason.UNSUPPORTED, f"{now.id} ({now.name}) cannot be taken over: {now.unfit}")
        if group.kind != DISTRIBUTED:
            if marker is not None:
                self._together(group, now)
            return Started(now.id, self._standard.mark(now, marker))
        return self._reconfigured(group, "Mark", network_mapping.mark_spec(group, marker))

    def delete(self, found: Network) -> Started[Network]:
        """Destroy_Task, after a read that proves whose it is. A vCenter refuses it while a machine, or a snapshot of one, is
        connected.
        """
        group = self._reading.one(found.id)
        if group is None:
            return Started(found.id, _gone(found))
        now = self._described(group)
        prove(found, now.marker)
        if now.machines:
            raise Refused(Reason.HAS_DEPENDANTS, f"{now.id} ({now.name}) is used by {', '.join(now.machines[:8])}")
        if group.kind != DISTRIBUTED:
            return Started(now.id, self._standard.remove(self._together(group, now), now))
        try:
            return Started(now.id, task=self._begun("DeleteNetwork", self._object(now.id).Destroy_Task))
        except CloudError as error:
            if proof.absent(error) == now.id:
                return Started(found.id, _gone(found))
            if caused_by(error, "ResourceInUse"):
                raise Refused(Reason.HAS_DEPENDANTS, error.message) from error.__cause__
            raise

    # What the port's methods are made of.

    def _object(self, network_id: str) -> Any:
        return type(port_groups.reference(network_id))(network_id, self._session.calls)

    def _create_standard(self, intent: Intent, marker: Marker) -> Started[Network]:
        """One AddPortGroup on one host, and the custom attributes of the marker; the other hosts are a part of their own."""
        given, name = intent.parameters, readable(intent.name)
        hosts = self._standard.hosts(self._hosts(str(given["cluster"])))
        there = self._claimable(name, hosts, marker)
        if there is not None and carries(there, marker):
            return Started(there.id, there)
        first = self._standard.begin(hosts, name, given, named=bool(given["named"]))
        try:
            made = self._claimable(name, hosts, marker)
        except Refused:
            if name not in first.groups:  # it came just now
                self._standard.take_off(first, name)
            raise
        if made is None:
            words = f"host {first.name} was given {name}, and the vCenter does not show it yet"
            raise CloudError(Reason.CLOUD_ERROR, words, disposition=Disposition.WAIT, took_effect_possible=True)
        return Started(made.id, self._standard.mark(made, marker))

    def _claimable(self, name: str, hosts: Collection[Host], marker: Marker) -> Network | None:
        """The network of standard switches of this name in the datacenter, read now, which is this object's or nobody's.

        Raises Refused NAME_TAKEN for another object's, and where other hosts have it than these.
        """
        everything = self._reading.read(collector.tree(self._inventory.datacenter.properties["networkFolder"]))
        group = next((one for one in everything if one.kind == STANDARD and readable(one.name) == name), None)
        if group is None:
            return None
        there = self._described(group)
        if carries(there, marker):
            return there
        if there.marker is not None:
            raise Refused(Reason.NAME_TAKEN, f"{name} exists as {there.id}, and it is {there.marker.owner}'s")
        if others := group.hosts - {host.id for host in hosts}:
            told = ", ".join(sorted(map(self._inventory.layout().name, others)))
            raise Refused(
                Reason.NAME_TAKEN,
                f"{name} exists as {there.id} on {told}, out of the cluster, and a datacenter has a name once",
            )
        return there

    def _together(self, group: PortGroup, now: Network) -> list[Host]:
        """The hosts of a network of standard switches, read now. Raises Refused where they are of several clusters."""
        hosts = self._standard.hosts(group.hosts)
        require_together(hosts, now)
        return hosts

    def _configure_standard(self, spec: NetworkSpec, fields: Collection[str], group: PortGroup, now: Network) -> None:
        """AddPortGroup and UpdatePortGroup on the hosts that differ."""
        if "name" in fields and now.name != spec.name:
            raise Refused(Reason.UNSUPPORTED, "spec.name: a port group of standard switches keeps its name")
        spreads, vlan = f"parts.{network_mapping.HOSTS}" in fields, spec.vlan if "vlan" in fields else None
        if not spreads and vlan is None:
            return
        hosts, cluster = self._together(group, now), self._cluster(spec).id if spec.options.get("cluster") else None
        if cluster is not None and any(host.compute != cluster for host in hosts):
            told = ", ".join(sorted(host.name for host in hosts))
            raise Refused(
                Reason.UNSUPPORTED, f"spec.vsphere.cluster: {now.name} is on {told}, and stays in their cluster"
            )
        if spreads and cluster is not None:
            self._standard.spread(self._standard.hosts(self._hosts(cluster)), now)
        if vlan is not None:
            self._standard.move(hosts, now.name, vlan)

    def _cluster(self, spec: NetworkSpec) -> Found:
        wanted = str(spec.options.get("cluster") or "")
        return self._inventory.layout().resolve("spec.vsphere.cluster: cluster", wanted, COMPUTE)

    def _hosts(self, cluster: str) -> list[str]:
        every = self._inventory.layout().of(HOSTS)
        return [one.id for one in every if "parent" in one.properties and moid(one.properties["parent"]) == cluster]

    def _resolved(self, wanted: str) -> Found:
        try:
            return self._inventory.layout().resolve("spec.vsphere.switch: distributed switch", wanted, SWITCHES)
        except Refused as error:
            raise Refused(error.reason, f"{error.message} (a standard one needs spec.vsphere.cluster, too)") from None

    def _described(self, group: PortGroup) -> Network:
        shown = self._picture.describe_network(group, self._switch(group.switch))
        if group.kind != STANDARD or shown.marker is None:
            return shown
        vlan = vlan_of(self._standard.hosts(group.hosts), group.name)
        return self._picture.describe_network(replace(group, vlan=vlan), ())

    def _switch(self, switch: str) -> Known:
        """All words for a switch, where none were pushed."""
        if not switch or self._picture.ready:
            return ()
        layout = self._inventory.layout()
        parts = layout.path(switch).split("/")
        ends = ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        return tuple(dict.fromkeys((readable(layout.name(switch)), *ends, switch)))

    def _there(self, found: Network) -> tuple[PortGroup, Network]:
        group = self._reading.one(found.id)
        if group is None:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        return group, self._described(group)

    def _proven(self, found: Network) -> tuple[PortGroup, Network]:
        group, now = self._there(found)
        prove(found, now.marker)
        return group, now

    def _reconfigured(self, group: PortGroup, operation: str, change: Any) -> Started[Network]:
        call = self._object(group.id).ReconfigureDVPortgroup_Task
        return Started(group.id, task=self._begun(operation, lambda: call(change)))

    def _begun(self, operation: str, call: Callable[[], Any]) -> Task:
        task = Task(moid(call()), operation, time.time())
        self._picture.started(task)
        return task


def _gone(found: Network) -> Network:
    return Network(found.id, found.name, State.GONE, marker=found.marker)
