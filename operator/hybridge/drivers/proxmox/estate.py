"""What the sweeping and the changing side share: the newest picture, details, power states, and where a guest is."""

from __future__ import annotations

import threading
import time

from hybridge.core.machine import Machine, Power
from hybridge.drivers.base import Settings
from hybridge.drivers.proxmox.answers import AgentInterfaces, PendingItem, Resource, Status
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.details import Book
from hybridge.drivers.proxmox.errors import Missing, Unlisted, unreadable
from hybridge.drivers.proxmox.guest import Configuration
from hybridge.drivers.proxmox.mapping import Details, addresses, details, machine, power
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.power import Powers
from hybridge.drivers.proxmox.vmids import Vmids


class Estate:
    """One cluster as far as it is known. Nothing in it is a truth of its own: all can be read again."""

    def __init__(self, settings: Settings) -> None:
        self.client = Client(settings)
        wanted = settings.cloud.get("vmIDRange")
        self.vmids = Vmids(wanted if isinstance(wanted, dict) else None)
        self.book = Book(range(self.vmids.first, self.vmids.last + 1), settings.sweep_interval)
        self.powers = Powers()
        self.version: tuple[int, ...] = ()
        self._picture: Picture | None = None
        self._lock = threading.Lock()

    def look(self) -> Picture:
        """A fresh picture. Raises CloudError."""
        picture = Picture.take(self.client)
        self.vmids.see(picture.used)
        with self._lock:
            if self._picture is None or self._picture.taken_at < picture.taken_at:
                self._picture = picture
        return picture

    def picture(self, most: float) -> Picture:
        """The newest picture when it is at most so many seconds old, else a fresh one. Raises CloudError."""
        picture = self._picture
        return picture if picture and time.monotonic() - picture.taken_at <= most else self.look()

    def row(self, vmid: str) -> Resource | None:
        """How the newest picture shows a guest."""
        return self._picture.guests.get(vmid) if self._picture else None

    def read(self, vmid: str) -> tuple[str, Configuration]:
        """A fresh reading of a guest's configuration, and its node: it is looked for where it may have migrated to.

        Raises Missing when neither its last node nor the list of guests has it, and CloudError.
        """
        row = self.row(vmid)
        if row is None:
            row = self.look().guests.get(vmid)
            if row is None:
                raise Unlisted(f"the cluster's list has no guest {vmid}")
            return row.node, self.read_at(row.node, vmid)
        try:
            return row.node, self.read_at(row.node, vmid)
        except Missing:
            moved = self.look().guests.get(vmid)
            if moved is None or moved.node == row.node:
                raise
        return moved.node, self.read_at(moved.node, vmid)

    def read_at(self, node: str, vmid: str) -> Configuration:
        """A fresh reading of a guest's configuration on a node. Raises Missing and CloudError."""
        answer = self.client.get("ReadGuest", list[PendingItem], "nodes", node, "qemu", vmid, "pending")
        configuration = Configuration.read(answer)
        try:
            self.learn(vmid, configuration)
        except ValueError as error:
            raise unreadable("ReadGuest", error, changing=False) from error
        return configuration

    def learn(self, vmid: str, configuration: Configuration) -> Details:
        """Keeps what a reading or an accepted change told."""
        known = details(configuration)
        self.book.learn(vmid, known, self.row(vmid), time.monotonic())
        return known

    def status(self, node: str, vmid: str) -> Power:
        """A fresh reading of a guest's power state. Raises CloudError."""
        status = self.client.get("GuestStatus", Status, "nodes", node, "qemu", vmid, "status", "current")
        now = Power.SUSPENDED if status.qmpstatus == "paused" else power(status.status)
        self.powers.saw(vmid, now, time.monotonic())
        return now

    def ask_agent(self, node: str, vmid: str) -> None:
        """Reads the addresses that the guest reports. Raises CloudError, also while the agent does not run."""
        answer = self.client.get(
            "GuestAddresses", AgentInterfaces, "nodes", node, "qemu", vmid, "agent", "network-get-interfaces"
        )
        self.book.reached(vmid, addresses(answer.result))

    def machine(self, vmid: str, node: str, configuration: Configuration, state: Power) -> Machine:
        """A guest as a reading of its configuration shows it."""
        known, picture = self.book.get(vmid), self._picture
        row = picture.guests.get(vmid) if picture else None
        pool = picture.pool_of(row) if picture and row else None
        found = known.addresses if known else ()
        shared = picture.shared if picture else ()
        return machine(vmid, node, details(configuration), state, addresses=found, pool=pool, shared=shared)
