"""Port groups of standard switches: one on each host of a cluster, which the vCenter shows as one network.

They have no description: the marker is in custom attributes of the network, which there is once the first host has the port
group, so that both take calls of their own. In between the name alone tells whose it is. One that has the object's uid in it
is taken for ours where everything else is as it was asked for; one that somebody chose is not, and a person has to say.

A datacenter has a name once: port groups of one name are one network, whatever clusters their hosts are of. What hosts of
several have is not changed.

Source: HostNetworkSystem, HostPortGroupSpec and CustomFieldsManager in the vSphere Web Services API reference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hybridge.core.errors import Busy, CloudError, Disposition, Refused
from hybridge.core.identity import KEYS, OWNER, Marker
from hybridge.core.machine import Known
from hybridge.core.managed import State
from hybridge.core.network import Network
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import collector, errors, port_groups
from hybridge.drivers.vsphere.attributes import Attributes
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.sdk import moid, vim

_PATHS: Final = (
    "name",
    "parent",
    "network",
    "runtime.connectionState",
    "configManager.networkSystem",
    "config.network.portgroup",
    "config.network.vswitch",
)


@dataclass(frozen=True, slots=True)
class Group:
    """A port group of a host, in plain values."""

    name: str
    vlan: int
    switch: str


@dataclass(frozen=True, slots=True)
class Host:
    """What of a host's networks counts here. ``system``: the id of what changes them; ``networks``: ids of what it is on.
    ``compute``: the id of its cluster, or of what it is alone in.
    """

    id: str
    name: str
    compute: str
    system: str
    connected: bool
    groups: Mapping[str, Group]
    switches: frozenset[str]
    networks: frozenset[str]

    def require(self, switch: str) -> None:
        """Raises Refused NOT_FOUND where the host has no such switch."""
        if switch not in self.switches:
            known = ", ".join(sorted(self.switches)) or "none"
            words = f"host {self.name} has no standard switch {switch!r}; it has {known}"
            raise Refused(Reason.NOT_FOUND, f"spec.vsphere.switch: {words}")


class StandardNetworks:
    """Reads and changes of them."""

    def __init__(self, session: Session, attributes: Attributes) -> None:
        self._session = session
        self._attributes = attributes

    def hosts(self, ids: Collection[str], stub: Stub | None = None) -> list[Host]:
        """Hosts as they are now: one request. Raises CloudError."""
        if not ids:
            return []
        starts = [collector.start(vim.HostSystem(one)) for one in sorted(ids)]
        read = collector.retrieve(
            self._session, collector.selection({vim.HostSystem: _PATHS}, *starts), stub=stub or self._session.calls
        )
        try:
            return [_host(entry.id, entry.properties) for entry in read if entry.kind == "HostSystem"]
        except (AttributeError, TypeError, ValueError) as error:
            raise errors.unreadable("RetrievePropertiesEx", f"a host's networks: {error}") from None

    def begin(self, hosts: Collection[Host], name: str, given: Mapping[str, Any], *, named: bool) -> Host:
        """Sees to it that a host has the port group; which one. ``given``: its switch and VLAN.

        Raises Refused NAME_TAKEN for a port group that may be somebody's.
        """
        wanted = Group(name, int(given.get("vlan") or 0), str(given["switch"]))
        for host in hosts:
            if (found := host.groups.get(name)) is not None:
                if named or found != wanted:
                    raise Refused(
                        Reason.NAME_TAKEN,
                        f"{name} exists on {host.name} (switch {found.switch}, VLAN {found.vlan}) and carries no marker:"
                        " where it is meant, import it by its id, otherwise remove it or choose another spec.name",
                    )
                return host
        able = next((host for host in sorted(hosts, key=lambda one: one.id) if host.connected), None)
        if able is None:
            words = "no host of the cluster is connected"
            raise CloudError(Reason.HOST_DOWN, words, disposition=Disposition.WAIT)
        self._add(able, wanted)
        return able

    def mark(self, found: Network, marker: Marker | None) -> Network:
        """Gives the network a marker, its owner last, or takes it away, its owner first."""
        pairs = marker.pairs() if marker else dict.fromkeys(KEYS, "")
        order = sorted(pairs, key=lambda key: (key == OWNER) is (marker is not None))
        self._attributes.write(port_groups.reference(found.id), {key: pairs[key] for key in order})
        return replace(found, marker=marker)

    def spread(self, hosts: Collection[Host], found: Network) -> None:
        """Gives the port group to those of the hosts that lack it. Raises Busy while one of them is not connected."""
        name = found.name
        pattern = next((host.groups[name] for host in hosts if name in host.groups), None)
        if pattern is None:
            raise Busy(f"no host of the cluster shows {name} now")
        lacking = [host for host in hosts if name not in host.groups]
        for host in lacking:
            if host.connected:
                self._add(host, pattern)
        if away := [host.name for host in lacking if not host.connected]:
            raise Busy(f"{', '.join(away)} cannot be given {name}: not connected", reason=Reason.HOST_DOWN)

    def move(self, hosts: Iterable[Host], name: str, vlan: int) -> None:
        """Puts the port group into another VLAN on each host that has it."""
        for host in hosts:
            group = host.groups.get(name)
            if group is not None and group.vlan != vlan:
                self._system(host).UpdatePortGroup(name, _spec(replace(group, vlan=vlan)))

    def remove(self, hosts: Iterable[Host], found: Network) -> Network:
        """Takes the port group off each host that has it; the network goes with the last. Raises Refused HAS_DEPENDANTS."""
        for host in hosts:
            if found.id not in host.networks and found.name not in host.groups:
                continue
            self.take_off(host, found.name)
        return replace(found, state=State.GONE)

    def take_off(self, host: Host, name: str) -> None:
        """Takes a port group off a host. Already so: no error. Raises Refused HAS_DEPENDANTS."""
        try:
            self._system(host).RemovePortGroup(name)
        except CloudError as error:
            if caused_by(error, "ResourceInUse"):
                raise Refused(Reason.HAS_DEPENDANTS, f"{error.message} on {host.name}") from error.__cause__
            if not caused_by(error, "NotFound"):
                raise

    def _add(self, host: Host, wanted: Group) -> None:
        host.require(wanted.switch)
        try:
            self._system(host).AddPortGroup(_spec(wanted))
        except CloudError as error:
            if caused_by(error, "AlreadyExists") or caused_by(error, "DuplicateName"):
                raise Refused(Reason.NAME_TAKEN, f"{wanted.name} exists on {host.name}") from error.__cause__
            raise

    def _system(self, host: Host) -> Any:
        return vim.host.NetworkSystem(host.system, self._session.calls)


def require_together(hosts: Collection[Host], found: Network) -> None:
    """Raises Refused HAS_DEPENDANTS where the hosts of a network are not all of one cluster."""
    if len({host.compute for host in hosts}) > 1:
        told = ", ".join(sorted(host.name for host in hosts))
        raise Refused(
            Reason.HAS_DEPENDANTS,
            f"{found.id} ({found.name}) is on hosts of several clusters ({told}), and nobody knows whose it is there: take"
            " it off those that are not meant",
        )


def vlan_of(hosts: Iterable[Host], name: str) -> Known:
    """The VLAN of a port group; where hosts differ, all of them, which is none that a spec can ask for."""
    found = sorted({host.groups[name].vlan for host in hosts if name in host.groups})
    return (", ".join(map(str, found)),) if found else ()


def _spec(group: Group) -> Any:
    return vim.host.PortGroup.Specification(
        name=group.name, vlanId=group.vlan, vswitchName=group.switch, policy=vim.host.NetworkPolicy()
    )


def _host(host_id: str, words: Mapping[str, Any]) -> Host:
    groups = (one.spec for one in words.get("config.network.portgroup") or ())
    return Host(
        id=host_id,
        name=str(words["name"]),
        # What cannot be seen is another one's.
        compute=moid(words["parent"]) if words.get("parent") is not None else host_id,
        system=moid(words["configManager.networkSystem"]),
        connected=str(words.get("runtime.connectionState")) == "connected",
        groups={str(one.name): Group(str(one.name), int(one.vlanId), str(one.vswitchName)) for one in groups},
        switches=frozenset(str(one.name) for one in words.get("config.network.vswitch") or ()),
        networks=frozenset(map(moid, words.get("network") or ())),
    )
