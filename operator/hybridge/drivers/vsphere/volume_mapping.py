"""First-class disks and Hybridge's volumes. Pure: no request is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import KEYS, PREFIX, Marker
from hybridge.core.machine import Known
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, Volume, VolumeSpec
from hybridge.drivers.vsphere.catalog import Disk
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.disk_ids import is_disk_snapshot_id
from hybridge.drivers.vsphere.disks import Attached
from hybridge.drivers.vsphere.policies import profiles
from hybridge.drivers.vsphere.sdk import vim
from hybridge.drivers.vsphere.seen import MIB

CLASS: Final = "class"
#: The name of a disk that has no metadata yet, and the longest that one may be.
_NAME: Final = re.compile(r"hb:(?P<cluster>[^:/]+):(?P<uid>[0-9a-f]{8}-[0-9a-f-]{8,})")
_LONGEST: Final = 80
#: Of which attempt a disk is: a vCenter takes no token.
TOKEN: Final = f"{PREFIX}token"
_PLACES: Final = frozenset({"storage"})
_ELSEWHERE: Final[Mapping[str, str]] = {
    "iops": "a storage policy sets them; name one in spec.class",
    "throughput": "a storage policy sets it; name one in spec.class",
    "encrypted": "a storage policy encrypts; name one in spec.class",
}


def normalize(spec: VolumeSpec) -> VolumeSpec:
    """The size in whole MiB, paths as they are told, no empty tags. Raises Refused for what vSphere does not have."""
    for name, instead in _ELSEWHERE.items():
        if getattr(spec, name) is not None:
            raise Refused(Reason.UNSUPPORTED, f"spec.{name} means nothing on vSphere: {instead}")
    if spec.snapshot is not None and not is_disk_snapshot_id(spec.snapshot):
        raise Refused(
            Reason.UNSUPPORTED,
            f"spec.source.snapshotRef: {spec.snapshot} is a machine's; vSphere makes volumes from those of volumes",
        )
    for name in sorted(key for key, value in spec.options.items() if value is not None):
        raise Refused(Reason.UNSUPPORTED, f"spec.vsphere.{name} is not known")
    for name in sorted(key for key, value in spec.placement.items() if value and key not in _PLACES):
        raise Refused(Reason.UNSUPPORTED, f"spec.placement.{name} means nothing for a volume on vSphere")
    return replace(
        spec,
        size=None if spec.size is None else -(-spec.size // MIB) * MIB,
        tags={key: text for key, text in spec.tags.items() if text},
        placement={key: path.strip("/") for key, path in spec.placement.items()},
    )


def marker_of(disk: Disk) -> Marker | None:
    """Whose a disk is, by its metadata. One that is made from a snapshot cannot be given any in the same call: until it has
    them, its name says whose it is.
    """
    if (marked := Marker.read(disk.metadata or {})) is not None or disk.metadata is None:
        return marked
    named = _NAME.fullmatch(disk.name)
    return Marker(named["cluster"], named["uid"], "", "", "") if named else None


def is_named_only(disk: Disk) -> bool:
    """Whether its name alone says whose a disk is."""
    return Marker.read(disk.metadata or {}) is None and marker_of(disk) is not None


def tells(name: str) -> bool:
    """Whether a name says whose a disk is."""
    return _NAME.fullmatch(name) is not None


def telling_name(marker: Marker) -> str:
    """A name that says whose a disk is. Raises Refused where the id of the cluster is too long for that."""
    name = f"hb:{marker.cluster}:{marker.uid}"
    if len(name) > _LONGEST:
        raise Refused(Reason.UNSUPPORTED, f"the cluster id {marker.cluster} is too long to be in the name of a disk")
    return name


def volume(
    disk: Disk, storage: Known, attached: Sequence[tuple[str, Attached]] = (), policy: Known | None = None
) -> Volume:
    """The volume that a disk is. ``storage``: all words for its datastore; ``attached``: which machines have it.

    A machine's device tells of a growth before the catalog does.
    """
    known = disk.metadata is not None
    metadata = disk.metadata or {}
    marker = marker_of(disk)
    sizes = [one.size for _, one in attached if one.size is not None]
    settings = {"placement.storage": storage, **({CLASS: policy} if policy is not None else {})}
    here = tuple(Attachment(machine_id, one.device) for machine_id, one in sorted(attached))
    return Volume(
        disk.id,
        disk.name,
        State.READY if known else State.UNKNOWN,
        marker=marker,
        tags={key: text for key, text in metadata.items() if not key.startswith(PREFIX) and text},
        created_at=disk.created_at,
        detailed=known,
        size=max([disk.size, *sizes]),
        settings={path: words for path, words in settings.items() if words},
        attachments=here or tuple(Attachment(one) for one in disk.consumers),
    )


def parameters(spec: VolumeSpec, store: Found, policy: str | None) -> dict[str, object]:
    """Everything that the call needs."""
    if spec.snapshot is not None:
        made = {"datastore": store.id, "snapshot": spec.snapshot, "policy": policy}
        return {key: value for key, value in made.items() if value is not None}
    if spec.size is None:
        raise Refused(Reason.INVALID_SPEC, "spec.size is missing")
    found = {"datastore": store.id, "sizeMiB": spec.size // MIB, "policy": policy}
    return {key: value for key, value in found.items() if value is not None}


def create_spec(intent: Intent, spec: VolumeSpec, marker: Marker) -> Any:
    """The call's argument: marked and tagged, and to stay when a machine is deleted that has it.

    Without a policy it is thin; with one the policy says.
    """
    given: Mapping[str, Any] = intent.parameters
    policy = given.get("policy")
    backing = vim.vslm.CreateSpec.DiskFileBackingSpec(
        datastore=vim.Datastore(given["datastore"]), provisioningType=None if policy else "thin"
    )
    return vim.vslm.CreateSpec(
        name=intent.name,
        keepAfterDeleteVm=True,
        backingSpec=backing,
        capacityInMB=given["sizeMiB"],
        profile=profiles(policy),
        metadata=pairs({**spec.tags, **marker.pairs(), TOKEN: intent.token}),
    )


def pairs(words: Mapping[str, str]) -> list[Any]:
    """Metadata as the calls take it."""
    return [vim.KeyValue(key=key, value=value) for key, value in words.items()]


def unmarked() -> list[str]:
    """The keys of metadata that say whose a disk is."""
    return [*KEYS, TOKEN]


def is_marked(disk: Disk) -> bool:
    """Whether a disk carries anybody's marker."""
    return marker_of(disk) is not None


def carries(one: Disk, marker: Marker) -> bool:
    """Whether a disk carries the marker of this object."""
    carried = marker_of(one)
    return carried is not None and carried.owner == marker.owner
