"""The configuration of software-defined networks: what is written, what of it runs, and how it is put into effect.

Writing changes nothing yet: ``PUT /cluster/sdn`` puts all into effect that is written, whoever wrote it. So that is
only asked for while nothing waits but what is ours. PVE has a lock for this (since 9.0), but no end of it: an operator
that died with it would lock everybody out. It is not taken, so that between the look and the request somebody can still
write something; a lock that others hold is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hybridge.core.errors import Busy, Refused
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.proxmox import aliases
from hybridge.drivers.proxmox.answers_sdn import Section, Vnet
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.tasks import begun

_SDN = ("cluster", "sdn")
#: The keys of a vnet that Hybridge writes; what waits in others is a person's.
_OURS = frozenset({"alias", "tag", "zone"})
_GONE = "deleted"
#: The version that has fabrics.
_FABRICS = (9,)
#: Most that are named in one sentence.
_MOST = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A vnet as it is written. ``gone``: it is taken away there, and runs still. ``waits``: names of what is not applied."""

    vnet: str
    zone: str
    alias: str
    tag: int | None
    gone: bool = False
    waits: frozenset[str] = frozenset()
    running_alias: str = ""

    @property
    def applied(self) -> bool:
        """Whether it runs as it is written."""
        return not (self.waits or self.gone)

    def is_of(self, cluster: str) -> bool:
        """Whether it is, or was until just now, of this cluster, and nothing waits in it that people wrote."""
        markers = [aliases.read(alias)[1] for alias in (self.alias, self.running_alias)]
        return self.waits <= _OURS and any(marker is not None and marker.cluster == cluster for marker in markers)


def written(row: Vnet) -> Written:
    """What a row with ``pending`` says."""
    if row.state == _GONE:
        return Written(row.vnet, row.zone, row.alias, row.tag, gone=True, running_alias=row.alias)
    found: dict[str, object] = {"zone": row.zone, "alias": row.alias, "tag": row.tag}
    if row.state:
        found |= {key: None if value == _GONE else value for key, value in row.pending.items() if key in found}
    tag = str(found["tag"] or "")
    waits = frozenset(map(str, row.pending)) - {"type", "vnet"} if row.state else frozenset()
    return Written(
        row.vnet,
        str(found["zone"] or ""),
        str(found["alias"] or ""),
        int(tag) if tag.isdigit() else None,
        waits=waits or (frozenset({"zone"}) if row.state else waits),
        running_alias=row.alias,
    )


class Sdn:
    """Reads and applies it in one cluster. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client

    def vnets(self) -> list[Written]:
        """All that are written or run. Raises CloudError."""
        return [written(row) for row in self._client.get("Vnets", list[Vnet], *_SDN, "vnets", pending=1)]

    def zones(self) -> list[Section]:
        """All zones. Raises CloudError."""
        return self._client.get("Zones", list[Section], *_SDN, "zones", pending=1)

    def vnet(self, name: str) -> Vnet:
        """One as it is written, with the digest of them all. Raises Missing when it is not written, and CloudError."""
        return self._client.get("Vnet", Vnet, *_SDN, "vnets", name)

    def check_others(self, cluster: str, vnets: list[Written], zones: list[Section] | None = None) -> None:
        """Nothing, when all that is not applied is of this cluster. Raises Busy with the names of what is not."""
        foreign = list(self._foreign(cluster, vnets, zones))
        if foreign:
            more = f" and {len(foreign) - _MOST} more" if len(foreign) > _MOST else ""
            words = (
                f"the SDN configuration has changes of others that are not applied: {', '.join(foreign[:_MOST])}{more}"
            )
            raise Busy(f"{words}; it is applied as a whole, so this waits until they are applied or reverted")

    def _foreign(self, cluster: str, vnets: list[Written], zones: list[Section] | None) -> Iterator[str]:
        yield from (f"vnet {one.vnet}" for one in vnets if not one.applied and not one.is_of(cluster))
        rows = self.zones() if zones is None else zones
        yield from (f"zone {row.zone}" for row in rows if row.state)
        if zones is not None:
            return
        rows = self._client.get("SdnControllers", list[Section], *_SDN, "controllers", pending=1)
        yield from (f"controller {row.controller}" for row in rows if row.state)
        yield from (f"fabric {row.id}" for row in self._fabrics() if row.state)
        for one in vnets:
            if not one.gone:
                yield from (f"subnet {row.subnet}" for row in self._subnets(one.vnet) if row.state)

    def _fabrics(self) -> list[Section]:
        if self._estate.version < _FABRICS:
            return []
        try:
            return self._client.get("SdnFabrics", list[Section], *_SDN, "fabrics", "fabric", pending=1)
        except Refused as refusal:
            if refusal.reason is Reason.UNSUPPORTED:
                return []
            raise

    def _subnets(self, vnet: str) -> list[Section]:
        try:
            return self._client.get("Subnets", list[Section], *_SDN, "vnets", vnet, "subnets", pending=1)
        except Missing:
            return []

    def apply(self) -> Task | None:
        """Puts all that is written into effect on all nodes. Raises CloudError."""
        return begun(self._client.put("ApplyNetworks", *_SDN), "ApplyNetworks")
