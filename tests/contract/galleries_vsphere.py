"""Templates of the lab's vCenter, in the hands of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import uuid4

from hybridge.core.identity import read_notes
from hybridge.core.image import Copy, Download, Find, Source, Stored
from hybridge.core.machine import Machine
from lab.vsphere import VsphereCloud
from tests.contract.galleries import Gallery, ShownImage

_URL = "https://images.example/debian.ova"


class VsphereGallery(Gallery):
    """An image is a template in the folder of the Provider's defaults."""

    create_call = "CloneVM_Task"
    missing = "vm-999999"
    impossible = (
        {"source": Download("https://images.example/debian.qcow2", f"sha256:{'0' * 64}")},
        {"source": Download("https://images.example/debian.ova", f"md5:{'0' * 32}")},
        {"source": Stored("bucket", "debian.ova", "ova")},
        {"source": Copy("vm-1", region="eu-west-1")},
        {"source": Copy("11111111-2222-4333-8444-555555555555")},  # no library has such an item
        {"source": Copy("item-11111111-2222-4333-8444-555555555555")},
        {"source": None, "find": Find("debian-*", owner="self")},
        {"placement": {"node": "DC0_C0_H0"}},
    )
    sweep_cost = 0
    life_cost = 6

    def words(self) -> Mapping[str, object]:
        return {"placement": {"storage": self._vcenter.datastores[0]}}

    def sources(self, machine: Machine) -> Mapping[str, Source]:
        checksum = self._vcenter.libraries.publish(_URL)
        item = self._vcenter.offer("debian-12", _URL)
        return {**super().sources(machine), "url": Download(_URL, checksum), "library": Copy(item)}

    @property
    def _vcenter(self) -> VsphereCloud:
        return cast("VsphereCloud", self.bed.cloud)

    def shown(self) -> dict[str, ShownImage]:
        attributes = self._vcenter.custom_attributes()
        return {
            one.moid: ShownImage(
                id=one.moid,
                name=one.name,
                owner=marker.owner if (marker := read_notes(one.annotation)) else None,
                tags=attributes.get(one.moid, {}),
            )
            for one in self._vcenter.machines()
            if one.template
        }

    def cpus(self, image_id: str) -> int:
        return next(one.cpus for one in self._vcenter.machines() if one.moid == image_id)

    def stranger(self, name: str) -> str:
        made = self._vcenter.create(f"{name}-{uuid4().hex[:6]}")
        self._vcenter.make_template(made)
        return made

    def destroy(self, image_id: str) -> None:
        self._vcenter.destroy(image_id)

    def copy(self, image_id: str) -> str | None:
        made = self._vcenter.clone_by_hand(image_id, f"copy-of-{image_id}")
        self._vcenter.make_template(made)
        return made

    def tag(self, image_id: str, key: str, value: str) -> None:
        self._vcenter.tag(image_id, key, value)

    def rename(self, image_id: str, name: str) -> None:
        self._vcenter.rename(image_id, name)

    def text(self, image_id: str) -> str:
        return self.bed.given(image_id)
