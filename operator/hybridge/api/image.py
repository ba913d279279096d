"""The Image: what machines start from."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from hybridge.api.fields import (
    URL,
    Model,
    Rule,
    atomic,
    exactly_one,
    int_or_string,
    kept,
    moment,
    note,
    number,
    quantity,
    text,
)
from hybridge.api.managed import BOUND, IMPORTED, NAMED, ManagedObject, ManagedSpec, ManagedStatus, required
from hybridge.api.selectors import NamespaceGrant
from hybridge.api.shared import API_VERSION, LocalRef, ObjectMeta
from hybridge.core.managed import Phase


class FindImage(Model, frozen=True, kw_only=True):
    """The newest of the images that are meant. It is chosen once; a newer one is told in the status."""

    name: Annotated[str, text("The name, in which * stands for any characters.", 255)]
    owner: Annotated[
        str | None,
        text("Whose it has to be: an account's id, amazon or self (AWS). Default: anybody's that can be seen.", 255),
    ] = None


class DownloadImage(Model, frozen=True, kw_only=True):
    """A file that the cloud downloads."""

    url: Annotated[str, text("Where the file is.", 2048, URL)]
    checksum: Annotated[
        str,
        text(
            "What the file has to be, such as sha256:0123…; another one is refused.",
            256,
            Rule(
                "self.matches('^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$')",
                "must be sha256: or sha512: and the digest in lower-case hex",
            ),
        ),
    ]


class CopyImage(Model, frozen=True, kw_only=True):
    """An image of the cloud that is copied."""

    id: Annotated[str, text("The id of the image; on vSphere also that of an OVF item of a content library.", 128)]
    region: Annotated[str | None, text("The region in which it is (AWS). Default: the Provider's own.", 64)] = None


class StoredFormat(StrEnum):
    """The formats that AWS imports."""

    OVA = "ova"
    VMDK = "vmdk"
    VHD = "vhd"
    VHDX = "vhdx"
    RAW = "raw"


class StoredImage(Model, frozen=True, kw_only=True):
    """An object in S3 that AWS imports."""

    bucket: Annotated[str, text("The bucket.", 63)]
    key: Annotated[str, text("The key of the object.", 1024)]
    format: Annotated[StoredFormat, note("The format of the object.")]


class ImageSource(Model, frozen=True, kw_only=True):
    """Which image it is, or what it is made from."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "id",
            "find",
            "url",
            "copy",
            "s3",
            "virtualMachineRef",
            "snapshotRef",
            message="exactly one of id, find, url, copy, s3, virtualMachineRef and snapshotRef must be set",
        ),
    )

    id: Annotated[
        int | str | None,
        int_or_string("One that exists: an AMI, a template's VMID or id. It is only looked at.", 255),
    ] = None
    find: Annotated[
        FindImage | None, note("The newest that exists and is meant, when it is first seen. It is only looked at.")
    ] = None
    url: Annotated[DownloadImage | None, note("Made from a file that the cloud downloads (Proxmox, vSphere).")] = None
    copy: Annotated[CopyImage | None, note("Made as a copy of another image.")] = None
    s3: Annotated[StoredImage | None, note("Made from an object in S3 (AWS).")] = None
    virtual_machine_ref: Annotated[
        LocalRef | None, note("Made from a VirtualMachine of this namespace, as it is when the image is made.")
    ] = None
    snapshot_ref: Annotated[LocalRef | None, note("Made from a Snapshot of a VirtualMachine in this namespace.")] = None


class ImagePlacement(Model, frozen=True, kw_only=True):
    """Where an image that is made goes. What is absent comes from the Provider's defaults."""

    node: Annotated[str | None, text("The node (Proxmox).", 255)] = None
    cluster: Annotated[str | None, text("The compute cluster (vSphere).", 255)] = None
    storage: Annotated[str | None, text("The storage (Proxmox) or datastore (vSphere).", 255)] = None
    folder: Annotated[str | None, text("The folder (vSphere).", 255)] = None


class ImageSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the image should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        required("source"),
        NAMED,
        kept("source", "source cannot be changed or removed: make another Image"),
        Rule(
            f"!has(self.source) || !({IMPORTED})",
            "source and lifecycle.import exclude each other: what exists is not made",
            path=".source",
        ),
        kept("placement", "placement cannot be changed or removed: make another Image"),
    )

    source: Annotated[ImageSource | None, note("Which image it is, or what it is made from. Cannot be changed.")] = None
    placement: Annotated[
        ImagePlacement | None, note("Where an image that is made goes. Default: the Provider's. Cannot be changed.")
    ] = None
    allowed_namespaces: Annotated[
        NamespaceGrant, note("The other namespaces whose machines may start from it. Default: none.")
    ] = NamespaceGrant()


class NewerImage(Model, frozen=True, kw_only=True):
    """An image that is newer than the one that was chosen."""

    id: Annotated[str, text("Its id in the cloud.", 128)]
    name: Annotated[str | None, text("Its name in the cloud.", 255)] = None
    created_at: Annotated[str | None, moment("When it was made.")] = None


class ImageStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the image is."""

    phase: Annotated[Phase | None, note("How the image is, in one word for people.")] = None
    progress: Annotated[int | None, number("How much of it is made, in percent.", 0, 100)] = None
    image_name: Annotated[str | None, text("Its name in the cloud.", 255)] = None
    size: Annotated[int | str | None, quantity("The size of its disks.", "0", "8Ei")] = None
    architecture: Annotated[str | None, text("The architecture of its machines, such as x86_64.", 64)] = None
    published_at: Annotated[str | None, moment("When the image itself was made, by whomever.")] = None
    newer: Annotated[NewerImage | None, note("The image that source.find would mean today, where it is newer.")] = None
    used_by: Annotated[
        tuple[Annotated[str, text("A kind, a namespace and a name.", 400)], ...],
        atomic("Objects that use it.", 64),
    ] = ()


class Image(ManagedObject, frozen=True, kw_only=True):
    """What machines start from, in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (BOUND,)

    metadata: ObjectMeta
    spec: ImageSpec
    status: ImageStatus = ImageStatus()
    api_version: str = API_VERSION
    kind: str = "Image"
