"""Networks as the vCenter has them now: by their ids, or all that something leads to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from hybridge.core.errors import CloudError
from hybridge.drivers.vsphere import collector, port_groups, proof
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.port_groups import DISTRIBUTED, PATHS, STANDARD, PortGroup
from hybridge.drivers.vsphere.sdk import vim

_TYPES: Final = {vim.dvs.DistributedVirtualPortgroup: PATHS[DISTRIBUTED], vim.Network: PATHS[STANDARD]}


class NetworkReading:
    """Uncached reads. ``stub``: through which they go; sweeps have one of their own."""

    def __init__(self, session: Session, picture: Picture, stub: Stub) -> None:
        self._session = session
        self._picture = picture
        self._stub = stub

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._stub.requests

    def read(self, *starts: Any, tolerate_missing: bool = False) -> list[PortGroup]:
        """The networks that the starts lead to: one request. Raises CloudError."""
        chosen = [collector.selection(_TYPES, *starts, tolerate_missing=tolerate_missing)]
        if not self._picture.ready:  # the names of custom attributes were not pushed yet
            fields = collector.start(self._session.content.customFieldsManager)
            chosen.append(collector.selection({vim.CustomFieldsManager: ("field",)}, fields))
        found = collector.retrieve(self._session, *chosen, stub=self._stub)
        for entry in found:
            if entry.kind == "CustomFieldsManager":
                self._picture.change(entry.kind, entry.id, entry.properties.items())
        return [
            port_groups.whole(entry.id, entry.kind, entry.properties.items())
            for entry in found
            if entry.kind in port_groups.KINDS
        ]

    def one(self, network_id: str) -> PortGroup | None:
        """A network: one request. None only where the vCenter says that it has none such; see ``proof``."""
        try:
            found = self.read(collector.start(port_groups.reference(network_id)))
        except CloudError as error:
            if proof.absent(error) == network_id:
                return None
            if caused_by(error, "ManagedObjectNotFound"):
                raise proof.unclear(network_id) from error
            raise
        group = next((one for one in found if one.id == network_id), None)
        if group is None:
            raise proof.unclear(network_id)
        return group

    def several(self, ids: Collection[str]) -> tuple[list[PortGroup], set[str]]:
        """Those that are there, and the ids of those that are proven gone: one request, and one for each that is missing."""
        starts = [collector.start(port_groups.reference(one)) for one in sorted(ids)]
        found = [group for group in self.read(*starts, tolerate_missing=True) if group.id in ids] if starts else []
        missing = set(ids) - {group.id for group in found}
        return found, {one for one in missing if self.one(one) is None}
