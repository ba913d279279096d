"""Accounts and places of the lab's vCenter, the same in every lab. No pyvmomi here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lab import permissions
from lab.permissions import Grant

OPERATOR: Final = "hybridge@vsphere.local"
READONLY: Final = "readonly@vsphere.local"
PERSON: Final = "person@vsphere.local"

_SHIPPED: Final = permissions.vsphere()
#: Objects of the shipped page's example, and what stands for each of them in the lab.
_PLACES: Final[Mapping[str, Sequence[str]]] = {
    "/DC0/vm/hybridge": ("/DC0/vm/hybridge", "/DC0/vm/archive", "/DC0/vm"),
    "/DC0/host/Cluster/Resources": ("/DC0/host/DC0_C0/Resources", "/DC0/host/DC0_H0/Resources"),
    "/DC0/datastore/ds1": ("/DC0/datastore/LocalDS_0", "/DC0/datastore/LocalDS_1"),
    "/DC0/network/frontend": ("/DC0/network/frontend", "/DC0/network/backend", "/DC0/network/VM Network"),
}
#: What the shipped roles grant to the operator, with the lab's names.
GRANTS: Final = tuple(
    Grant(place, grant.right) for grant in _SHIPPED for place in _PLACES.get(grant.place, (grant.place,))
)
