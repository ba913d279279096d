"""Port groups of the lab's vCenter, in the hands of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from hybridge.core.identity import read_notes
from hybridge.core.network import Network, NetworkSpec
from lab.vsphere import VsphereCloud
from lab.vsphere_networks import PortGroups
from tests.contract.segments import Segments, ShownNetwork


class VsphereSegments(Segments):
    """A network is a port group of the distributed switch, without parts; a rich one has a VLAN."""

    create_call = "CreateDVPortgroup_Task"
    missing = "dvportgroup-999999"
    impossible = (
        {"options": {"switch": "vSwitch9"}},
        {"options": {"switch": "DVS0", "cluster": "DC0_C0"}},  # it is no standard one
        {"options": {"vpcID": "vpc-0123456789abcdef0"}},
        {"options": {}},
        {"name": "n" * 81},
    )
    sweep_cost = 0
    life_cost = 8

    @property
    def _groups(self) -> PortGroups:
        return cast("VsphereCloud", self.bed.cloud).port_groups

    def words(self) -> Mapping[str, object]:
        return {"options": {"switch": PortGroups.switch}}

    def rich(self, **overrides: Any) -> NetworkSpec:
        return self.spec(**{"vlan": 7, **overrides})

    def shown(self) -> dict[str, ShownNetwork]:
        return {
            one.id: ShownNetwork(
                id=one.id,
                name=one.name,
                owner=marker.owner if (marker := read_notes(one.description)) else None,
                tags=one.attributes,
            )
            for one in self._groups.all()
        }

    def leftovers(self) -> set[str]:
        return set()  # a port group is all that there is of a network

    def stranger(self, name: str) -> str:
        return self._groups.create(name)

    def destroy(self, network_id: str) -> None:
        self._groups.destroy(network_id)

    def copy(self, network_id: str) -> str | None:
        found = self._groups.group(network_id)
        return self._groups.create(f"{found.name}-copy", description=found.description)

    def tag(self, network_id: str, key: str, value: str) -> None:
        self._groups.tag(network_id, key, value)

    def rename(self, network_id: str, name: str) -> None:
        self._groups.rename(network_id, name)

    def damage(self, network: Network) -> str:
        self._groups.set_vlan(network.id, 8)
        return "vlan"
