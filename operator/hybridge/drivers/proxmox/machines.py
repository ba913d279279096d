"""Machines: QEMU guests, cloned from templates, found by VMID, proven by their notes and SMBIOS UUID.

VMIDs are used again, so each change begins with a reading of its own; PVE refuses the change of a configuration whose
digest is no longer the one that was read.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from hybridge.core.errors import Busy, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker, replace_notes, write_notes
from hybridge.core.machine import Intent, Machine, MachineSpec, Placed, Power, PowerOff, Task, Traits
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.proxmox import changes, seed, tags
from hybridge.drivers.proxmox.errors import AlreadySo, Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration
from hybridge.drivers.proxmox.limits import normalize
from hybridge.drivers.proxmox.mapping import UNFINISHED
from hybridge.drivers.proxmox.placement import Placement
from hybridge.drivers.proxmox.proof import compare, confirm_absence, is_being_made, marker_of, same_owner, unclear
from hybridge.drivers.proxmox.seeds import Seeds
from hybridge.drivers.proxmox.tasks import begun

#: Since then a hard stop can end a shutdown that is under way.
_OVERRULES = (8, 2)


class Machines:
    """See ``hybridge.drivers.base.MachineDriver``."""

    def __init__(self, estate: Estate, settings: Settings) -> None:
        self.traits = Traits(
            exact_sizes=True,
            delete_needs_stop=True,
            chooses_uuid=True,
            initialize=True,
            visibility=30.0,
            token_lifetime=86400.0,
        )
        self._estate = estate
        self._client = estate.client
        self._placement = Placement(estate, settings)
        self._seeds = Seeds(estate.client)

    def normalize(self, spec: MachineSpec) -> MachineSpec:
        """See the port."""
        return normalize(spec)

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed] = ()) -> Prepared:
        """See the port."""
        del apart
        return self._placement.prepare(spec, taken)

    def create(self, intent: Intent, spec: MachineSpec, marker: Marker) -> Started:
        """See the port. The VMID can be cloned to once, so a repetition fails or finds the same guest."""
        words, vmid = intent.parameters, str(intent.id)
        home, node = str(words["templateNode"]), str(words["node"])
        notes = write_notes(marker)
        if "seedStorage" in words:
            notes += f"\n{seed.note(seed.volume(str(words['seedStorage']), vmid, intent.uuid))}"
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
    ) -> Started:
        """See the port. One call for the configuration, one more when a disk grows."""
        node, configuration = self._prove(machine, marker)
        words = configuration.upcoming
        if "initialize" in fields:
            if intent is None:
                raise Refused(Reason.REJECTED, f"guest {machine.id} has no intent on record to be initialized from")
            notes = words.get("description", "").rstrip()
            cd = self._seeds.volume(machine.id, spec, intent, notes)
            values = changes.first(spec, intent, words, cd)
            if cd is not None:
                then = configuration.changed(values, running=False)
                upid = self._seeds.bring(node, cd, spec, intent, configuration, then)
                if upid is not None:
                    return Started(machine.id, task=begun(upid, "Upload"))
                if seed.noted(notes) != cd:
                    values["description"] = f"{notes}\n{seed.note(cd)}"
        else:
            values = changes.sizes(spec, words, fields)
            if any(field.startswith("tags") for field in fields):
                values |= changes.labels(spec, words)
        configuration = self._put(machine, node, configuration, values)
        growth = changes.growth(spec, words) if not {"rootDisk", "initialize"}.isdisjoint(fields) else None
        upid = None
        if growth is not None:
            disk, size = growth
            upid = self._client.put("Resize", "nodes", node, "qemu", machine.id, "resize", disk=disk, size=str(size))
            configuration = configuration.resized(disk, size)
            self._estate.learn(machine.id, configuration)
        if "initialize" in fields and upid is None and spec.power is Power.RUNNING:
            # PVE has just compared the digest of what was read: that is the proof, and it is as fresh as can be.
            return self._start(machine.id, node, configuration)
        seen = self._estate.machine(machine.id, node, configuration, machine.power)
        return Started(machine.id, seen, begun(upid, "Resize"))

    def mark(self, machine: Machine, marker: Marker | None) -> Started:
        """See the port. Our tag comes and goes with the marker."""
        node, configuration = self._read(machine)
        carried = marker_of(configuration)
        compare(machine, carried if marker is not None and carried == marker else machine.marker, configuration)
        notes = configuration.upcoming.get("description", "").rstrip("\n")
        present = configuration.upcoming.get("tags", "")
        others = sorted({*tags.split(present)} - {tags.OURS})
        wanted = {
            "description": replace_notes(notes, marker),
            "tags": tags.merge(others, {}) if marker else ";".join(others),
        }
        before = {"description": notes, "tags": ";".join(sorted(tags.split(present)))}
        values: changes.Values = {key: text for key, text in wanted.items() if text and text != before[key]}
        gone = [key for key, text in wanted.items() if before[key] and not text]
        if gone:
            values["delete"] = ",".join(gone)
        configuration = self._put(machine, node, configuration, values)
        return Started(machine.id, self._estate.machine(machine.id, node, configuration, machine.power))

    def set_power(self, machine: Machine, spec: MachineSpec, power: Power, *, hard: bool = False) -> Started:
        """See the port. PVE itself stops a guest hard when it was asked softly and the time is over."""
        node, configuration = self._prove(machine, machine.marker)
        path = ("nodes", node, "qemu", machine.id, "status")
        if power is Power.RUNNING:
            return self._start(machine.id, node, configuration, resume=machine.power is Power.SUSPENDED)
        try:
            if hard or spec.power_off is PowerOff.HARD:
                operation = "Stop"
                upid = self._client.post(operation, *path, "stop", **self._overruling(machine.id))
            else:
                operation = "Shutdown"
                limits = {
                    "timeout": int(spec.power_off_timeout),
                    "forceStop": 1 if spec.power_off is PowerOff.TRY_SOFT else 0,
                }
                upid = self._client.post(operation, *path, "shutdown", **limits)
        except AlreadySo:
            return self._already(machine.id, node, configuration, power)
        return self._asked(machine.id, node, configuration, power, begun(upid, operation))

    def delete(self, machine: Machine) -> Started:
        """See the port. The seed goes first: while the guest exists, its notes say where it is."""
        try:
            node, configuration = self._estate.read(machine.id)
        except Missing:
            return Started(machine.id)
        compare(machine, machine.marker, configuration)
        if configuration.current.get("protection") == "1":
            raise Refused(
                Reason.DELETION_PROTECTED, f"guest {machine.id} is protected in Proxmox VE (option protection)"
            )
        self._seeds.remove(node, machine.id, configuration.current.get("description", ""))
        options = {"purge": 1, "destroy-unreferenced-disks": 0}
        upid = self._client.delete("Delete", "nodes", node, "qemu", machine.id, **options)
        self._estate.powers.forget(machine.id)
        return Started(machine.id, task=begun(upid, "Delete"))

    def close(self) -> None:
        """See the port."""
        self._client.close()

    def _is_anothers(self, vmid: str, marker: Marker) -> bool:
        known = self._estate.book.get(vmid)
        if known is None or known.details.lock in UNFINISHED:
            return False
        return not same_owner(known.details.marker, marker)

    def _prove(self, machine: Machine, marker: Marker | None) -> tuple[str, Configuration]:
        """A fresh reading that shows the guest to be the one meant and free. Raises NotProven and Busy."""
        node, configuration = self._read(machine)
        compare(machine, marker, configuration)
        return node, configuration

    def _read(self, machine: Machine) -> tuple[str, Configuration]:
        try:
            return self._estate.read(machine.id)
        except Missing as missing:
            raise NotProven(missing.message) from missing

    def _claimed(self, vmid: str, marker: Marker, taken: IdTaken) -> Started:
        """What has the VMID that a create wanted: our own earlier call, one that is under way, or a stranger."""
        try:
            node, configuration = self._estate.read(vmid)
        except Missing:
            raise taken from None
        if is_being_made(configuration):
            raise Busy(f"guest {vmid} is being made, and its notes are not written yet") from taken
        if not same_owner(marker_of(configuration), marker):
            raise taken
        return Started(vmid, self._estate.machine(vmid, node, configuration, self._estate.status(node, vmid)))

    def _put(self, machine: Machine, node: str, configuration: Configuration, values: changes.Values) -> Configuration:
        """Changes the configuration that was read; how it is then, as far as known without another reading."""
        if not values:
            return configuration
        path = ("nodes", node, "qemu", machine.id, "config")
        self._client.put("Configure", *path, **values, digest=configuration.digest)
        running = machine.power is Power.RUNNING
        if running and not {"cores", "memory"}.isdisjoint(values):
            return self._estate.read_at(node, machine.id)
        after = configuration.changed(values, running=running)
        self._estate.learn(machine.id, after)
        return after

    def _start(self, vmid: str, node: str, configuration: Configuration, *, resume: bool = False) -> Started:
        """Starts a guest whose identity was proven right before."""
        operation = "Resume" if resume else "Start"
        try:
            upid = self._client.post(operation, "nodes", node, "qemu", vmid, "status", operation.lower())
        except AlreadySo:
            return self._already(vmid, node, configuration, Power.RUNNING)
        return self._asked(vmid, node, configuration, Power.RUNNING, begun(upid, operation))

    def _already(self, vmid: str, node: str, configuration: Configuration, power: Power) -> Started:
        self._estate.powers.saw(vmid, power, time.monotonic())
        return Started(vmid, self._estate.machine(vmid, node, configuration, power))

    def _asked(self, vmid: str, node: str, configuration: Configuration, power: Power, task: Task | None) -> Started:
        self._estate.book.reached(vmid, ())
        self._estate.powers.asked(vmid, power, task.id if task else None, time.monotonic())
        state = Power.STARTING if power is Power.RUNNING else Power.STOPPING
        return Started(vmid, self._estate.machine(vmid, node, configuration, state), task)

    def _overruling(self, vmid: str) -> dict[str, int]:
        """Ends a shutdown that is under way; guests of the HA manager do not take it."""
        row = self._estate.row(vmid)
        managed = row is not None and bool(row.hastate)
        return {"overrule-shutdown": 1} if self._estate.version >= _OVERRULES and not managed else {}
