"""AMIs: what EC2 shows as the core's images, and what an image's spec means in EC2's words. Pure.

Source: EC2 API Reference, DescribeImages, CopyImage, CreateImage, ImportImage, RegisterImage.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.identity import PREFIX, Marker
from hybridge.core.image import Copy, Download, Find, Image, ImageSpec, Published, Stored
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.mapping import NAME, RESERVED
from hybridge.drivers.aws.offers import GIB

COPY, PUBLISH, IMPORT, REGISTER = "CopyImage", "CreateImage", "ImportImage", "RegisterImage"
#: Key of the intent's parameters that names the call; every other one but the tags is a word of that.
CALL = "Call"
DISKS = "BlockDeviceMappings"
SELF = "self"

_STATES = {
    "pending": State.PENDING,
    "transient": State.PENDING,
    "available": State.READY,
    "disabled": State.READY,
    "failed": State.FAILED,
    "error": State.FAILED,
    "invalid": State.FAILED,
    "deregistered": State.GONE,
}
#: How images are named that ImportImage makes: it knows no other name.
_IMPORTED = "import-ami-"
_OWNER = re.compile(r"\d{12}|self|amazon|aws-marketplace|aws-backup-vault")
_NAME = re.compile(r"[-A-Za-z0-9()\[\] ./'@_]{3,128}")
_WILDCARD = re.compile(r"([?\\])")
#: What the calls make and mark: of the snapshots that it is given, RegisterImage makes none its own.
_MARKED = {
    COPY: ("image", "snapshot"),
    PUBLISH: ("image", "snapshot"),
    IMPORT: ("import-image-task",),
    REGISTER: ("image",),
}
#: Tag of an image that was made of snapshots which are not its own.
BORROWED = f"{PREFIX}snapshot"


def image(found: Mapping[str, Any], account: str) -> Image:
    """One image of DescribeImages; ``account`` is the number of our own."""
    tags = mapping.pairs(found.get("Tags", []))
    owner, alias = found.get("OwnerId", ""), found.get("ImageOwnerAlias", "")
    own = bool(owner) and owner == account
    name, state = found.get("Name", ""), found["State"]
    protection = found.get("DeregistrationProtection", "")
    return Image(
        id=found["ImageId"],
        name=tags.get(NAME, name) if name.startswith(_IMPORTED) else name,
        state=_STATES.get(state, State.UNKNOWN),
        marker=Marker.read(tags) if own else None,
        tags={key: value for key, value in tags.items() if key != NAME and not key.startswith((PREFIX, RESERVED))},
        ended=found.get("StateReason", {}).get("Message", "") if _STATES.get(state) is State.FAILED else "",
        unfit="it is disabled in EC2" if state == "disabled" else "",
        protection="it has deregistration protection in EC2; take it off there" if _protects(protection) else "",
        created_at=_moment(found.get("CreationDate", "")),
        size=sum(size for _, size in _volumes(found)) * GIB or None,
        architecture=found.get("Architecture") or None,
        owner=tuple(word for word in (owner, alias, SELF if own else "") if word),
    )


def exists(found: Mapping[str, Any]) -> bool:
    """Whether it is one: EC2 may show for a while what was deregistered."""
    return _STATES.get(found["State"]) is not State.GONE


def snapshots(found: Mapping[str, Any]) -> list[str]:
    """The ids of the snapshots of which an image consists."""
    return [known for known, _ in _volumes(found) if known]


def own_snapshots(found: Mapping[str, Any]) -> list[str]:
    """Those of them that may be the image's own."""
    return [] if BORROWED in mapping.pairs(found.get("Tags", [])) else snapshots(found)


def check(spec: ImageSpec) -> None:
    """Refused when the spec asks for what EC2 does not have; it names the field."""
    launch.check_known("spec.placement", spec.placement, ())
    launch.check_tags(spec)
    if isinstance(spec.source, Download):
        raise Refused(
            Reason.UNSUPPORTED, "spec.source.url: EC2 downloads no files; put it into S3 and give it as spec.source.s3"
        )
    if spec.source is not None and not _NAME.fullmatch(spec.name):
        raise Refused(
            Reason.INVALID_SPEC, f"spec.name: {spec.name!r} is no name of an AMI: 3 to 128 of A-Z a-z 0-9 ()[] ./-'@_"
        )
    if spec.find is None:
        return
    if spec.find.owner is None:
        raise Refused(
            Reason.INVALID_SPEC,
            "spec.source.find.owner is needed on EC2, where anybody can publish an image under any name: self, amazon or the"
            " number of an account",
        )
    if not _OWNER.fullmatch(spec.find.owner):
        raise Refused(
            Reason.INVALID_SPEC,
            f"spec.source.find.owner: {spec.find.owner} is neither self, amazon nor an account's number",
        )


def search(find: Find) -> dict[str, Any]:
    """The words of DescribeImages that find what may be meant. Pure names have no wildcard but the star."""
    pattern = _WILDCARD.sub(r"\\\1", find.name)
    words: dict[str, Any] = {"Filters": [{"Name": "name", "Values": [pattern]}]}
    return {**words, "Owners": [find.owner]} if find.owner else words


def parameters(spec: ImageSpec, region: str) -> dict[str, Any]:
    """The words of the call but for the token, the name and the marker, as JSON values. Refused (INVALID_SPEC)."""
    tags = {launch.TAGS: dict(spec.tags)}
    match spec.source:
        case Copy(id=known, region=given):
            return {CALL: COPY, "SourceImageId": known, "SourceRegion": given or region, **tags}
        case Stored(bucket=bucket, key=key, format=kind):
            disk = {"Format": kind, "UserBucket": {"S3Bucket": bucket, "S3Key": key}}
            return {CALL: IMPORT, "DiskContainers": [disk], **tags}
        case Published(machine=machine, machine_id=known):
            if known is None:
                raise CloudError(
                    Reason.DEPENDENCY_NOT_READY,
                    f"VirtualMachine {machine} has no instance yet",
                    disposition=Disposition.WAIT,
                )
            return {CALL: PUBLISH, "InstanceId": known, "NoReboot": not spec.disruption, **tags}
    raise Refused(
        Reason.INVALID_SPEC, "spec.source is needed to make an image: copy, s3, virtualMachineRef or snapshotRef"
    )


def registration(spec: ImageSpec, snapshot_id: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The same of RegisterImage, for which ``words`` were found out."""
    return {CALL: REGISTER, **words, BORROWED: snapshot_id, launch.TAGS: dict(spec.tags)}


def without(devices: Collection[str]) -> dict[str, Any]:
    """The words of CreateImage that leave these disks of the instance out."""
    return {DISKS: [{"DeviceName": one, "NoDevice": ""} for one in devices]} if devices else {}


def left_out(words: Mapping[str, object]) -> set[str]:
    """The disks that these words leave out."""
    given = words.get(DISKS, ())
    assert isinstance(given, Sequence)
    return {one["DeviceName"] for one in given if "NoDevice" in one}


def request(intent: Intent, marker: Marker) -> tuple[str, dict[str, Any]]:
    """The call of this intent and all its words: the same every time, as its token demands.

    What ImportImage makes gets no tags of its own, only its task does, which is known by its description.
    """
    made = dict(intent.parameters)
    call, given = str(made.pop(CALL)), made.pop(launch.TAGS, {})
    assert isinstance(given, Mapping)
    besides = {BORROWED: str(made.pop(BORROWED))} if BORROWED in made else {}
    tags = marks(intent, {**given, **besides}, marker)
    made["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in _MARKED[call]]
    if call == IMPORT:
        return call, {**made, "ClientToken": intent.token, "Description": intent.token}
    if call == COPY:
        made["ClientToken"] = intent.token
    return call, {**made, "Name": intent.name}


def marks(intent: Intent, given: Mapping[str, str], marker: Marker) -> list[dict[str, str]]:
    """The tags of what this intent makes."""
    return mapping.words({**given, NAME: intent.name, **marker.pairs()})


def made(image_id: str, intent: Intent, marker: Marker) -> Image:
    """The image that a call has just begun."""
    return Image(image_id, intent.name, State.PENDING, marker=marker, owner=(SELF,))


def with_progress(shown: Image, percents: list[int]) -> Image:
    """The image with how far its snapshots are."""
    return replace(shown, progress=sum(percents) // len(percents)) if percents else shown


def percent(text: str) -> int:
    """EC2's progress, such as ``28`` or ``28%``; what cannot be read is nothing."""
    digits = text.strip().rstrip("%")
    return min(int(digits), 100) if digits.isdecimal() and len(digits) < 9 else 0


def _volumes(found: Mapping[str, Any]) -> list[tuple[str, int]]:
    disks = [one["Ebs"] for one in found.get("BlockDeviceMappings", []) if "Ebs" in one]
    return [(disk.get("SnapshotId", ""), disk.get("VolumeSize", 0)) for disk in disks]


def _protects(word: str) -> bool:
    return word.startswith("enabled")


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
