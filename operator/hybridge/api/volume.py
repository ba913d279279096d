"""The Volume: a disk that outlives machines."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from hybridge.api.fields import (
    Model,
    Rule,
    at_most_one,
    atomic,
    note,
    number,
    quantity,
    settled,
    text,
)
from hybridge.api.managed import BOUND, IMPORTED, NAMED, ManagedObject, ManagedSpec, ManagedStatus, grows, required
from hybridge.api.shared import API_VERSION, LocalRef, ObjectMeta
from hybridge.core.managed import Phase


class VolumeSource(Model, frozen=True, kw_only=True):
    """What the volume is made from."""

    snapshot_ref: Annotated[LocalRef, note("A Snapshot of a Volume in this namespace.")]


class VolumePlacement(Model, frozen=True, kw_only=True):
    """Where the volume goes. What is absent comes from the Provider's defaults."""

    zone: Annotated[str | None, text("The availability zone (AWS): machines of other zones cannot have it.", 255)] = (
        None
    )
    node: Annotated[str | None, text("The node (Proxmox) where a storage is that only this node has.", 255)] = None
    storage: Annotated[str | None, text("The storage (Proxmox) or datastore (vSphere).", 255)] = None


class AWSVolumeOptions(Model, frozen=True, kw_only=True):
    """What only EC2 has."""

    kms_key_id: Annotated[
        str | None,
        text("The id or ARN of the key of an encrypted volume. Default: the account's own for EBS.", 2048),
    ] = None


class DiskFormat(StrEnum):
    """How a storage of Proxmox keeps a disk in files."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"


class ProxmoxVolumeOptions(Model, frozen=True, kw_only=True):
    """What only Proxmox VE has."""

    format: Annotated[
        DiskFormat | None, note("The format, on storages that keep disks in files. Default: the storage's own.")
    ] = None


class VolumeSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the volume should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        required("size"),
        NAMED,
        settled("source", "source cannot be set, changed or removed: make another Volume"),
        Rule(
            f"!has(self.source) || !({IMPORTED})",
            "source and lifecycle.import exclude each other: what exists is not made",
            path=".source",
        ),
        # What could be added and is not to be had, could not be taken back.
        settled("encrypted", "encrypted cannot be set, changed or removed: make another Volume"),
        settled("placement", "placement cannot be set, changed or removed: make another Volume"),
        at_most_one("aws", "proxmox", message="at most one of aws and proxmox can be set"),
    )

    size: Annotated[
        int | str | None,
        quantity("Its size, such as 20Gi. It grows while machines use it, and never shrinks.", "1Mi", "64Ti"),
    ] = None
    class_: Annotated[
        str | None,
        text(
            "Its kind: a volume type such as gp3 (AWS), a storage (Proxmox), a storage policy (vSphere)."
            " Default: the cloud's or the storage's own.",
            255,
        ),
    ] = None
    iops: Annotated[
        int | None, number("Operations a second, where the class has them to choose (AWS).", 1, 1_000_000)
    ] = None
    throughput: Annotated[int | None, number("MiB a second, where the class has them to choose (AWS).", 1, 100_000)] = (
        None
    )
    encrypted: Annotated[
        bool | None, note("Whether the cloud encrypts it (AWS). Default: as the account has it. Cannot be changed.")
    ] = None
    source: Annotated[
        VolumeSource | None, note("What the volume is made from. Default: it is empty. Cannot be changed.")
    ] = None
    placement: Annotated[
        VolumePlacement | None,
        note("Where the volume goes. Default: the Provider's defaults. Cannot be changed."),
    ] = None
    aws: Annotated[AWSVolumeOptions | None, note("What only AWS has.")] = None
    proxmox: Annotated[ProxmoxVolumeOptions | None, note("What only Proxmox has.")] = None


class AttachmentStatus(Model, frozen=True, kw_only=True):
    """That a machine has the volume."""

    id: Annotated[str, text("The machine's id in the cloud.", 128)]
    virtual_machine: Annotated[
        str | None, text("The VirtualMachine, as namespace/name, where it is one of this cluster.", 320)
    ] = None
    device: Annotated[str | None, text("As what the machine has it, such as /dev/sdf or scsi1.", 64)] = None


class VolumeStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the volume is."""

    phase: Annotated[Phase | None, note("How the volume is, in one word for people.")] = None
    size: Annotated[int | str | None, quantity("Its size.", "0", "8Ei")] = None
    class_: Annotated[str | None, text("Its kind, where the cloud has kinds.", 255)] = None
    iops: Annotated[int | None, number("Operations a second, where the cloud limits them.", 0, 2**31 - 1)] = None
    throughput: Annotated[int | None, number("MiB a second, where the cloud limits them.", 0, 2**31 - 1)] = None
    encrypted: Annotated[bool | None, note("Whether the cloud encrypts it, where it says so.")] = None
    zone: Annotated[str | None, text("The availability zone in which it is.", 255)] = None
    host: Annotated[str | None, text("The node on which it is, where only this node has it.", 255)] = None
    storage: Annotated[str | None, text("The storage or datastore on which it is.", 255)] = None
    attachments: Annotated[tuple[AttachmentStatus, ...], atomic("The machines that have it.", 64)] = ()


class Volume(ManagedObject, frozen=True, kw_only=True):
    """A disk that outlives machines, in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        BOUND,
        grows("size", "size can grow, but neither shrink nor be removed, unless the cloud has refused it"),
    )

    metadata: ObjectMeta
    spec: VolumeSpec
    status: VolumeStatus = VolumeStatus()
    api_version: str = API_VERSION
    kind: str = "Volume"
