"""Guests that images are made of: chosen when an attempt is prepared, and looked at again right before they are cloned."""

from __future__ import annotations

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, Refused
from hybridge.core.image import Copy, ImageSpec, Published, Source, Taken
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Words, drives, smbios_uuid
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.proof import marker_of


class Origins:
    """Of one cluster."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def choose(self, spec: ImageSpec, picture: Picture) -> tuple[dict[str, object], str]:
        """What a clone has to be asked for, and the node of the image. Raises CloudError."""
        vmid = _vmid(spec, picture)
        node, configuration = self._read(vmid)
        _prove(spec.source, configuration)
        storage = spec.placement.get("storage") or None
        if storage is not None and "images" not in getattr(picture.storages.get(storage), "content", ()):
            able = [name for name, one in picture.storages.items() if "images" in one.content]
            raise Refused(Reason.NOT_FOUND, not_found("spec.placement.storage: the storage for images", storage, able))
        target = spec.placement.get("node") or node
        if target not in picture.nodes and target != node:
            raise Refused(Reason.NOT_FOUND, not_found("spec.placement.node: the node", target, picture.nodes))
        snapshot = _snapshot(spec.source) if isinstance(spec.source, Taken) else None
        lent = sorted(self._lent(node, vmid, configuration, snapshot))
        more = {"storage": storage, "snapshot": snapshot, "uuid": smbios_uuid(configuration.current)}
        found: dict[str, object] = {"source": vmid, "home": node, "node": target, "dropped": lent}
        return {**found, **{key: text for key, text in more.items() if text}}, target

    def confirm(self, intent: Intent) -> None:
        """Nothing, where the guest is still the one that was chosen, and has the volumes that it had.

        Raises Refused (NOT_FOUND) and Busy (UPDATING): others' data would be in the image, and in each machine that starts
        from it.
        """
        words = intent.parameters
        vmid, dropped, snapshot = str(words["source"]), words.get("dropped"), words.get("snapshot")
        node, configuration = self._read(vmid)
        if "uuid" in words and smbios_uuid(configuration.current) != words["uuid"]:
            raise Refused(Reason.NOT_FOUND, f"spec.source: guest {vmid} is not the one any more that it was")
        before = {str(key) for key in dropped} if isinstance(dropped, list | tuple) else set()
        changed = before ^ self._lent(node, vmid, configuration, str(snapshot) if snapshot else None)
        if changed:
            told = f"the volumes of guest {vmid} have changed meanwhile: {', '.join(sorted(changed))}"
            raise Busy(told, reason=Reason.UPDATING)

    def _read(self, vmid: str) -> tuple[str, Configuration]:
        try:
            return self._estate.read(vmid)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"spec.source: {missing.message}") from missing

    def _lent(self, node: str, vmid: str, configuration: Configuration, snapshot: str | None) -> set[str]:
        """The keys of the Volumes that a guest has, or had when a snapshot of it was taken."""
        words = self._at(node, vmid, snapshot) if snapshot else configuration.current
        return {drive.key for drive in drives(words) if drive.lent}

    def _at(self, node: str, vmid: str, snapshot: str) -> Words:
        """The configuration of a guest when a snapshot of it was taken."""
        path = ("nodes", node, "qemu", vmid, "snapshot", snapshot, "config")
        try:
            then = self._estate.client.get("SnapshotConfig", dict[str, object], *path)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"spec.source.snapshotRef: {missing.message}") from missing
        return {key: str(text) for key, text in then.items() if isinstance(text, str | int | float)}


def _vmid(spec: ImageSpec, picture: Picture) -> str:
    source = spec.source
    machine = source.machine_id if isinstance(source, Published | Taken) else None
    vmid = source.id if isinstance(source, Copy) else machine
    if vmid is None:
        raise Refused(Reason.DEPENDENCY_NOT_READY, "spec.source: what it is made from has no id yet")
    row = picture.guests.get(vmid)
    if isinstance(source, Copy) and (row is None or not row.template):
        known = [known for known, one in picture.guests.items() if one.template]
        raise Refused(Reason.IMAGE_NOT_FOUND, not_found("spec.source.copy.id: the template", vmid, known))
    return vmid


def _prove(source: Source | None, configuration: Configuration) -> None:
    """VMIDs are used again: the guest has to carry the marker that the machine has."""
    carried = marker_of(configuration)
    if not isinstance(source, Published) or source.owner in {None, carried.owner if carried else ""}:
        return
    whose = carried.owner if carried else "nobody"
    words = f"spec.source: guest {source.machine_id} is {whose}'s, not that of {source.machine} any more"
    raise Refused(Reason.NOT_FOUND, words)


def _snapshot(source: Taken) -> str:
    """The name of a snapshot, whose id is that of its guest with it."""
    vmid, _, name = (source.snapshot_id or "").partition("/")
    if vmid != source.machine_id or not name:
        raise Refused(Reason.NOT_FOUND, f"spec.source.snapshotRef: {source.snapshot_id} is no snapshot of a guest")
    return name
