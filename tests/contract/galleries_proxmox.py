"""Templates of the lab's Proxmox VE, in the hands of a person."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

from hybridge.core.identity import read_notes
from hybridge.core.image import Copy, Download, Find, Source, Stored
from hybridge.core.machine import Machine
from hybridge.drivers.proxmox import tags
from lab.proxmox import ProxmoxCloud
from tests.contract.galleries import Gallery, ShownImage

_URL, _SUM = "https://images.example/debian.qcow2", "ab" * 32
_VMIDS = itertools.count(6000)


class ProxmoxGallery(Gallery):
    """An image is a template; its VMID comes out of the Provider's range."""

    create_call = "POST /nodes/{node}/qemu/{vmid}/clone"
    missing = "999999"
    impossible = (
        {"source": Download("https://images.example/debian.tar.xz", f"sha256:{'0' * 64}")},
        {"source": Stored("bucket", "debian.raw", "raw")},
        {"source": Copy("9000", region="eu-west-1")},
        {"source": Copy("999999")},
        {"source": None, "find": Find("debian-*", owner="self")},
        {"placement": {"cluster": "C0"}},
        {"placement": {"storage": "nowhere"}},
    )
    sweep_cost = 0
    life_cost = 12

    @property
    def _pve(self) -> ProxmoxCloud:
        return cast("ProxmoxCloud", self.bed.cloud)

    def words(self) -> Mapping[str, object]:
        return {"placement": {"storage": "ceph"}}

    def sources(self, machine: Machine) -> Mapping[str, Source]:
        self._pve.publish(_URL, 2**30, sha256=_SUM)
        return {**super().sources(machine), "url": Download(_URL, f"sha256:{_SUM}")}

    def shown(self) -> dict[str, ShownImage]:
        return {
            str(one.vmid): ShownImage(
                id=str(one.vmid),
                name=one.name,
                owner=marker.owner if (marker := read_notes(one.description)) else None,
                tags=tags.decode(one.tags),
            )
            for one in self._pve.machines()
            if one.template or "hybridge.io/making" in one.description
        }

    def cpus(self, image_id: str) -> int:
        return next(one.cpus for one in self._pve.machines() if str(one.vmid) == image_id)

    def stranger(self, name: str) -> str:
        vmid = next(_VMIDS)
        self._pve.create(vmid, name, scsi0="ceph:1")
        self._pve.make_template(vmid)
        return str(vmid)

    def destroy(self, image_id: str) -> None:
        if image_id in self.shown():
            self._pve.destroy(int(image_id))

    def copy(self, image_id: str) -> str | None:
        vmid = next(_VMIDS)
        self._pve.clone_by_hand(int(image_id), vmid, full=1)
        self._pve.make_template(vmid)
        return str(vmid)

    def tag(self, image_id: str, key: str, value: str) -> None:
        kept = {**self.shown()[image_id].tags, key: value}
        self._pve.set_config(int(image_id), tags=tags.merge((), kept))

    def rename(self, image_id: str, name: str) -> None:
        self._pve.set_config(int(image_id), name=name)

    def text(self, image_id: str) -> str:
        return self.bed.given(image_id)
