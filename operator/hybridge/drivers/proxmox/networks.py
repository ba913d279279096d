"""Networks: bridges, which are only looked at, and vnets of software-defined networks, found and proven by their
aliases.

A vnet's name can be had once, so that repeating its creation fails and finds the same one. What is written of it is in
effect when the whole SDN configuration is applied (see ``sdn``): that is its only part. What was deleted and not
applied runs still, and is shown as a vnet that is not in effect: it is deleted to the end, or written again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Change
from hybridge.core.names import not_found
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for, same_owner
from hybridge.drivers.proxmox import aliases
from hybridge.drivers.proxmox.answers_sdn import Vnet, ZoneBridge
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.limits import check_words
from hybridge.drivers.proxmox.sdn import Sdn, Written, written
from hybridge.drivers.proxmox.segments import APPLIED, BRIDGE, VLAN, VNET_NAME, Segments, shown

#: The type of zone whose vnets have no tag; all others need one.
_UNTAGGED = "simple"
_VNETS = ("cluster", "sdn", "vnets")


class Networks:
    """See ``hybridge.drivers.base.NetworkDriver``."""

    def __init__(self, estate: Estate, segments: Segments, sdn: Sdn) -> None:
        self.traits = NetworkTraits(
            visibility=30.0,
            token_lifetime=86400.0,
            block="proxmox",
            changes={VLAN: Change.STOPPED},
        )
        self._estate = estate
        self._client = estate.client
        self._segments = segments
        self._sdn = sdn

    def normalize(self, spec: NetworkSpec) -> NetworkSpec:
        """See the port. A vnet has no range of addresses and no tags of its own: both stay in the spec alone."""
        check_words("spec.proxmox", spec.options, {"bridge", "sdnZone", "vnet"})
        vnet = spec.options.get("vnet")
        if vnet is not None and not VNET_NAME.fullmatch(str(vnet)):
            raise Refused(Reason.INVALID_SPEC, f"spec.proxmox.vnet: {vnet!r} has to be two to eight letters and digits")
        if spec.imports is None and not vnet:
            words = "spec.proxmox.vnet and sdnZone say which vnet is made, or spec.proxmox.bridge which bridge it is"
            raise Refused(Reason.INVALID_SPEC, words)
        return replace(spec, name=aliases.plain_name(spec.name), tags={}, cidr=None, parts=(APPLIED,))

    def prepare(self, spec: NetworkSpec, taken: Collection[str]) -> Prepared:
        """See the port. The zone's type says whether a vnet in it has a tag."""
        vnet, name = str(spec.options.get("vnet", "")), str(spec.options.get("sdnZone", ""))
        if vnet in taken:
            raise Refused(Reason.NAME_TAKEN, f"spec.proxmox.vnet: {vnet!r} is the vnet of another object")
        zones = {row.zone: row for row in self._sdn.zones()}
        zone = zones.get(name)
        if zone is None:
            raise Refused(Reason.NOT_FOUND, not_found("spec.proxmox.sdnZone: the zone", name, zones))
        if zone.type == _UNTAGGED and spec.vlan is not None:
            raise Refused(Reason.INVALID_SPEC, f"spec.vlan: the zone {name!r} is a simple one, whose vnets have no tag")
        if zone.type != _UNTAGGED and spec.vlan is None:
            raise Refused(
                Reason.INVALID_SPEC, f"spec.vlan: the zone {name!r} ({zone.type}) needs a tag for each of its vnets"
            )
        parameters: dict[str, object] = {"vnet": vnet, "zone": name}
        if spec.vlan is not None:
            parameters["tag"] = spec.vlan
        return Prepared(parameters, vnet)

    def create(self, intent: Intent, spec: NetworkSpec, marker: Marker) -> Started[Network]:
        """See the port. While changes of others wait to be applied, nothing is added to them. Raises Busy, too."""
        words = intent.parameters
        vnet, alias = str(words["vnet"]), aliases.write(spec.name, marker)
        before = self._sdn.vnets()
        known = next((one for one in before if one.vnet == vnet), None)
        if known is not None and not known.gone:
            return self._claimed(known, marker)
        if known is not None and not same_owner(aliases.read(known.alias)[1], marker):
            raise IdTaken(f"vnet {vnet} was deleted, and runs until that is applied")
        self._sdn.check_others(marker.cluster, before, self._sdn.zones())
        try:
            self._client.post("CreateVnet", *_VNETS, vnet=vnet, zone=words["zone"], tag=words.get("tag"), alias=alias)
        except IdTaken as taken:
            made = next((one for one in self._sdn.vnets() if one.vnet == vnet), None)
            if made is None:
                raise IdTaken(f"{taken.message}; this account does not see it") from taken
            return self._claimed(made, marker)
        tag = words.get("tag")
        new = Written(vnet, str(words["zone"]), alias, int(str(tag)) if tag else None, waits=frozenset({"zone"}))
        return Started(vnet, shown(new, ()))

    def find(self, marker: Marker, intent: Intent | None) -> list[Network]:
        """See the port."""
        del intent
        users = self._estate.book.plugged()
        carriers = [one for one in self._segments.vnets() if same_owner(aliases.read(one.alias)[1], marker)]
        return [shown(one, users.get(one.vnet, ())) for one in carriers]

    def get(self, known_id: str) -> Network | None:
        """See the port. None takes lists without it, PVE's word on a vnet of that name, and a cluster that has quorum."""
        return self._segments.exists(known_id)

    def configure(
        self, found: Network, spec: NetworkSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Network]:
        """See the port. Before the configuration is applied the vnet is brought to the spec: what somebody has written
        meanwhile shall not come into effect on the way.
        """
        del intent
        _refuse_bridge(found)
        every = self._sdn.vnets()
        one = next((one for one in every if one.vnet == found.id), None)
        if one is None:
            raise NotProven(f"vnet {found.id} is gone")
        prove(replace(found, marker=marker), aliases.read(one.alias)[1])
        applying = f"parts.{APPLIED}" in fields
        if one.gone and applying:
            alias = aliases.write(spec.name, marker)
            tag = spec.vlan if spec.vlan is not None else one.tag
            self._client.post("CreateVnet", *_VNETS, vnet=one.vnet, zone=one.zone, tag=tag, alias=alias)
            every = self._sdn.vnets()
        elif self._write(one, spec, {*fields, *((VLAN,) if applying else ())}, marker):
            every = self._sdn.vnets()
        one = next((one for one in every if one.vnet == found.id), None)
        if one is None:
            raise NotProven(f"vnet {found.id} is gone")
        if not applying or one.applied:
            return Started(found.id, shown(one, found.machines))
        self._sdn.check_others(marker.cluster, every)
        return Started(found.id, shown(replace(one, waits=frozenset()), found.machines), self._sdn.apply())

    def mark(self, found: Network, marker: Marker | None) -> Started[Network]:
        """See the port. A vnet that is let go is applied with it where nothing of others waits, and else with what waits."""
        _refuse_bridge(found)
        row = self._read(found)
        name, carried = aliases.read(row.alias)
        prove_for(found, carried, marker)
        if marker is None:
            return self._let_go(found, row, aliases.write(name, None), carried)
        self._alias(row, aliases.write(name or row.vnet, marker))
        one = next((one for one in self._sdn.vnets() if one.vnet == found.id), None) or written(row)
        return Started(found.id, shown(one, found.machines))

    def _let_go(self, found: Network, row: Vnet, alias: str, carried: Marker | None) -> Started[Network]:
        """All that has to be known is read first: what is written and not yet applied would be nobody's afterwards."""
        every = self._sdn.vnets()
        one = next((one for one in every if one.vnet == found.id), None) or written(row)
        alone = carried is not None and self._is_alone(carried.cluster, every)
        self._alias(row, alias)
        waits = one.waits - {"alias"} | ({"alias"} if alias != one.running_alias else frozenset())
        left = replace(one, alias=alias, waits=waits)
        task = self._sdn.apply() if alone and not left.applied else None
        return Started(found.id, shown(left, found.machines), task)

    def _is_alone(self, cluster: str, every: list[Written]) -> bool:
        """Whether nothing waits that others have written."""
        try:
            self._sdn.check_others(cluster, every)
        except Busy:
            return False
        return True

    def _alias(self, row: Vnet, alias: str) -> None:
        if alias != row.alias:
            words = {"alias": alias} if alias else {"delete": "alias"}
            self._client.put("ChangeVnet", *_VNETS, row.vnet, **words, digest=row.digest)

    def delete(self, found: Network) -> Started[Network]:
        """See the port. PVE itself does not look whether a guest is plugged in."""
        _refuse_bridge(found)
        every = self._sdn.vnets()
        one = next((one for one in every if one.vnet == found.id), None)
        if one is None:
            return Started(found.id)
        carried = aliases.read(one.alias)[1]
        if carried is None or found.marker is None:
            raise NotProven(f"vnet {found.id} carries no marker")
        prove(found, carried)
        self._check_unused(one)
        self._sdn.check_others(carried.cluster, every)
        if not one.gone:
            self._client.delete("DeleteVnet", *_VNETS, one.vnet)
        return Started(found.id, task=self._sdn.apply())

    # ------------------------------------------------------------------ parts

    def _write(self, one: Written, spec: NetworkSpec, fields: Collection[str], marker: Marker) -> bool:
        """Writes what differs; whether there was anything."""
        values: dict[str, object] = {}
        name, carried = aliases.read(one.alias)
        if "name" in fields and name != spec.name:
            values["alias"] = aliases.write(spec.name, carried)
        if VLAN in fields and spec.vlan is not None and one.tag != spec.vlan:
            values["tag"] = spec.vlan
        if not values or one.gone:
            return False
        row = self._sdn.vnet(one.vnet)
        if not same_owner(aliases.read(row.alias)[1], marker):
            raise NotProven(f"vnet {one.vnet} does not carry the marker of {marker.owner} any more")
        self._client.put("ChangeVnet", *_VNETS, one.vnet, **values, digest=row.digest)
        return True

    def _read(self, found: Network) -> Vnet:
        try:
            return self._sdn.vnet(found.id)
        except Missing as missing:
            raise NotProven(missing.message) from missing

    @staticmethod
    def _claimed(known: Written, marker: Marker) -> Started[Network]:
        """What has the name that a create wanted: our own earlier call, or a stranger."""
        if same_owner(aliases.read(known.alias)[1], marker):
            return Started(known.vnet, shown(known, ()))
        raise IdTaken(f"there is a vnet {known.vnet} already: lifecycle.import takes it over")

    def _check_unused(self, one: Written) -> None:
        """Nothing, when no guest in sight is plugged in, by fresh readings, and none that runs. Raises Refused."""
        plugged = sorted({*self._plugged(one.vnet), *self._running(one)})
        if plugged:
            raise Refused(Reason.HAS_DEPENDANTS, f"guest {', '.join(plugged)} is in the vnet {one.vnet}")

    def _plugged(self, vnet: str) -> Iterator[str]:
        for vmid in self._estate.book.plugged().get(vnet, ()):
            try:
                self._estate.read(vmid)
            except Missing:
                continue
            if vmid in self._estate.book.plugged().get(vnet, ()):
                yield vmid

    def _running(self, one: Written) -> Iterator[str]:
        """The guests of all kinds that run and are plugged in, whether or not their configurations were read.

        Versions before 9 cannot tell.
        """
        picture = self._estate.look()
        for node in sorted(picture.nodes):
            if not picture.online(node):
                continue
            path = ("nodes", node, "sdn", "zones", one.zone, "bridges")
            try:
                bridges = self._client.get("ZoneBridges", list[ZoneBridge], *path)
            except Refused as refusal:
                if refusal.reason is Reason.UNSUPPORTED:
                    return
                raise
            for bridge in bridges:
                if bridge.name == one.vnet:
                    yield from (str(port.vmid) for port in bridge.ports if port.vmid)


def _refuse_bridge(found: Network) -> None:
    if BRIDGE in found.settings:
        words = f"{found.id} is a bridge: Hybridge does not change the nodes' own network"
        raise Refused(Reason.UNSUPPORTED, f"{words}; set lifecycle.management to Observed")
