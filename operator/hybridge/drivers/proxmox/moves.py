"""A guest on the move: to another node while it runs, a disk of it to another storage, itself into another pool.

Each begins with the guest's identity proven by the caller.
"""

from __future__ import annotations

from hybridge.core.errors import Refused
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.proxmox.errors import AlreadySo
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Drive, drives
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.tasks import begun


class Moves:
    """Starts moves in one cluster. Safe for threads."""

    def __init__(self, estate: Estate, most: float) -> None:
        """``most``: seconds for which a picture of the cluster is good."""
        self._estate = estate
        self._client = estate.client
        self._most = most

    def migrate(self, vmid: str, node: str, configuration: Configuration, target: str) -> Task | None:
        """To another node: live where the guest runs, with its local disks. None when it is there. Raises CloudError."""
        if node == target:
            return None
        picture = self._estate.picture(self._most)
        _check_node(picture, target)
        for drive in drives(configuration.current):
            _check_volume(picture, drive, node, target)
        # Both words mean nothing to a guest that is stopped (PVE::API2::Qemu, migrate_vm).
        words = {"online": 1, "with-local-disks": 1}
        try:
            upid = self._client.post("Migrate", *_guest(node, vmid), "migrate", target=target, **words)
        except AlreadySo:
            return None
        return begun(upid, "Migrate")

    def move_disk(self, vmid: str, node: str, configuration: Configuration, drive: Drive, storage: str) -> Task | None:
        """A disk to another storage, whether or not the guest runs; the old volume goes. Raises CloudError."""
        picture = self._estate.picture(self._most)
        known = picture.storages.get(storage)
        if picture.storages and known is None:
            able = [name for name, one in picture.storages.items() if "images" in one.content]
            raise Refused(Reason.NOT_FOUND, not_found("storage", storage, able))
        if known is not None and "images" not in known.content:
            raise Refused(Reason.INVALID_SPEC, f"storage: {storage!r} does not hold disk images")
        if known is not None and node not in known.nodes:
            raise Refused(Reason.CAPACITY, f"storage: {storage!r} is not available on node {node}")
        words = {"disk": drive.key, "storage": storage, "delete": 1, "digest": configuration.digest}
        upid = self._client.post("MoveDisk", *_guest(node, vmid), "move_disk", **words)
        return begun(upid, "MoveDisk")

    def join(self, vmid: str, pool: str) -> None:
        """Into a pool, out of the one that it is in. Raises CloudError."""
        try:
            self._client.put("SetPool", "pools", poolid=pool, vms=vmid, **{"allow-move": 1})
        except AlreadySo:
            return


def _guest(node: str, vmid: str) -> tuple[str, ...]:
    return "nodes", node, "qemu", vmid


def _check_node(picture: Picture, target: str) -> None:
    known = picture.nodes.get(target)
    if picture.nodes and known is None:
        raise Refused(Reason.NOT_FOUND, not_found("node", target, picture.nodes))
    if known is not None and known.away:
        raise Refused(Reason.CAPACITY, f"node {target} {known.away}")


def _check_volume(picture: Picture, drive: Drive, node: str, target: str) -> None:
    """Refuses what PVE would only refuse in its task. A CD of PVE's own cloud-init is made anew on the other node."""
    storage = picture.storages.get(drive.storage or "")
    if storage is None:
        return
    if target not in storage.nodes:
        raise Refused(
            Reason.CAPACITY, f"node {target} does not have the storage {storage.name} of the guest's {drive.key}"
        )
    if drive.lent and not storage.shared:
        raise Refused(
            Reason.UNSUPPORTED, f"the volume {drive.volume} is on node {node} alone, so that the guest cannot leave it"
        )
    if drive.cdrom and not storage.shared and not drive.cloud_init:
        raise Refused(
            Reason.UNSUPPORTED,
            f"the CD {drive.volume} in {drive.key} is on local storage of node {node}, so that the guest cannot leave it",
        )
