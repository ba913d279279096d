"""The Proxmox VE driver: connecting, and the bulk look at a cluster."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import CloudError, Refused, Throttled, Unreachable
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import (
    Connection,
    Portion,
    Settings,
    Sweep,
    SweepRequest,
    Usage,
)
from hybridge.drivers.proxmox import permissions
from hybridge.drivers.proxmox.answers import Certificate, Member, Resource, Version
from hybridge.drivers.proxmox.chains import Chains
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.firewalls import Firewalls
from hybridge.drivers.proxmox.gallery import Gallery
from hybridge.drivers.proxmox.groups import Groups
from hybridge.drivers.proxmox.guards import Guards
from hybridge.drivers.proxmox.listing import Listing
from hybridge.drivers.proxmox.machines import Machines
from hybridge.drivers.proxmox.mapping import machine, plain, power
from hybridge.drivers.proxmox.networks import Networks
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.sdn import Sdn
from hybridge.drivers.proxmox.segments import Segments
from hybridge.drivers.proxmox.snapshots import Snapshots
from hybridge.drivers.proxmox.tasks import CHAINED, MOVES, guest_of, poll
from hybridge.drivers.proxmox.templates import Templates
from hybridge.drivers.proxmox.volumes import Volumes

_log = logging.getLogger(__name__)
_ROOT_CA = "pve-root-ca.pem"
#: Seconds for which a guest whose address is waited for is asked only for that.
_WAITING = 60.0
#: Guests that came up by themselves, and are asked for their addresses in one sweep.
_AGENTS = 100
#: Guests that a sweep reads at a time.
_READERS = 4
#: The certificates cannot be read by this account, or not in this version.
_UNREADABLE = {Reason.NOT_PERMITTED, Reason.UNSUPPORTED}


def connect(settings: Settings) -> Driver:
    """A driver for the cluster that ``settings`` name; nothing is sent yet. Raises Refused for unusable settings."""
    return Driver(settings)


class Driver:
    """See ``hybridge.drivers.base.Driver``."""

    push = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._estate = Estate(settings)
        self._client = self._estate.client
        self._listing = Listing(self._estate)
        self.volumes = Volumes(self._estate, self._listing, settings)
        sdn = Sdn(self._estate)
        self._segments = Segments(self._estate, sdn)
        self.networks = Networks(self._estate, self._segments, sdn)
        self._gallery = Gallery(self._estate)
        self.images = Templates(self._estate, self._gallery, settings)
        guards = Guards(self._estate)
        self._groups = Groups(self._estate, guards)
        self.firewalls = Firewalls(self._estate, self._groups, guards)
        self._chains = Chains(self._estate)
        self.snapshots = Snapshots(self._estate, self._chains)
        self.machines = Machines(self._estate, self._listing, self.snapshots, settings)
        #: Guests are read one by one, and their agents answer slowly or not at all: not one after the other.
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix=f"{settings.provider}-reader")

    def check(self) -> Connection:
        """See the port. The identity is the cluster's name (a single node's own) and the fingerprint of its own CA."""
        version = self._client.get("Version", Version, "version").version
        self._estate.version = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        members = self._client.get("ClusterStatus", list[Member], "cluster", "status")
        local = next((member.name for member in members if member.type == "node" and member.local), "")
        name = next((member.name for member in members if member.type == "cluster"), local)
        if not name:
            raise CloudError(Reason.CLOUD_ERROR, "ClusterStatus: neither a cluster nor a node is named")
        fingerprint = self._fingerprint(local)
        identity = f"proxmox:{name}:{fingerprint}" if fingerprint else f"proxmox:{name}"
        picture = self._estate.look()
        rights = permissions.check(self._client, picture, self._settings, self._estate.version)
        return Connection(
            identity, version, self._capabilities(picture), picture.capacity, rights.missing, rights.optional
        )

    def sweep(self, request: SweepRequest) -> Sweep:
        """See the port: one request for all guests, one for all tasks, and some readings of guests in detail.

        Volumes cost one for each shared storage of images, and one a node for each other; networks cost two, and images
        what it takes to read templates that were never read, or not for long; firewalls cost two, and what is read of rules
        and guests likewise; snapshots what it takes to read the guests that have some.
        """
        before = self._client.sent
        picture = self._estate.look()
        tasks = poll(self._client, request.tasks)
        for task in tasks.values():
            self._note(task)
        read = self._read_details(picture, request)
        self._estate.book.keep(picture)
        now = time.monotonic()
        machines = {vmid: self._machine(vmid, row, picture, now) for vmid, row in picture.guests.items()}
        reached = self._reach(machines)
        for vmid in reached:
            machines[vmid] = self._machine(vmid, picture.guests[vmid], picture, now)
        portions: dict[CloudKind, Portion[CloudObject]] = {
            CloudKind.MACHINE: Portion(machines, full=True, settled=not self._estate.book.unread(picture))
        }
        listed = 0
        if CloudKind.VOLUME in request.kinds:
            portions[CloudKind.VOLUME], listed = self._listing.sweep(picture, machines, self._readers.map)
        if CloudKind.NETWORK in request.kinds:
            portions[CloudKind.NETWORK], besides = self._segments.sweep(picture, self._readers.map)
            listed += besides
        if CloudKind.IMAGE in request.kinds:
            portions[CloudKind.IMAGE], besides = self._gallery.sweep(picture, request, self._readers.map)
            listed += besides
        if CloudKind.FIREWALL in request.kinds:
            portions[CloudKind.FIREWALL], besides = self._groups.sweep(picture, request, self._readers.map)
            listed += besides
        if CloudKind.SNAPSHOT in request.kinds:
            portions[CloudKind.SNAPSHOT], besides = self._chains.sweep(picture, request, self._readers.map)
            listed += besides
        return Sweep(
            usage={vmid: Usage(row.cpu, row.mem) for vmid, row in picture.guests.items() if not row.template},
            portions=portions,
            tasks=tasks,
            requests=self._client.sent - before + read + len(reached) + listed,
            capacity=picture.capacity,
        )

    def close(self) -> None:
        """See the port."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    # ------------------------------------------------------------------ check

    def _fingerprint(self, node: str) -> str | None:
        """SHA-256 of the CA that the cluster made for itself: all nodes show it, and it outlives their certificates."""
        try:
            found = self._client.get("Certificates", list[Certificate], "nodes", node, "certificates", "info")
        except Refused as refusal:
            if refusal.reason not in _UNREADABLE:
                raise
            return None
        prints = [one.fingerprint for one in found if one.filename == _ROOT_CA]
        return prints[0].replace(":", "").lower() if prints else None

    @staticmethod
    def _capabilities(picture: Picture) -> tuple[str, ...]:
        content = {word for storage in picture.storages.values() for word in storage.content}
        return tuple(
            sorted({"ClusteredNodes" if len(picture.nodes) > 1 else "", "UserData" if "iso" in content else ""} - {""})
        )

    # ------------------------------------------------------------------ sweep

    def _note(self, task: Task) -> None:
        if task.state is TaskState.RUNNING:
            return
        succeeded = task.state is TaskState.SUCCEEDED
        self._estate.powers.ended(task.id, time.monotonic(), succeeded=succeeded)
        if task.operation == "Snapshot" and task.error and succeeded and task.result:
            self._chains.note_loud(task.result)
        if task.reason is Reason.NAME_TAKEN and task.result and task.result.isdigit():
            self._estate.vmids.lose(int(task.result))
        guest = guest_of(task.id)
        if guest and task.operation in CHAINED:
            self._chains.forget(guest)
        if guest and (not succeeded or task.operation in MOVES):
            self._estate.book.forget(guest)

    def _read_details(self, picture: Picture, request: SweepRequest) -> int:
        """Reads the guests whose turn it is, some at a time; how many requests that took.

        When the endpoint fails meanwhile, the list that came is still good.
        """
        wanted = set(request.refresh)
        failed = threading.Event()

        def read(vmid: str) -> int:
            before = self._client.sent
            owned = vmid in wanted or vmid in request.max_age
            try:
                if not failed.is_set():
                    self._read(vmid, picture.guests[vmid], picture, owned=owned, wanted=vmid in wanted)
            except (Unreachable, Throttled) as error:
                failed.set()
                _log.warning("details of guests are left for the next sweep: %s", error.message)
            except CloudError as error:
                _log.info("guest %s was not read: %s", vmid, error.message)
            return self._client.sent - before

        return sum(self._readers.map(read, self._estate.book.due(picture, request, time.monotonic())))

    def _read(self, vmid: str, row: Resource, picture: Picture, *, owned: bool, wanted: bool) -> None:
        now = time.monotonic()
        running = self._power(vmid, row, picture, now) is Power.RUNNING
        known = self._estate.book.get(vmid)
        waits = running and known is not None and known.details.agent and not known.addresses
        recent = known is not None and now - known.read_at < _WAITING and not known.has_started_since(row, now)
        if not (wanted and waits and recent):
            try:
                self._estate.read_at(row.node, vmid)
            except Missing:
                return
            known = self._estate.book.get(vmid)
        if running and known is not None and known.details.agent and (owned or known.details.marker is not None):
            self._estate.book.asked.add(vmid)
            self._estate.ask_agent(row.node, vmid)

    def _reach(self, machines: Mapping[str, Machine]) -> list[str]:
        """Asks the agents of guests of ours that have come up since; those that have answered."""
        up = {vmid for vmid, seen in machines.items() if seen.power is Power.RUNNING and seen.marker is not None}
        asked = self._estate.book.asked
        asked &= up
        new = list(islice(sorted(up - asked), _AGENTS))
        asked.update(new)
        return [vmid for vmid in self._readers.map(self._answers, map(machines.__getitem__, new)) if vmid is not None]

    def _answers(self, seen: Machine) -> str | None:
        """The VMID of a guest whose agent has told addresses that were not known."""
        if not seen.reports_addresses or seen.addresses or seen.host is None:
            return None
        try:
            self._estate.ask_agent(seen.host, seen.id)
        except CloudError as error:
            _log.debug("guest %s has no address yet: %s", seen.id, error.message)
            return None
        return seen.id

    def _power(self, vmid: str, row: Resource, picture: Picture, now: float) -> Power:
        online = picture.online(row.node)
        listed = power(row.status, online=online)
        return self._estate.powers.look(vmid, listed, now) if online else listed

    def _machine(self, vmid: str, row: Resource, picture: Picture, now: float) -> Machine:
        state = self._power(vmid, row, picture, now)
        known = self._estate.book.get(vmid)
        if known is None:
            return plain(row, state)
        if known.addresses and state is Power.STOPPED:
            self._estate.book.reached(vmid, ())
        newer = known.is_older_than(row, now)
        pool = picture.pool_of(row)
        return machine(
            vmid,
            row.node,
            known.details,
            state,
            addresses=known.addresses,
            row=row,
            newer=newer,
            pool=pool,
            shared=picture.shared,
        )
