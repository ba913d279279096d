"""Snapshots of guests, found and proven by their texts. A volume has none by itself.

A guest has a name once, so that a repeated creation finds what it made, and PVE itself refuses a second one. All disks
of the guest are in it, Volumes too; they go with the guest. PVE asks a guest with an agent to be quiet whenever it can,
and goes on with a warning where that fails.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, IdTaken, NotProven, Refused, Throttled, Unreachable
from hybridge.core.identity import Marker, replace_notes
from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.core.snapshot import Snapshot, SnapshotSpec, SnapshotTraits, SourceKind
from hybridge.core.task import Task
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for, same_owner
from hybridge.drivers.proxmox import points
from hybridge.drivers.proxmox.answers import SnapshotWords
from hybridge.drivers.proxmox.chains import Chains
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Words, agent_enabled, drives, smbios_uuid
from hybridge.drivers.proxmox.mapping import held
from hybridge.drivers.proxmox.proof import confirm_absence, marker_of
from hybridge.drivers.proxmox.tasks import begun


class Snapshots:
    """See ``hybridge.drivers.base.SnapshotDriver``."""

    def __init__(self, estate: Estate, chains: Chains) -> None:
        self.traits = SnapshotTraits(visibility=60.0, token_lifetime=86400.0)
        self._estate = estate
        self._client = estate.client
        self._chains = chains

    def normalize(self, spec: SnapshotSpec) -> SnapshotSpec:
        """See the port. A snapshot has no tags; its name is in PVE's alphabet, and stays."""
        if spec.source is not None and spec.source.kind is not SourceKind.MACHINE:
            words = (
                "spec.sourceRef: Proxmox VE takes snapshots of machines, with all their disks, not of a volume alone"
            )
            raise Refused(Reason.UNSUPPORTED, words)
        return replace(spec, name=points.plain_name(spec.name), tags={})

    def prepare(self, spec: SnapshotSpec, taken: Collection[str]) -> Prepared:
        """See the port. What the guest can is found when the snapshot is taken."""
        source = spec.source
        if source is None:
            raise Refused(Reason.INVALID_SPEC, "spec.sourceRef is missing")
        if source.id is None:
            words = f"{source.kind} {source.name} has nothing in the cloud yet"
            raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
        known_id = points.join(source.id, spec.name)
        if known_id in taken:
            raise Refused(Reason.NAME_TAKEN, f"spec.name: {known_id} is the snapshot of another object")
        try:
            _, configuration = self._estate.read(source.id)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"spec.sourceRef: {missing.message}") from missing
        if configuration.current.get("template", "0") == "1":
            raise Refused(Reason.INVALID_SPEC, f"spec.sourceRef: guest {source.id} is a template")
        return Prepared({"guest": source.id, "memory": spec.memory, "quiesce": spec.quiesce}, known_id)

    def create(self, intent: Intent, spec: SnapshotSpec, marker: Marker) -> Started[Snapshot]:
        """See the port."""
        del spec
        words, vmid = intent.parameters, str(intent.parameters["guest"])
        try:
            node, configuration = self._estate.read(vmid)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"spec.sourceRef: {missing.message}") from missing
        known_id = points.join(vmid, intent.name)
        found = self._chains.read_at(node, vmid).get(known_id)
        if found is not None:
            if not same_owner(found.marker, marker):
                raise IdTaken(f"guest {vmid} has a snapshot {intent.name} already")
            return Started(known_id, found)
        owner = marker_of(configuration)
        if owner is None or owner.cluster != marker.cluster:
            raise NotProven(f"guest {vmid} does not carry a marker of this cluster")
        if held(configuration.lock):
            raise Busy(f"guest {vmid} is locked by a task ({configuration.lock})")
        quiet = bool(words.get("quiesce")) and self._listens(node, vmid, configuration)
        upid = self._client.post(
            "Snapshot",
            *("nodes", node, "qemu", vmid, "snapshot"),
            snapname=intent.name,
            description=points.text(marker, quiet=quiet),
            vmstate=1 if words.get("memory") else 0,
        )
        self._chains.forget(vmid)
        return Started(known_id, task=begun(upid, "Snapshot", known_id))

    def find(self, marker: Marker, intent: Intent | None) -> list[Snapshot]:
        """See the port. Without an intent it looks at the guests that are known to have snapshots."""
        self._estate.look()
        guests = self._chains.carrying()
        if intent is not None and "guest" in intent.parameters:
            guests = [str(intent.parameters["guest"])]
        found: list[Snapshot] = []
        for vmid in guests:
            try:
                node, configuration = self._estate.read(vmid)
                shown = self._chains.read_at(node, vmid)
            except Missing:
                continue
            mine = [one for one in shown.values() if same_owner(one.marker, marker)]
            if not mine and intent is not None and held(configuration.lock):
                raise Busy(f"guest {vmid} is locked by a task ({configuration.lock})")
            found += mine
        return found

    def get(self, known_id: str) -> Snapshot | None:
        """See the port. None takes the list of its guest, or the proof that there is no such guest."""
        parts = points.split(known_id)
        if parts is None:
            return None
        try:
            node, _ = self._estate.read(parts[0])
            return self._chains.read_at(node, parts[0]).get(known_id)
        except Missing as missing:
            confirm_absence(self._estate, parts[0], missing)
            return None

    def configure(
        self, found: Snapshot, spec: SnapshotSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Snapshot]:
        """See the port. Nothing of a snapshot can be changed."""
        del intent
        _, now = self._read(found)
        prove(replace(found, marker=marker), now.marker)
        if "name" in fields and now.name != spec.name:
            raise Refused(Reason.UNSUPPORTED, f"{found.id}: Proxmox VE cannot rename a snapshot")
        return Started(found.id, now)

    def mark(self, found: Snapshot, marker: Marker | None) -> Started[Snapshot]:
        """See the port."""
        node, now = self._read(found)
        prove_for(found, now.marker, marker)
        path = self._path(node, found)
        before = self._client.get("SnapshotWords", SnapshotWords, *path, "config").description
        after = replace_notes(before.rstrip("\n"), marker)
        if after != before.rstrip("\n"):
            # An empty text is taken for none, which changes nothing.
            self._client.put("DescribeSnapshot", *path, "config", description=after or now.name)
            self._chains.forget(now.source_id)
        return Started(found.id, replace(now, marker=marker))

    def delete(self, found: Snapshot) -> Started[Snapshot]:
        """See the port. What was taken before and after it stays."""
        try:
            node, now = self._read(found)
        except NotProven:
            if self.get(found.id) is None:
                return Started(found.id)
            raise
        if found.marker is None:
            raise NotProven(f"{found.id} carries no marker")
        prove(found, now.marker)
        if now.lock:
            raise Busy(f"guest {now.source_id} is locked by a task ({now.lock})")
        upid = self._client.delete("DeleteSnapshot", *self._path(node, found))
        self._chains.forget(now.source_id)
        return Started(found.id, task=begun(upid, "DeleteSnapshot"))

    def go_back(self, vmid: str, node: str, configuration: Configuration, known_id: str) -> Task | None:
        """Takes a guest, proven by the caller, back to a snapshot of its own. Raises CloudError, and Refused."""
        parts = points.split(known_id)
        if parts is None or parts[0] != vmid or known_id not in self._chains.read_at(node, vmid):
            raise Refused(Reason.NOT_FOUND, f"guest {vmid} has no snapshot {known_id}")
        path = ("nodes", node, "qemu", vmid, "snapshot", parts[1])
        then = self._client.get("SnapshotConfig", dict[str, object], *path, "config")
        words = {key: str(text) for key, text in then.items() if isinstance(text, str | int | float)}
        uuid = smbios_uuid(configuration.current)
        if uuid is not None and smbios_uuid(words) != uuid:
            told = f"guest {vmid} had the UUID {smbios_uuid(words)} when {known_id} was taken, and has {uuid} now"
            raise Refused(Reason.IDENTITY_MISMATCH, told)
        if _lent(words) != _lent(configuration.current):
            told = f"guest {vmid} has other volumes than when {known_id} was taken: going back would change them"
            raise Refused(Reason.HAS_DEPENDANTS, told)
        task = begun(self._client.post("Rollback", *path, "rollback"), "Revert")
        if "vmstate" in words:
            self._estate.powers.asked(vmid, Power.RUNNING, task.id if task else None, time.monotonic())
        self._chains.forget(vmid)
        return task

    # ------------------------------------------------------------------ parts

    def _listens(self, node: str, vmid: str, configuration: Configuration) -> bool:
        """Whether PVE can ask the guest to be quiet: it runs, and its agent answers."""
        if not agent_enabled(configuration.current):
            return False
        try:
            self._estate.ask_agent(node, vmid)
        except (Unreachable, Throttled):
            raise
        except CloudError:
            return False
        return True

    def _read(self, found: Snapshot) -> tuple[str, Snapshot]:
        parts = points.split(found.id)
        if parts is None:
            raise NotProven(f"{found.id!r} is no id of a snapshot")
        try:
            node, configuration = self._estate.read(parts[0])
            now = self._chains.read_at(node, parts[0]).get(found.id)
        except Missing as missing:
            raise NotProven(missing.message) from missing
        if now is None:
            raise NotProven(f"snapshot {found.id} is gone")
        return node, replace(now, lock=held(configuration.lock))

    @staticmethod
    def _path(node: str, found: Snapshot) -> tuple[str, ...]:
        vmid, name = found.id.split("/")
        return ("nodes", node, "qemu", vmid, "snapshot", name)


def _lent(words: Words) -> set[str]:
    return {drive.volume for drive in drives(words) if drive.lent}
