"""EBS volumes of the lab's EC2, in what moto leaves out.

Making, attaching, detaching, changing and deleting take their time; zones, devices, states, sizes and types have to fit;
lists have pages. Requests are served one at a time. Source: EC2 API Reference; Amazon EBS User Guide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend, Volume, VolumeAttachment, VolumeModification
from moto.ec2.models.instances import Instance
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from lab.aws_rules import Birth, Refusal, Tuning
from lab.aws_wrap import around, install

#: Least and greatest GiB of each type.
_SIZES = {
    "gp2": (1, 16384),
    "gp3": (1, 65536),
    "io1": (4, 16384),
    "io2": (4, 65536),
    "st1": (125, 16384),
    "sc1": (125, 16384),
    "standard": (1, 1024),
}
_GP3 = {"iops": 3000, "throughput": 125}
#: Most volumes of an instance, the one that it boots from included.
_MOST = 28
_PAGE = 500
_ATTACHABLE = {"running", "stopped", "stopping"}


@dataclass(slots=True)
class Change:
    """A modification on its way: when it takes effect, and what it brings."""

    due: float
    values: dict[str, Any]
    modification: VolumeModification


class Volumes:
    """The wrapped methods. ``changed`` is told when an instance shows something else without a request; ``sees_all`` says
    whether the request being served sees what is hidden from others.
    """

    def __init__(self, tuning: Tuning, changed: Callable[[], None], sees_all: Callable[[], bool]) -> None:
        self._tuning = tuning
        self._changed = changed
        self._sees_all = sees_all
        self._requests = 0
        self._born: dict[str, Birth] = {}
        self._coming: dict[str, float] = {}
        self._leaving: dict[str, tuple[VolumeAttachment, float]] = {}
        self._making: dict[str, float] = {}
        self._going: dict[str, float] = {}
        self._changes: dict[str, Change] = {}
        self._changed_at: dict[str, float] = {}

    def install(self) -> None:
        """Wrap moto's methods."""
        install(self)
        mock.patch.object(Volume, "status", property(self._status)).start()
        mock.patch.object(VolumeModification, "modification_state", property(self._modification_state)).start()
        mock.patch.object(VolumeModification, "progress", property(self._progress)).start()

    def settle(self, backend: Any) -> None:
        """Ends what has had its time. Called before each request."""
        now = time.monotonic()
        self._requests += 1
        for volume_id in [one for one, due in self._coming.items() if due <= now]:
            del self._coming[volume_id]
            attachment = backend.volumes[volume_id].attachment if volume_id in backend.volumes else None
            if attachment is not None:
                attachment.status = "attached"
                self._show(attachment.instance, attachment.device, "in-use")
        for volume_id in [one for one, (_, due) in self._leaving.items() if due <= now]:
            attachment, _ = self._leaving.pop(volume_id)
            if volume_id in backend.volumes and backend.volumes[volume_id].attachment is attachment:
                backend.volumes[volume_id].attachment = None
                attachment.instance.block_device_mapping.pop(attachment.device, None)
                self._changed()
        for volume_id in [one for one, due in self._going.items() if due <= now]:
            del self._going[volume_id]
            backend.volumes.pop(volume_id, None)
        for volume_id in [one for one, change in self._changes.items() if change.due <= now]:
            change = self._changes.pop(volume_id)
            for name, value in change.values.items():
                setattr(change.modification.volume, name, value)

    def hidden(self, volume_id: str) -> bool:
        """Whether the request being served does not know this volume yet."""
        birth = self._born.get(volume_id)
        return (
            birth is not None and not self._sees_all() and birth.hidden(time.monotonic(), self._tuning, self._requests)
        )

    # ------------------------------------------------------------------- shown

    def _status(self, volume: Volume) -> str:
        if volume.id in self._going:
            return "deleting"
        if volume.attachment is not None:
            return "in-use"
        return "creating" if self._making.get(volume.id, 0.0) > time.monotonic() else "available"

    def _modification_state(self, modification: VolumeModification) -> str:
        change = self._changes.get(modification.volume.id)
        return "modifying" if change is not None and change.modification is modification else "completed"

    def _progress(self, modification: VolumeModification) -> int:
        return 0 if self._modification_state(modification) == "modifying" else 100

    @around(ElasticBlockStore, "describe_volumes")
    def _describe(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        wanted = response.params.get("VolumeIds", [])
        for volume_id in wanted:
            if self.hidden(volume_id):
                raise Refusal("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        result: Any = original(response).result
        found = [volume for volume in result["Volumes"] if not self.hidden(volume.id)]
        if wanted:
            return ActionResult({"Volumes": found})
        start = int(response.params.get("NextToken") or 0)
        end = start + min(int(response.params.get("MaxResults") or _PAGE), _PAGE)
        page: dict[str, Any] = {"Volumes": found[start:end]}
        if end < len(found):
            page["NextToken"] = str(end)
        return ActionResult(page)

    # ------------------------------------------------------------------ making

    @around(ElasticBlockStore, "create_volume")
    def _make(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        words = response.params
        zone = words.get("AvailabilityZone")
        if zone is None or response.ec2_backend.get_zone_by_name(zone) is None:
            raise Refusal("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
        if self._tuning.zone_states.get(zone) == "unavailable":
            raise Refusal("InsufficientVolumeCapacity", f"There is not enough capacity in {zone}.", status=500)
        kind = words.setdefault("VolumeType", "gp2")
        snapshot = response.ec2_backend.snapshots.get(words.get("SnapshotId"))
        _fit(kind, int(words.get("Size") or (snapshot.volume_size if snapshot else 0)))
        if snapshot is not None and int(words.get("Size") or snapshot.volume_size) < snapshot.volume_size:
            raise Refusal("InvalidParameterValue", f"The size of a volume can't be less than that of {snapshot.id}.")
        if self._tuning.encrypt_volumes:
            words["Encrypted"] = "true"
        if str(words.get("Encrypted", "")).lower() == "true" and not words.get("KmsKeyId"):
            words["KmsKeyId"] = _key(response, "11111111-2222-3333-4444-555555555555")
        elif words.get("KmsKeyId"):
            words["KmsKeyId"] = _key(response, words["KmsKeyId"])
        result = original(response)
        volume: Any = result.result
        if kind == "gp3":
            volume.iops, volume.throughput = volume.iops or _GP3["iops"], volume.throughput or _GP3["throughput"]
        elif kind == "gp2":
            volume.iops = max(100, 3 * volume.size)
        self._making[volume.id] = time.monotonic() + self._tuning.transition_seconds
        self._born[volume.id] = Birth(len(self._born), time.monotonic())
        return result

    @around(ElasticBlockStore, "delete_volume")
    def _delete(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        volume = response.ec2_backend.get_volume(response.params["VolumeId"])
        if volume.attachment is not None:
            raise Refusal("VolumeInUse", f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}")
        if volume.id in self._going:
            raise Refusal("IncorrectState", f"The volume '{volume.id}' is being deleted.")
        if not self._tuning.transition_seconds:
            return original(response)
        self._going[volume.id] = time.monotonic() + self._tuning.transition_seconds
        return ActionResult({})

    @around(ElasticBlockStore, "modify_volume")
    def _modify(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        words = response.params
        volume = response.ec2_backend.get_volume(words["VolumeId"])
        now = time.monotonic()
        if volume.id in self._changes:
            raise Refusal(
                "IncorrectModificationState", f"Cannot modify volume in modification state MODIFYING: {volume.id}"
            )
        if (
            now - self._changed_at.get(volume.id, -self._tuning.modification_seconds)
            < self._tuning.modification_seconds
        ):
            raise Refusal(
                "VolumeModificationRateExceeded",
                "You've reached the maximum modification rate per volume limit. Wait at least 6 hours between"
                " modifications per EBS volume.",
            )
        size, kind = int(words.get("Size") or volume.size), words.get("VolumeType") or volume.volume_type
        if size < volume.size:
            raise Refusal("InvalidParameterValue", f"New size cannot be smaller than existing size {volume.size}")
        _fit(kind, size)
        if kind in {"io1", "io2"} and not (words.get("Iops") or volume.iops):
            raise Refusal("InvalidParameterCombination", f"The parameter iops must be specified for {kind} volumes.")
        if words.get("Iops") and kind not in {"gp3", "io1", "io2"}:
            raise Refusal("InvalidParameterCombination", f"The parameter iops is not supported for {kind} volumes.")
        if words.get("Throughput") and kind != "gp3":
            raise Refusal(
                "InvalidParameterCombination", f"The parameter throughput is not supported for {kind} volumes."
            )
        before = {name: getattr(volume, name) for name in ("size", "volume_type", "iops", "throughput")}
        result = original(response)
        after = {name: getattr(volume, name) for name in before} | _figures(kind, size, words, before)
        for name, value in before.items():
            setattr(volume, name, value)
        # Disks that came with their instance are changed at once.
        due = now + self._tuning.transition_seconds if volume.id in self._born else now
        self._changes[volume.id] = Change(due, after, volume.modifications[-1])
        self._changed_at[volume.id] = now
        self.settle(response.ec2_backend)
        return result

    # --------------------------------------------------------------- attaching

    @around(ElasticBlockStore, "attach_volume")
    def _attach(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        words, backend = response.params, response.ec2_backend
        volume, instance = backend.get_volume(words["VolumeId"]), backend.get_instance(words["InstanceId"])
        device = words.get("Device")
        if volume.attachment is not None:
            raise Refusal("VolumeInUse", f"{volume.id} is already attached to an instance")
        if volume.status != "available":
            raise Refusal("IncorrectState", f"{volume.id} is not 'available'.")
        if instance.state not in _ATTACHABLE:
            raise Refusal("IncorrectState", f"Instance '{instance.id}' is not 'running' or 'stopped'.")
        if volume.zone.name != instance.availability_zone:
            raise Refusal(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'",
            )
        if not device:
            raise Refusal("MissingParameter", "The request must contain the parameter device")
        if device in instance.block_device_mapping:
            raise Refusal(
                "InvalidParameterValue",
                f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
            )
        if len(instance.block_device_mapping) >= _MOST:
            raise Refusal(
                "AttachmentLimitExceeded", f"{instance.id} has {_MOST} volumes, which is the most it can have."
            )
        result = original(response)
        if instance.state == "running" and self._tuning.transition_seconds:
            attached: Any = volume.attachment
            attached.status = "attaching"
            self._coming[volume.id] = time.monotonic() + self._tuning.transition_seconds
            self._show(instance, device, "attaching")
        self._changed()
        return result

    @around(ElasticBlockStore, "detach_volume")
    def _detach(self, original: Callable[..., ActionResult], response: ElasticBlockStore) -> ActionResult:
        words, backend = response.params, response.ec2_backend
        volume = backend.get_volume(words["VolumeId"])
        attachment = volume.attachment
        if attachment is None or (words.get("InstanceId") or attachment.instance.id) != attachment.instance.id:
            raise Refusal("IncorrectState", f"Volume '{volume.id}' is in the '{volume.status}' state.")
        instance = attachment.instance
        if attachment.device == instance.root_device_name and instance.state != "stopped":
            raise Refusal("OperationNotPermitted", f"Unable to detach root volume '{volume.id}' from '{instance.id}'")
        if volume.id in self._leaving:
            raise Refusal("IncorrectState", f"Volume '{volume.id}' is in the 'detaching' state.")
        self._coming.pop(volume.id, None)
        if not self._tuning.transition_seconds:
            result = original(response)
            self._changed()
            return result
        attachment.status = "detaching"
        self._show(instance, attachment.device, "detaching")
        self._leaving[volume.id] = (attachment, time.monotonic() + self._tuning.transition_seconds)
        return ActionResult(
            {
                "VolumeId": volume.id,
                "InstanceId": instance.id,
                "Device": attachment.device,
                "State": "detaching",
                "AttachTime": attachment.attach_time,
            }
        )

    def ended(self, instance: Instance) -> None:
        """An instance is terminated: nothing comes to it any more, and what leaves it has left."""
        for block in instance.block_device_mapping.values():
            self._coming.pop(block.volume_id, None)
            self._leaving.pop(block.volume_id, None)

    def _show(self, instance: Instance, device: str, status: str) -> None:
        block = instance.block_device_mapping.get(device)
        if block is not None:
            block.status = status
            self._changed()

    @staticmethod
    @around(EBSBackend, "describe_volumes_modifications")
    def _modifications(original: Callable[..., list[VolumeModification]], backend: Any, **wanted: Any) -> Any:
        """The newest of each volume."""
        return [*{one.volume_id: one for one in original(backend, **wanted)}.values()]


def _fit(kind: str, gibibytes: int) -> None:
    if kind not in _SIZES:
        raise Refusal("UnknownVolumeType", f"Unsupported volume type '{kind}' for volume creation.")
    least, most = _SIZES[kind]
    if not least <= gibibytes <= most:
        raise Refusal(
            "InvalidParameterValue", f"Volume of {gibibytes}GiB is invalid; it must be between {least} and {most} GiB."
        )


def _figures(kind: str, size: int, words: Any, before: dict[str, Any]) -> dict[str, Any]:
    """What EBS gives a volume that asks for no figures."""
    iops, throughput = words.get("Iops"), words.get("Throughput")
    if kind == "gp3":
        kept = before["volume_type"] == "gp3"
        return {
            "iops": int(iops or (before["iops"] if kept else max(_GP3["iops"], before["iops"] or 0))),
            "throughput": int(throughput or (before["throughput"] if kept else 0) or _GP3["throughput"]),
        }
    if kind == "gp2":
        return {"iops": max(100, 3 * size), "throughput": None}
    return {"iops": int(iops or before["iops"]) if kind in {"io1", "io2"} else None, "throughput": None}


def _key(response: ElasticBlockStore, key: str) -> str:
    """The ARN of a key that is named by its id or ARN."""
    return key if key.startswith("arn:") else f"arn:aws:kms:{response.region}:{response.current_account}:key/{key}"
