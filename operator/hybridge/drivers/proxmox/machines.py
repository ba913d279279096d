"""Machines: QEMU guests, cloned from templates, found by VMID, proven by their notes and SMBIOS UUID.

VMIDs are used again, so each change begins with a reading of its own; PVE refuses the change of a configuration whose
digest is no longer the one that was read.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, IdTaken, Refused
from hybridge.core.identity import Marker, write_notes
from hybridge.core.machine import Machine, MachineSpec, Power, PowerOff, Traits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.marked import same_owner
from hybridge.drivers.proxmox import changes, seed
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import AT_ONCE, Configuration, Values
from hybridge.drivers.proxmox.lending import Lending
from hybridge.drivers.proxmox.limits import normalize
from hybridge.drivers.proxmox.listing import Listing
from hybridge.drivers.proxmox.mapping import UNFINISHED, details
from hybridge.drivers.proxmox.moves import Moves
from hybridge.drivers.proxmox.placement import Placement
from hybridge.drivers.proxmox.proof import (
    claimed,
    compare,
    confirm_absence,
    is_being_made,
    marker_of,
    read_meant,
    unclear,
)
from hybridge.drivers.proxmox.seed import Seed
from hybridge.drivers.proxmox.seeds import Seeds
from hybridge.drivers.proxmox.settings import CHANGES, NODE, POOL, RENDERED
from hybridge.drivers.proxmox.snapshots import Snapshots
from hybridge.drivers.proxmox.switch import Switch
from hybridge.drivers.proxmox.tasks import begun


class Machines:
    """See ``hybridge.drivers.base.MachineDriver``."""

    def __init__(self, estate: Estate, listing: Listing, snapshots: Snapshots, settings: Settings) -> None:
        self.traits = Traits(
            exact_sizes=True,
            delete_needs_stop=True,
            chooses_uuid=True,
            initialize=True,
            visibility=30.0,
            token_lifetime=86400.0,
            block="proxmox",
            changes=CHANGES,
            reverts=True,
        )
        self._estate = estate
        self._client = estate.client
        self._placement = Placement(estate, settings)
        self._seeds = Seeds(estate.client)
        self._lending = Lending(estate, listing)
        self._switch = Switch(estate)
        self._snapshots = snapshots
        self._moves = Moves(estate, 2 * settings.sweep_interval)
        self._defaults = settings.defaults

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        """See the port."""
        return normalize(spec)

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """See the port."""
        return self._placement.prepare(spec, taken, apart)

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started[Machine]:
        """See the port. The VMID can be cloned to once, so a repetition fails or finds the same guest."""
        words, vmid = intent.parameters, str(intent.id)
        home, node = str(words["templateNode"]), str(words["node"])
        notes = write_notes(marker)
        if "seedStorage" in words:
            one = Seed(seed.volume(str(words["seedStorage"]), vmid, intent.uuid), intent.uuid)
            notes += f"\n{seed.note(one, intent.uuid)}"
        try:
            upid = self._client.post(
                "Clone",
                *("nodes", home, "qemu", words["template"], "clone"),
                newid=vmid,
                name=intent.name,
                description=notes,
                full=1 if words.get("full") else 0,
                target=node if node != home else None,
                storage=words.get("storage"),
                pool=words.get("pool"),
            )
        except IdTaken as taken:
            return self._claimed(vmid, marker, taken)
        except Missing as missing:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"{spec.image}: {missing.message}") from missing
        self._estate.book.made(vmid, time.monotonic())
        self._estate.powers.made(vmid)
        machine = Machine(vmid, intent.name, Power.STOPPED, host=home, lock="clone", detailed=False)
        return Started(vmid, machine, begun(upid, "Clone", vmid))

    def find(self, marker: Marker, intent: Intent | None) -> list[Machine]:
        """See the port. A guest that was read before without our marker is not read again: nobody else writes it."""
        picture = self._estate.look()
        chosen = intent.id if intent else None
        found = []
        for vmid, row in picture.guests.items():
            if row.template or not (vmid == chosen or self._estate.book.could_be_ours(row)):
                continue
            if vmid != chosen and self._is_anothers(vmid, marker):
                continue
            if not picture.online(row.node):
                raise unclear(f"guest {vmid} is on node {row.node}, which is offline, and cannot be read")
            try:
                configuration = self._estate.read_at(row.node, vmid)
            except Missing:
                continue
            if vmid == chosen and is_being_made(configuration):
                raise Busy(f"guest {vmid} is still being made, and its notes are not written yet")
            if same_owner(marker_of(configuration), marker):
                state = self._estate.status(row.node, vmid)
                found.append(self._estate.machine(vmid, row.node, configuration, state))
        return found

    def get(self, machine_id: str) -> Machine | None:
        """See the port. None takes a node's word, a fresh list without the guest, and a cluster that has quorum."""
        try:
            node, configuration = self._estate.read(machine_id)
        except Missing as missing:
            confirm_absence(self._estate, machine_id, missing)
            return None
        return self._estate.machine(machine_id, node, configuration, self._estate.status(node, machine_id))

    def configure(
        self, machine: Machine, spec: MachineSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Machine]:
        """See the port. One call for the configuration, one more for the pool, and one when a disk grows or moves.

        One disk moves at a time: what is left of it is a difference still.
        """
        node, configuration = self._prove(machine, marker)
        if "initialize" in fields:
            return self._initialize(machine, spec, intent, marker, node, configuration)
        if NODE in fields and "node" in spec.placement:
            task = self._moves.migrate(machine.id, node, configuration, spec.placement["node"])
            return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power), task)
        if "networks" in fields and spec.networks:
            self._placement.networks(spec, node)  # PVE itself takes any name, and the guest does not start with it
        network = self._defaults.get("network") or None
        values = changes.later(spec, configuration.upcoming, fields, network, marker.uid)
        if RENDERED.intersection(fields) and (seed.is_needed(spec) or seed.is_noted(configuration.upcoming)):
            if machine.power is not Power.STOPPED:
                raise Refused(Reason.RESTART_REQUIRED, f"guest {machine.id} has to be off for another cloud-init CD")
            words = configuration.changed(values, running=False).upcoming
            uuid = intent.uuid if intent and intent.uuid else machine.uuid or marker.uid
            one = self._seeds.known(node, machine.id, uuid, words, lambda: self._placement.seed_storage(spec, node))
            values |= seed.attached(one, words)
            configuration = self._note(machine, marker, node, configuration, seed.named(one, uuid, words))
            upid = self._seeds.bring(node, one, spec, words)
            if upid is not None:
                return Started(machine.id, task=begun(upid, "Upload"), again=True)
        configuration = self._put(machine, node, configuration, values)
        pool = str(spec.options.get("pool") or "") if POOL in fields else ""
        if pool:
            self._moves.join(machine.id, pool)
        configuration, task = self._grow(machine.id, node, configuration, spec, fields)
        move = changes.disk_to_move(spec, configuration.current, fields) if task is None else None
        if move is not None:
            task = self._moves.move_disk(machine.id, node, configuration, *move)
        seen = self._estate.machine(machine.id, node, configuration, machine.power)
        if pool:
            seen = replace(seen, settings={**seen.settings, POOL: (pool,)})
        return Started(machine.id, seen, task)

    def mark(self, machine: Machine, marker: Marker | None) -> Started[Machine]:
        """See the port. Our tag comes and goes with the marker."""
        node, configuration = read_meant(self._estate, machine.id)
        carried = marker_of(configuration)
        compare(machine, carried if marker is not None and carried == marker else machine.marker, configuration)
        configuration = self._put(machine, node, configuration, changes.marked(configuration.upcoming, marker))
        return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power))

    def attach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """See the port. A running guest whose disks cannot be plugged has it from its next start on."""
        with self._lending.one_by_one:
            node, configuration = self._prove(machine, machine.marker)
            values = self._lending.given(machine, node, configuration, volume_id)
            configuration = self._put(machine, node, configuration, values)
        return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power))

    def detach(self, machine: Machine, volume_id: str) -> Started[Machine]:
        """See the port. A running guest that does not let go keeps it, and says so, until it is stopped."""
        node, configuration = self._prove(machine, machine.marker)
        configuration = self._put(machine, node, configuration, self._lending.taken(configuration, volume_id))
        return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power))

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started[Machine]:
        """See the port. PVE itself stops a guest hard when it was asked softly and the time is over."""
        node, configuration = self._prove(machine, machine.marker)
        if power is Power.RUNNING:
            return self._switch.start(machine.id, node, configuration, resume=machine.power is Power.SUSPENDED)
        hard = hard or spec.power_off is PowerOff.HARD
        return self._switch.stop(machine.id, node, configuration, None if hard else spec)

    def delete(self, machine: Machine) -> Started[Machine]:
        """See the port. The seed goes first: while the guest exists, its notes say where it is."""
        try:
            node, configuration = self._estate.read(machine.id)
        except Missing:
            return Started(machine.id)
        compare(machine, machine.marker, configuration)
        known = details(configuration)
        if known.protection:
            raise Refused(Reason.DELETION_PROTECTED, f"can't remove VM {machine.id}: {known.protection}")
        self._seeds.remove(node, machine.id, configuration.current.get("description", ""))
        options = {"purge": 1, "destroy-unreferenced-disks": 0}
        upid = self._client.delete("Delete", "nodes", node, "qemu", machine.id, **options)
        self._estate.powers.forget(machine.id)
        return Started(machine.id, task=begun(upid, "Delete"))

    def revert(self, machine: Machine, snapshot_id: str) -> Started[Machine]:
        """See the port."""
        node, configuration = self._prove(machine, machine.marker)
        if self._estate.status(node, machine.id) is not Power.STOPPED:
            # PVE itself would stop it: what it has written since somebody started it nobody has given up.
            raise Busy(f"guest {machine.id} is not stopped")
        return Started(machine.id, task=self._snapshots.go_back(machine.id, node, configuration, snapshot_id))

    def close(self) -> None:
        """See the port."""
        self._client.close()

    def _initialize(
        self,
        machine: Machine,
        spec: MachineSpec,
        intent: Intent | None,
        marker: Marker,
        node: str,
        configuration: Configuration,
    ) -> Started[Machine]:
        """All that a new guest gets; it is started in the same go when nothing of that takes time.

        A seed that its notes name from when user data was still wanted goes, unless the guest has it already.
        """
        if intent is None:
            raise Refused(Reason.REJECTED, f"guest {machine.id} has no intent on record to be initialized from")
        words, notes = configuration.upcoming, configuration.upcoming.get("description", "")
        intent, noted = self._placement.completed(intent, spec, node, words), seed.noted(notes, intent.uuid)
        seeded = seed.is_needed(spec) or (noted is not None and seed.is_attached(noted, words))
        values = changes.first(spec, intent, words, seeded=seeded)
        if seeded:
            volume = seed.volume(str(intent.parameters.get("seedStorage")), machine.id, intent.uuid)
            one = noted or Seed(volume, intent.uuid)
            if not seed.is_attached(one, configuration.current):
                coming = configuration.changed(values, running=False).upcoming
                values |= seed.attached(one, words)
                configuration = self._note(machine, marker, node, configuration, seed.named(one, intent.uuid, words))
                upid = self._seeds.bring(node, one, spec, coming)
                if upid is not None:
                    return Started(machine.id, task=begun(upid, "Upload"), again=True)
            else:
                values |= seed.named(one, intent.uuid, words)
        elif noted is not None:
            self._seeds.remove(node, machine.id, notes)
            values |= seed.dropped(words)
        configuration = self._put(machine, node, configuration, values)
        configuration, task = self._grow(machine.id, node, configuration, spec, {"rootDisk"})
        if task is None and spec.power is Power.RUNNING:
            # PVE has just compared the digest of what was read: that is the proof, and it is as fresh as can be.
            return self._switch.start(machine.id, node, configuration)
        return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power), task)

    def _note(
        self, machine: Machine, marker: Marker, node: str, configuration: Configuration, notes: Values
    ) -> Configuration:
        """Has the guest's notes name a seed before there is one: so it is found, and goes with the guest, whatever comes
        between. The configuration, read and proven again where it was changed.
        """
        if not notes:
            return configuration
        self._put(machine, node, configuration, notes)
        return self._prove(machine, marker)[1]

    def _grow(
        self, vmid: str, node: str, configuration: Configuration, spec: MachineSpec, fields: Collection[str]
    ) -> tuple[Configuration, Task | None]:
        """Grows the root disk, where ``fields`` and the spec want it; the configuration that there is in the end."""
        growth = changes.growth(spec, configuration.upcoming) if "rootDisk" in fields else None
        if growth is None:
            return configuration, None
        disk, size = growth
        upid = self._client.put("Resize", "nodes", node, "qemu", vmid, "resize", disk=disk, size=str(size))
        configuration = configuration.resized(disk, size)
        self._estate.learn(vmid, configuration)
        return configuration, begun(upid, "Resize")

    def _is_anothers(self, vmid: str, marker: Marker) -> bool:
        known = self._estate.book.get(vmid)
        if known is None or known.details.lock in UNFINISHED:
            return False
        return not same_owner(known.details.marker, marker)

    def _prove(self, machine: Machine, marker: Marker | None) -> tuple[str, Configuration]:
        """A fresh reading that shows the guest to be the one meant and free. Raises NotProven and Busy."""
        node, configuration = read_meant(self._estate, machine.id)
        compare(machine, marker, configuration)
        return node, configuration

    def _claimed(self, vmid: str, marker: Marker, taken: IdTaken) -> Started[Machine]:
        """See ``proof.claimed``."""
        node, configuration = claimed(self._estate, vmid, marker, taken)
        return Started(vmid, self._estate.machine(vmid, node, configuration, self._estate.status(node, vmid)))

    def _put(self, machine: Machine, node: str, configuration: Configuration, values: Values) -> Configuration:
        """Changes the configuration that was read; how it is then, as far as known without another reading."""
        if not values:
            return configuration
        path = ("nodes", node, "qemu", machine.id, "config")
        try:
            self._client.put("Configure", *path, **values, digest=configuration.digest)
        except CloudError:
            # PVE writes down what it could not plug into a running guest, and only then complains.
            self._estate.book.forget(machine.id)
            raise
        running = machine.power is Power.RUNNING
        if running and not AT_ONCE.issuperset(values):
            return self._estate.read_at(node, machine.id)
        after = configuration.changed(values, running=running)
        self._estate.learn(machine.id, after)
        return after
