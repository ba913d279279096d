"""A connected vCenter."""

from __future__ import annotations

from typing import Final

from hybridge.core.errors import CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Capacity, Connection, Settings, StorageCapacity, Sweep, SweepRequest
from hybridge.drivers.vsphere import inventory
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory, Layout
from hybridge.drivers.vsphere.machines import VsphereMachines
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.watch import Watch


class VsphereDriver:
    """One datacenter of a vCenter, through one login.

    ``sweep`` is called again at once from one thread, at most some ten times a second: a vCenter has something to tell
    whenever a task makes progress, and each call takes all that has gathered.
    """

    push: Final = True

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent yet. Refused for settings of no use."""
        datacenter = str(settings.cloud.get("datacenter") or "")
        if not datacenter:
            raise Refused(Reason.INVALID_SPEC, "spec.vsphere.datacenter is missing")
        self._session = Session(settings)
        self._inventory = Inventory(self._session, datacenter)
        picture = Picture()
        self._watch = Watch(self._session, self._inventory.datacenter_reference, picture)
        self.machines = VsphereMachines(self._session, settings, self._inventory, picture)

    def check(self) -> Connection:
        """Logs in, and reads who the vCenter is, the datacenter and what it could hold."""
        about = self._session.refresh_content().about
        try:
            self._session.ensure()
            self._inventory.forget()
            layout = self._inventory.layout()
        except CloudError as error:
            if caused_by(error, "NotAuthenticated"):
                raise Refused(Reason.AUTHENTICATION_FAILED, error.message) from None
            raise
        return Connection(
            identity=f"vsphere:{about.instanceUuid}",
            version=str(about.fullName),
            capabilities=("VirtualMachine",),
            capacity=_capacity(layout),
        )

    def sweep(self, request: SweepRequest) -> Sweep:
        """What was pushed since the last call, waited for; everything, the first time in a session."""
        return self._watch.sweep(request)

    def close(self) -> None:
        """Ends a blocked sweep and the session."""
        self._session.hurry()
        self._watch.close()
        self.machines.close()
        self._session.close()


def connect(settings: Settings) -> VsphereDriver:
    """A driver for these settings; nothing is sent before the first call."""
    return VsphereDriver(settings)


def _capacity(layout: Layout) -> Capacity:
    """Threads and memory of all compute resources, and the datastores."""
    compute = [entry.properties for entry in layout.of(inventory.COMPUTE)]
    storage = [
        StorageCapacity(
            name=layout.name(entry.id),
            total=int(entry.properties.get("summary.capacity", 0)),
            used=int(entry.properties.get("summary.capacity", 0)) - int(entry.properties.get("summary.freeSpace", 0)),
        )
        for entry in layout.of(("Datastore",))
    ]
    return Capacity(
        cpus=sum(int(properties.get("summary.numCpuThreads", 0)) for properties in compute) or None,
        memory=sum(int(properties.get("summary.totalMemory", 0)) for properties in compute) or None,
        storage=tuple(sorted(storage, key=lambda entry: entry.name)),
    )
