"""A connected vCenter."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, Final

from hybridge.core.errors import CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.base import (
    Capacity,
    Connection,
    FirewallDriver,
    ImageDriver,
    NetworkDriver,
    Settings,
    SnapshotDriver,
    Sweep,
    SweepRequest,
)
from hybridge.drivers.vsphere import capacity, errors, permissions
from hybridge.drivers.vsphere.appliances import Appliances
from hybridge.drivers.vsphere.attaching import Attaching
from hybridge.drivers.vsphere.automation import Automation, AutomationSession
from hybridge.drivers.vsphere.catalog import Catalog, CatalogStub
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.disk_snapshots import DiskSnapshots
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.images import VsphereImages
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.libraries import Libraries
from hybridge.drivers.vsphere.library_watch import LibraryWatch
from hybridge.drivers.vsphere.machines import VsphereMachines
from hybridge.drivers.vsphere.network_watch import NetworkWatch
from hybridge.drivers.vsphere.networks import VsphereNetworks
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.policies import Policies
from hybridge.drivers.vsphere.snapshot_watch import SnapshotWatch
from hybridge.drivers.vsphere.snapshots import VsphereSnapshots
from hybridge.drivers.vsphere.templates import Templates
from hybridge.drivers.vsphere.volume_watch import VolumeWatch
from hybridge.drivers.vsphere.volumes import VsphereVolumes
from hybridge.drivers.vsphere.watch import Watch

_READ_TIMEOUT: Final = 20.0
#: Seconds after which the capacity is read again.
CAPACITY_AGE: Final = 300.0


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
        self._defaults = settings.defaults
        self._picture = picture = Picture()
        self._capacity_at = -math.inf
        policies = Policies(self._session)
        session, inventory = self._session, self._inventory
        seen = VolumeWatch(session, inventory, picture, policies, settings.sweep_interval)
        networks = NetworkWatch(session, inventory, picture, settings.sweep_interval)
        of_disks = DiskSnapshots(
            Catalog(session, inventory, Stub(session, _READ_TIMEOUT), CatalogStub(session)), picture
        )
        snapshots = SnapshotWatch(picture, of_disks)
        self._automation = AutomationSession(session)
        library = LibraryWatch(self._automation)
        self._watch = Watch(
            session, inventory.datacenter_reference, picture, policies, seen, networks, snapshots, library
        )
        catalog = Catalog(session, inventory, session.calls, CatalogStub(session))
        attaching = Attaching(session, picture, catalog)
        self.volumes = VsphereVolumes(session, settings.defaults, inventory, picture, policies, catalog, attaching)
        self.networks: NetworkDriver | None = VsphereNetworks(session, inventory, picture)
        self.firewalls: FirewallDriver | None = None
        self.snapshots: SnapshotDriver | None = VsphereSnapshots(
            session, inventory, picture, DiskSnapshots(catalog, picture)
        )
        templates = Templates(session, inventory, picture)
        self.machines = VsphereMachines(session, settings, inventory, picture, policies, attaching, templates)
        libraries = Libraries(Automation(self._automation))
        appliances = Appliances(session, inventory, picture, libraries, settings.defaults)
        self.images: ImageDriver | None = VsphereImages(
            settings.defaults, inventory, picture, self.machines, templates, appliances
        )

    def check(self) -> Connection:
        """Logs in, and reads who the vCenter is, the datacenter, what it could hold and what is not permitted."""
        about = self._session.refresh_content().about
        try:
            self._session.ensure()
            self._inventory.forget()
            layout = self._inventory.layout()
            self._capacity_at = time.monotonic()
            rights = permissions.check(self._session, layout, self._defaults, self._templates())
        except CloudError as error:
            if caused_by(error, "NotAuthenticated"):
                raise Refused(Reason.AUTHENTICATION_FAILED, error.message) from None
            raise
        return Connection(
            identity=f"vsphere:{_uuid(about)}",
            version=str(about.fullName),
            capacity=capacity.total(layout.items.values()),
            missing=rights.missing,
            optional=rights.optional,
        )

    def _templates(self) -> list[str]:
        """Ids of the templates: as pushed, or read where nothing was pushed yet."""
        if self._picture.ready:
            return [machine.id for machine in self._picture.machines() if machine.template]
        found = self._inventory.machines("config.template")
        return [entry.id for entry in found if entry.properties.get("config.template")]

    def sweep(self, request: SweepRequest) -> Sweep:
        """What was pushed since the last call, waited for; everything, the first time in a session.

        The capacity is read before: what is taken from the watch must not be lost with a request that comes after.
        """
        now = self._read_capacity()
        sweep = self._watch.sweep(request)
        return replace(sweep, capacity=now, requests=sweep.requests + 1) if now is not None else sweep

    def _read_capacity(self) -> Capacity | None:
        """The capacity, when it was not read for a while."""
        if time.monotonic() - self._capacity_at < CAPACITY_AGE:
            return None
        self._capacity_at = time.monotonic()
        return capacity.read(self._session, self._inventory)

    def close(self) -> None:
        """Ends a blocked sweep and the session."""
        self._session.hurry()
        self._watch.close()
        self.machines.close()
        self._automation.close()
        self._session.close()


def connect(settings: Settings) -> VsphereDriver:
    """A driver for these settings; nothing is sent before the first call."""
    return VsphereDriver(settings)


def _uuid(about: Any) -> str:
    """Who the vCenter is. Raises CloudError where it does not say so: what is recorded as its identity stays."""
    uuid = str(about.instanceUuid or "")
    if not uuid.isascii() or not uuid.replace("-", "").isalnum():
        raise errors.unreadable("RetrieveServiceContent", "it does not tell the instanceUuid")
    return uuid
