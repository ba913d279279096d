"""EBS volumes: what EC2 shows as the core's volumes, and what a volume's spec means in EC2's words. Pure.

Source: EC2 API Reference, CreateVolume, DescribeVolumes, ModifyVolume.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.machine import Known
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.volume import Attachment, Volume, VolumeSpec
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.mapping import NAME, RESERVED
from hybridge.drivers.aws.offers import GIB, MIB

KEY = "aws.kmsKeyID"
ZONE = "placement.zone"
#: Fields that one ModifyVolume changes.
MODIFIED = frozenset({"size", "class", "iops", "throughput"})

OPTIONS = frozenset({"kmsKeyID"})
PLACEMENTS = frozenset({"zone"})

_STATES = {
    "creating": State.PENDING,
    "available": State.READY,
    "in-use": State.READY,
    "deleting": State.DELETING,
    "deleted": State.GONE,
    "error": State.FAILED,
}
_ERROR = (
    "EC2 could not make it, and does not say why; with a customer-managed key, the key's policy has to let this account"
    " use it for EC2"
)
#: States of an attachment: a guest does not let go of it, and it has ended.
_BUSY, _DETACHED = "busy", "detached"

#: Under which names machines have the disk that they boot from.
_ROOTS = frozenset({"/dev/sda", "/dev/sda1", "/dev/xvda"})

#: Types whose figures are not to be chosen. Source: Amazon EBS User Guide, "Amazon EBS volume types".
_WITHOUT_IOPS = frozenset({"gp2", "st1", "sc1", "standard"})
_WITHOUT_THROUGHPUT = _WITHOUT_IOPS | {"io1", "io2"}
_NEED_IOPS = frozenset({"io1", "io2"})


def volume(found: Mapping[str, Any]) -> Volume:
    """One volume of DescribeVolumes or CreateVolume."""
    tags = mapping.pairs(found.get("Tags", []))
    state = _STATES.get(found["State"], State.UNKNOWN)
    attached = [one for one in found.get("Attachments", []) if one["State"] != _DETACHED]
    attachments = tuple(Attachment(_machine(one), one.get("Device", "")) for one in attached)
    stuck = next((_machine(one) for one in attached if one["State"] == _BUSY), None)
    root = next((one.machine_id for one in attachments if one.device in _ROOTS), None)
    throughput = found.get("Throughput")
    made: datetime | None = found.get("CreateTime")
    encrypted = found.get("Encrypted", False)
    return Volume(
        id=found["VolumeId"],
        name=tags.get(NAME, ""),
        state=state,
        marker=Marker.read(tags),
        tags={key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
        lock=f"DetachVolume, until the guest of {stuck} lets go of it" if stuck else None,
        ended=_ERROR if state is State.FAILED else "",
        unfit=f"the disk that {root} boots from" if root else "",
        created_at=made.timestamp() if made else None,
        size=found["Size"] * GIB,
        iops=found.get("Iops") or None,
        throughput=throughput * MIB if throughput else None,
        encrypted=encrypted,
        settings=_settings(found["AvailabilityZone"], found.get("VolumeType"), found.get("KmsKeyId") or None),
        attachments=attachments,
    )


def check(spec: VolumeSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    launch.check_known("spec.aws", spec.options, OPTIONS)
    launch.check_known("spec.placement", spec.placement, PLACEMENTS)
    launch.check_tags(spec)
    if spec.iops is not None and spec.class_ in _WITHOUT_IOPS:
        raise Refused(Reason.UNSUPPORTED, f"spec.iops: volumes of type {spec.class_} have none to choose")
    if spec.throughput is not None and spec.class_ in _WITHOUT_THROUGHPUT:
        raise Refused(Reason.UNSUPPORTED, f"spec.throughput: volumes of type {spec.class_} have none to choose")
    key = str(spec.options.get("kmsKeyID") or "")
    if key and spec.encrypted is False:
        raise Refused(Reason.INVALID_SPEC, "spec.aws.kmsKeyID is set, but spec.encrypted is false")
    if key.startswith("alias/") or ":alias/" in key:
        raise Refused(
            Reason.UNSUPPORTED,
            f"spec.aws.kmsKeyID: what {key} means can change, and EC2 does not show it; give the key's id or ARN",
        )


def normal(spec: VolumeSpec) -> VolumeSpec:
    """The spec as EC2 would show it back: whole GiB and MiB a second; what has a key is encrypted."""
    options = {key: value for key, value in spec.options.items() if value not in launch.NOTHING}
    return replace(
        spec,
        size=launch.whole(spec.size) if spec.size else None,
        throughput=_mebibytes(spec.throughput) * MIB if spec.throughput else None,
        encrypted=True if options else spec.encrypted,
        options=options,
    )


def parameters(spec: VolumeSpec, zone: str) -> dict[str, Any]:
    """The words of CreateVolume but for the token and the marker, as JSON values. Refused (INVALID_SPEC)."""
    if spec.size is None and spec.snapshot is None:
        raise Refused(Reason.INVALID_SPEC, "spec.size is needed to make a volume")
    if spec.class_ is None and (spec.iops is not None or spec.throughput is not None):
        raise Refused(Reason.INVALID_SPEC, "spec.class is needed with spec.iops and spec.throughput: gp3, for example")
    if spec.class_ in _NEED_IOPS and spec.iops is None:
        raise Refused(Reason.INVALID_SPEC, f"spec.iops is needed to make a volume of type {spec.class_}")
    words = {
        "AvailabilityZone": zone,
        "Size": launch.gibibytes(spec.size) if spec.size else None,
        "VolumeType": spec.class_,
        "Iops": spec.iops,
        "Throughput": _mebibytes(spec.throughput) if spec.throughput else None,
        "Encrypted": spec.encrypted,
        "KmsKeyId": spec.options.get("kmsKeyID") or None,
        "SnapshotId": spec.snapshot,
    }
    return {launch.TAGS: dict(spec.tags), **{key: value for key, value in words.items() if value is not None}}


def request(intent: Intent, marker: Marker) -> dict[str, Any]:
    """All words of CreateVolume for this intent: the same every time, as its token demands."""
    made = dict(intent.parameters)
    given = made.pop(launch.TAGS, {})
    assert isinstance(given, Mapping)
    tags = mapping.words({**given, NAME: intent.name, **marker.pairs()})
    return {
        **made,
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags}],
        "ClientToken": intent.token,
    }


def modification(now: Volume, spec: VolumeSpec, fields: Collection[str]) -> dict[str, Any]:
    """The words of ModifyVolume but for the volume's id, which bring these fields to the spec; none where nothing differs.

    Another type comes with its figures, because EC2 would choose others.
    """
    words: dict[str, Any] = {}
    if "size" in fields and spec.size and spec.size > (now.size or 0):
        words["Size"] = launch.gibibytes(spec.size)
    anew = "class" in fields and spec.class_ is not None and spec.class_ not in now.settings.get("class", ())
    if anew:
        words["VolumeType"] = spec.class_
    if spec.iops is not None and (anew or ("iops" in fields and spec.iops != now.iops)):
        words["Iops"] = spec.iops
    if spec.throughput is not None and (anew or ("throughput" in fields and spec.throughput != now.throughput)):
        words["Throughput"] = _mebibytes(spec.throughput)
    return words


@lru_cache(maxsize=1024)
def _settings(zone: str, kind: str | None, key: str | None) -> Mapping[str, Known]:
    """``Volume.settings``, shared by all that have the same. A key is known by its ARN and its id."""
    return {
        "class": (kind,) if kind else (),
        ZONE: (zone,),
        KEY: (key, key.rpartition("/")[2]) if key else (),
    }


def _machine(attachment: Mapping[str, Any]) -> str:
    """The instance, or the service of AWS that has one of its own."""
    return str(attachment.get("InstanceId") or attachment.get("AssociatedResource") or "a service of AWS")


def _mebibytes(throughput: int) -> int:
    return -(-throughput // MIB)
