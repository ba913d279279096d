"""Seeds on their storages: uploading, and removing together with their guests."""

from __future__ import annotations

import threading
from urllib.parse import quote

from hybridge.core.errors import CloudError
from hybridge.core.machine import Intent, MachineSpec, TaskState
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox import seed
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.guest import Configuration, drives
from hybridge.drivers.proxmox.tasks import ended

#: Seconds that PVE may take to remove a seed before it answers.
_PATIENCE = 10


class Seeds:
    """The seeds of one cluster's guests. Safe for threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._uploads: dict[str, str] = {}
        self._lock = threading.Lock()

    def volume(self, vmid: str, spec: MachineSpec, intent: Intent, notes: str) -> str | None:
        """The volume id that a guest's seed has or will have; None when it needs none."""
        if not seed.is_needed(spec):
            return None
        return seed.noted(notes) or seed.volume(str(intent.parameters["seedStorage"]), vmid, intent.uuid)

    def bring(
        self,
        node: str,
        volume: str,
        spec: MachineSpec,
        intent: Intent,
        now: Configuration,
        then: Configuration,
    ) -> str | None:
        """Uploads the seed of a guest, unless it has it in its drive ``now``; ``then``: how the guest will be.

        The UPID of the task to wait for; None when the seed is there. Raises CloudError.
        """
        if any(drive.volume == volume for drive in drives(now.current)):
            return None
        with self._lock:
            upid = self._uploads.pop(volume, None)
        if upid is None:
            path = ("nodes", node, "storage", _storage(volume), "upload")
            content = seed.image(spec, intent, then.upcoming)
            upid = self._client.upload("Upload", seed.file_name(volume), content, *path)
        if upid is None:
            return None
        task = ended(self._client, upid, "Upload")
        if task.state is TaskState.RUNNING:
            with self._lock:
                self._uploads[volume] = upid
            return upid
        if task.state is TaskState.FAILED:
            raise CloudError(Reason.TASK_FAILED, f"Upload: {task.error}")
        return None

    def remove(self, node: str, vmid: str, notes: str) -> None:
        """Removes the seed that a guest's notes name, if it is this guest's own. Raises CloudError."""
        volume = seed.noted(notes)
        if volume is None or not seed.file_name(volume).startswith(f"hybridge-{vmid}-"):
            return
        path = ("nodes", node, "storage", _storage(volume), "content", quote(volume, safe=""))
        try:
            self._client.delete("DeleteSeed", *path, delay=_PATIENCE)
        except Missing:
            return


def _storage(volume: str) -> str:
    return volume.partition(":")[0]
