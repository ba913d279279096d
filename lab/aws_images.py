"""AMIs of the lab's EC2, in what moto leaves out.

Making takes its time and can be told to fail, names are had once, tags come with the call, what is imported is named by its
task and has no tags, what was deregistered is not listed, what is disabled on request alone, lists have pages, and what is
new may not be shown yet. Requests are served one at a time. Source: EC2 API Reference, CopyImage, CreateImage,
DeregisterImage, DescribeImages, ImportImage, RegisterImage.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses.amis import AmisResponse

from lab.aws_estate import IMAGE_GIB, LabImage
from lab.aws_rules import Birth, Refusal, Tuning
from lab.aws_wrap import around, install

_PAGE = 1000
_MISSING, _GONE = "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"
#: State of an image that is only shown on request.
_DISABLED = "disabled"
#: A filter of DescribeImages that moto does not have.
_OF = "block-device-mapping.snapshot-id"
#: An object of this key is no image.
BROKEN = "broken"


@dataclass(slots=True)
class Import:
    """A task of ImportImage."""

    id: str
    description: str
    tags: list[dict[str, str]]
    due: float
    failed: bool
    image: str | None = field(default=None)

    def shown(self) -> dict[str, Any]:
        """As EC2 describes it."""
        common = {"ImportTaskId": self.id, "Description": self.description, "Tags": self.tags}
        if self.image:
            return {**common, "Status": "completed", "ImageId": self.image}
        if self.failed and self.due <= time.monotonic():
            return {**common, "Status": "deleted", "StatusMessage": "ClientError: Disk validation failed"}
        return {**common, "Status": "active", "Progress": "28", "StatusMessage": "converting"}


class Images:
    """The wrapped methods. ``sees_all`` says whether the request being served sees what is hidden from others."""

    def __init__(self, tuning: Tuning, sees_all: Callable[[], bool]) -> None:
        self._tuning = tuning
        self._sees_all = sees_all
        self._requests = 0
        self._born: dict[str, Birth] = {}
        self._making: dict[str, float] = {}
        self._imports: dict[str, Import] = {}

    def install(self) -> None:
        """Wrap moto's methods, and add those that it lacks."""
        install(self)
        for name, method in (
            ("import_image", self._import),
            ("describe_import_image_tasks", self._tasks),
            ("disable_image", _disable),
        ):
            mock.patch.object(AmisResponse, name, _answering(method), create=True).start()

    def settle(self, backend: Any) -> None:
        """Ends what has had its time. Called before each request."""
        self._requests += 1
        now = time.monotonic()
        for known in [one for one, due in self._making.items() if due <= now]:
            del self._making[known]
            if known in backend.amis:
                backend.amis[known].state = "available"
        for task in self._imports.values():
            if task.image is None and not task.failed and task.due <= now:
                made = Ami(backend, f"ami-{uuid.uuid4().hex[:17]}", name=task.id, architecture="x86_64")
                backend.amis[made.id] = _made(made, IMAGE_GIB, "/dev/sda1")
                task.image = made.id

    def denied(self, one: str) -> str | None:
        """What EC2 says of it while it is hidden."""
        return _MISSING if self._hidden(one) else None

    def _hidden(self, one: str) -> bool:
        birth = self._born.get(one)
        now = time.monotonic()
        return birth is not None and not self._sees_all() and birth.hidden(now, self._tuning, self._requests)

    # ------------------------------------------------------------------- lists

    @around(AmisResponse, "describe_images")
    def _describe(self, original: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        wanted = response.params.get("ImageIds", [])
        for one in wanted:
            if self._hidden(one):
                raise Refusal(_MISSING, f"The image id '[{one}]' does not exist")
        filters = response.params.get("Filters", [])
        needed = {part for one in filters if one["Name"] == _OF for part in one["Values"]}
        response.params["Filters"] = [one for one in filters if one["Name"] != _OF]
        answer: Any = original(response).result
        disabled = str(response.params.get("IncludeDisabled", "")).lower() == "true"
        found = [
            one
            for one in answer["Images"]
            if not self._hidden(one.id) and _needs(one, needed) and (disabled or one.state != _DISABLED)
        ]
        start = int(response.params.get("NextToken") or 0)
        end = start + min(int(response.params.get("MaxResults") or _PAGE), _PAGE)
        page: dict[str, Any] = {"Images": found[start:end]}
        if end < len(found):
            page["NextToken"] = str(end)
        return ActionResult(page)

    @staticmethod
    @around(AmisResponse, "describe_image_attribute")
    def _attribute(original: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        backend, known = response.ec2_backend, response.params["ImageId"]
        if known not in backend.amis:
            code = _GONE if known in backend.deleted_amis else _MISSING
            raise Refusal(code, f"The AMI ID '{known}' is no longer available")
        return original(response)

    # ------------------------------------------------------------------ making

    @around(AmisResponse, "create_image")
    def _create(self, _: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        words, backend = response.params, response.ec2_backend
        instance = backend.get_instance(words["InstanceId"])
        _is_free(backend, words["Name"])
        if instance.state not in {"running", "stopped"}:
            raise Refusal("IncorrectState", f"Instance '{instance.id}' is not in a state from which it can be imaged.")
        without = {one["DeviceName"] for one in words.get("BlockDeviceMappings", []) if "NoDevice" in one}
        root = instance.root_device_name
        if root in without:
            raise Refusal("InvalidBlockDeviceMapping", f"The root device {root} cannot be left out.")
        made = backend.create_image(instance.id, words["Name"], words.get("Description", ""), [])
        volumes = {device: backend.volumes[block.volume_id] for device, block in instance.get_block_device_mapping}
        image = _made(made, volumes.pop(root).size, root)
        image.further = {
            device: backend.create_snapshot(volume.id, image.ebs_snapshot.description, from_ami=image.id)
            for device, volume in volumes.items()
            if device not in without
        }
        return self._begun(_tagged(image, words.get("TagSpecifications", [])))

    @around(AmisResponse, "copy_image")
    def _copy(self, _: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        words, backend = response.params, response.ec2_backend
        source = backend.amis.get(words["SourceImageId"])
        if source is None:
            raise Refusal(_MISSING, f"The image id '[{words['SourceImageId']}]' does not exist")
        if source.state != "available":
            raise Refusal("InvalidAMIID.Unavailable", f"The image {source.id} is not available")
        _is_free(backend, words["Name"])
        made = backend.copy_image(source.id, words["SourceRegion"], words["Name"], words.get("Description"))
        size = source.block_device_mappings[0]["Ebs"]["VolumeSize"]
        image = _made(made, size, source.root_device_name)
        image.further = {device: _copied(backend, image, part) for device, part in source.further.items()}
        return self._begun(_tagged(image, words.get("TagSpecifications", [])))

    @around(AmisResponse, "register_image")
    def _register(self, _: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        words, backend = response.params, response.ec2_backend
        _is_free(backend, words["Name"])
        root = words.get("RootDeviceName", "")
        disks = {one["DeviceName"]: one["Ebs"] for one in words.get("BlockDeviceMappings", [])}
        if root not in disks:
            raise Refusal("InvalidBlockDeviceMapping", f"The root device {root} is not among the devices.")
        parts = {device: _whole(backend, disk["SnapshotId"]) for device, disk in disks.items()}
        tags = words.get("TagSpecifications", [])
        if any(one["ResourceType"] != "image" for one in tags):
            raise Refusal("InvalidParameterValue", "Only the image can be tagged.")
        made = backend.register_image(words["Name"], words.get("Description", ""))
        image = _made(made, parts[root].volume_size, root)
        del backend.snapshots[image.ebs_snapshot.id]  # moto takes one for each image
        image.ebs_snapshot = parts.pop(root)
        image.further = parts
        image.architecture = words.get("Architecture", "i386")
        image.virtualization_type = words.get("VirtualizationType", "paravirtual")
        image.boot_mode = words.get("BootMode")
        image.ena_support = str(words.get("EnaSupport", "")).lower() == "true"
        return self._begun(_tagged(image, tags))

    def _begun(self, made: LabImage) -> ActionResult:
        self._born[made.id] = Birth(len(self._born), time.monotonic())
        if self._tuning.transition_seconds:
            made.state = "pending"
            self._making[made.id] = time.monotonic() + self._tuning.transition_seconds
        return ActionResult({"ImageId": made.id})

    # ----------------------------------------------------------------- from S3

    def _import(self, response: AmisResponse) -> ActionResult:
        words = response.params
        (disk,) = words["DiskContainers"]
        token = words.get("ClientToken", "")
        known = self._imports.get(token)
        if known is None:
            tags = [tag for one in words.get("TagSpecifications", []) for tag in one.get("Tags", [])]
            due = time.monotonic() + self._tuning.transition_seconds
            failed = BROKEN in disk["UserBucket"]["S3Key"]
            name = f"import-ami-{uuid.uuid4().hex[:17]}"
            known = Import(name, words.get("Description", ""), tags, due, failed)
            self._imports[token or name] = known
        return ActionResult(known.shown())

    def _tasks(self, _: AmisResponse) -> ActionResult:
        return ActionResult({"ImportImageTasks": [one.shown() for one in self._imports.values()]})

    # ---------------------------------------------------------------- deletion

    @staticmethod
    @around(EBSBackend, "delete_snapshot")
    def _delete(original: Callable[..., Snapshot], backend: Any, snapshot_id: str) -> Snapshot:
        user = next((one.id for one in backend.amis.values() if _needs(one, {snapshot_id})), None)
        if user is not None:
            raise Refusal("InvalidSnapshot.InUse", f"The snapshot {snapshot_id} is currently in use by {user}")
        return original(backend, snapshot_id)

    @around(AmisResponse, "deregister_image")
    def _deregister(self, original: Callable[..., ActionResult], response: AmisResponse) -> ActionResult:
        backend, known = response.ec2_backend, response.params["ImageId"]
        image = backend.amis.get(known)
        result = original(response)
        if image is None or str(response.params.get("DeleteAssociatedSnapshots", "")).lower() != "true":
            return result
        used = {part.id for one in backend.amis.values() for part in one.parts.values()}
        codes = {
            part.id: "skipped" if part.id in used else self._tuning.snapshots_kept or "success"
            for part in image.parts.values()
        }
        for part, code in codes.items():
            if code == "success":
                backend.snapshots.pop(part, None)
        told = [{"SnapshotId": part, "ReturnCode": code} for part, code in codes.items()]
        return ActionResult({"Return": True, "DeleteSnapshotResults": told})


def _answering(method: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def answer(response: Any) -> ActionResult:
        return method(response)

    return answer


def _disable(response: AmisResponse) -> ActionResult:
    response.ec2_backend.amis[response.params["ImageId"]].state = _DISABLED
    return ActionResult({"Return": True})


def _needs(image: LabImage, snapshots: Collection[str]) -> bool:
    """Whether an image consists of one of these, where any are named."""
    return not snapshots or any(part.id in snapshots for part in image.parts.values())


def _whole(backend: Any, snapshot_id: str) -> Snapshot:
    found: Snapshot | None = backend.snapshots.get(snapshot_id)
    if found is None:
        raise Refusal("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
    if found.status != "completed":
        raise Refusal("IncorrectState", f"The snapshot {snapshot_id} is {found.status}.")
    return found


def _is_free(backend: Any, name: str) -> None:
    if any(one.name == name for one in backend.amis.values()):
        raise Refusal("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI")


def _made(image: Ami, size: int, root: str) -> LabImage:
    """An image as those that the account has at first."""
    image.__class__ = LabImage
    assert isinstance(image, LabImage)
    image.ebs_snapshot.volume.size = size
    image.root_device_type, image.root_device_name = "ebs", root
    image.virtualization_type, image.hypervisor, image.architecture = "hvm", "xen", "x86_64"
    return image


def _copied(backend: Any, image: Ami, part: Snapshot) -> Snapshot:
    """A snapshot for an image, as there is one for another."""
    made: Snapshot = backend.copy_snapshot(part.id, backend.region_name, f"Copied for DestinationAmi {image.id}", None)
    made.from_ami = image.id
    return made


def _tagged(image: LabImage, specifications: Sequence[Mapping[str, Any]]) -> LabImage:
    parts: dict[str, Sequence[Ami | Snapshot]] = {"image": [image], "snapshot": [*image.parts.values()]}
    for one in specifications:
        tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
        if one["ResourceType"] not in parts:
            raise Refusal("InvalidParameterValue", f"'{one['ResourceType']}' is not a valid taggable resource type.")
        for part in parts[one["ResourceType"]]:
            part.add_tags(tags)
    return image
