"""Seeds on their storages: uploading, and removing together with their guests."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from urllib.parse import quote

from hybridge.core.errors import CloudError
from hybridge.core.machine import MachineSpec
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.proxmox import seed
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.errors import Missing, NoStorage
from hybridge.drivers.proxmox.guest import Words, cloud_init_drive
from hybridge.drivers.proxmox.seed import Seed
from hybridge.drivers.proxmox.tasks import ended

#: The instance id in the metadata that PVE makes: of NoCloud, and of a config drive.
_INSTANCE_ID = re.compile(r"^instance-id:\s*(\S+)|\"uuid\":\s*\"([^\"]+)\"", re.MULTILINE)
#: Seconds that PVE may take to remove a seed before it answers.
_PATIENCE = 10


class Seeds:
    """The seeds of one cluster's guests. Safe for threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        #: Uploads that go on: the UPID, and a hash of what is uploaded, by the volume that they make.
        self._uploads: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def bring(self, node: str, one: Seed, spec: MachineSpec, words: Words) -> str | None:
        """Uploads a guest's seed, over an older one; ``words`` are its configuration, as it will be.

        The UPID of the task to wait for, after which the same call has to be made again; None when the seed is there.
        Raises CloudError.
        """
        documents = seed.documents(spec, one.instance_id, words)
        known = hash(tuple(documents.items()))
        with self._lock:
            upid, uploaded = self._uploads.pop(one.volume, (None, None))
        if upid is None or uploaded != known:
            path = ("nodes", node, "storage", _storage(one.volume), "upload")
            upid = self._client.upload("Upload", seed.file_name(one.volume), seed.image(documents), *path)
        if upid is None:
            return None
        task = ended(self._client, upid, "Upload")
        if task.state is TaskState.RUNNING:
            with self._lock:
                self._uploads[one.volume] = upid, known
            return upid
        if task.state is TaskState.FAILED:
            raise CloudError(Reason.TASK_FAILED, f"Upload: {task.error}")
        return None

    def known(self, node: str, vmid: str, uuid: str, words: Words, storage: Callable[[], str]) -> Seed:
        """The seed of a guest that was started before: the one in its notes, else a new one on ``storage``.

        cloud-init goes on knowing the guest by the id that PVE's own CD gives it. Raises CloudError, among them Refused
        where nobody can tell that id.
        """
        one = seed.noted(words.get("description", ""), uuid)
        if one is not None:
            return one
        seed.refuse_snippets(words)
        volume = seed.volume(storage(), vmid, uuid)
        if cloud_init_drive(words) is None:
            return Seed(volume, uuid)
        path = ("nodes", node, "qemu", vmid, "cloudinit", "dump")
        found = _INSTANCE_ID.search(self._client.get("CloudInit", str, *path, type="meta"))
        return Seed(volume, (found[1] or found[2]) if found else uuid)

    def remove(self, node: str, vmid: str, notes: str) -> None:
        """Removes the seed that a guest's notes name, if it is this guest's own. Raises CloudError.

        A storage that the cluster does not have any more has taken its seeds with it.
        """
        one = seed.noted(notes, "")
        if one is None or not seed.file_name(one.volume).startswith(f"hybridge-{vmid}-"):
            return
        path = ("nodes", node, "storage", _storage(one.volume), "content", quote(one.volume, safe=""))
        try:
            self._client.delete("DeleteSeed", *path, delay=_PATIENCE)
        except (Missing, NoStorage):
            return


def _storage(volume: str) -> str:
    return volume.partition(":")[0]
