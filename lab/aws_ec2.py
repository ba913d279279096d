"""What moto's EC2 leaves out and the lab needs: states that take time, late visibility, client tokens, merged disks.

moto is one process with global state, and its classes are created by itself; so its methods are wrapped in place, once,
by ``Extensions.install``. All requests are served one at a time (see ``lab.aws_server``), so nothing here locks.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from moto.core import responses
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import method_names_from_class
from moto.ec2.models import instances as instance_models
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend, Zone
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation
from moto.ec2.responses import instances as instance_responses
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, filter_dict_attribute_mapping, filter_reservations, parse_user_data

from lab import aws_profiles, aws_types
from lab.aws_groups import Groups
from lab.aws_images import Images
from lab.aws_interfaces import Interfaces
from lab.aws_networks import Networks
from lab.aws_pages import Pages
from lab.aws_rules import Birth, ClientTokens, Refusal, Tuning
from lab.aws_snapshots import Snapshots
from lab.aws_volumes import Volumes
from lab.aws_wrap import around, install, wrap

_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_ON_THE_WAY = {"running": "pending", "stopped": "stopping", "terminated": "shutting-down"}
#: Attributes that EC2 changes on a stopped instance only.
_COLD_ATTRIBUTES = {"instance_type", "user_data", "kernel", "ramdisk", "ebs_optimized"}
_RUN_STATE = "RunInstances.Reservation.Instances.Instance.State"


class ClockedState:
    """An instance's state: a goal, reached ``transition_seconds`` after it was set."""

    def __init__(self, tuning: Tuning, name: str = "running", _code: int = 16) -> None:
        self._tuning = tuning
        self._goal = ""
        self.name = name

    @property
    def name(self) -> str:
        """The state now, which is one on the way until the goal is reached."""
        return self._goal if time.monotonic() >= self._due else _ON_THE_WAY[self._goal]

    @name.setter
    def name(self, goal: str) -> None:
        if goal != self._goal:
            self._goal = goal
            self._due = time.monotonic() + self._tuning.transition_seconds

    @property
    def code(self) -> int:
        """EC2's number of the state."""
        return _CODES[self.name]

    @code.setter
    def code(self, _: int) -> None:
        """Set by moto next to the name, which decides."""


class Extensions:
    """The wrapped methods. One object a process; ``install`` once, before the first request."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._tokens = ClientTokens()
        self._born: dict[str, Birth] = {}
        self._requests = 0
        self._ended: dict[str, float] = {}
        self._instances: dict[str, Instance] = {}
        #: Whether the request being served sees instances that are still, or again, hidden from others.
        self.sees_all = False
        self._pages = Pages()
        self._interfaces = Interfaces(tuning, lambda: self._pages.changed("DetachNetworkInterface"))
        self._snapshots = Snapshots(tuning, lambda: self.sees_all)
        self._groups = Groups(tuning, lambda: self.sees_all)
        self._images = Images(tuning, lambda: self.sees_all)
        self._networks = Networks(tuning, lambda: self.sees_all)
        self._volumes = Volumes(tuning, lambda: self._pages.changed("DetachVolume"), lambda: self.sees_all)

    def install(self) -> None:
        """Wrap moto's methods."""
        aws_profiles.install()
        self._interfaces.install()
        self._snapshots.install()
        self._groups.install()
        self._images.install()
        self._networks.install()
        self._volumes.install()
        install(self)
        wrap(InstanceResponse, "run_instances", self._once("RunInstances"))
        wrap(InstanceResponse, "describe_instances", self._pages.describe)
        wrap(InstanceResponse, "_parse_block_device_mapping", _merged_disks)
        wrap(ElasticBlockStore, "create_volume", self._once("CreateVolume"))
        wrap(AmisResponse, "copy_image", self._once("CopyImage"))
        wrap(ElasticNetworkInterfaces, "create_network_interface", self._once("CreateNetworkInterface"))
        wrap(TaggedEC2Resource, "get_tags", _tags_of)
        mock.patch.object(instance_models, "InstanceState", lambda *given: ClockedState(self._tuning, *given)).start()
        mock.patch.object(instance_responses, "parse_user_data", _user_data).start()
        mock.patch.object(responses, "method_names_from_class", functools.cache(method_names_from_class)).start()
        EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER[_RUN_STATE] = lambda state: state
        filter_dict_attribute_mapping["client-token"] = "client_token"

    @around(RegionsAndZonesBackend, "describe_availability_zones")
    def _zones(self, original: Callable[..., list[Zone]], backend: Any, *given: Any, **wanted: Any) -> list[Zone]:
        zones = [copy.copy(zone) for zone in original(backend, *given, **wanted)]
        for zone in zones:
            zone.state = self._tuning.zone_states.get(zone.name, zone.state)
        return zones

    # ------------------------------------------------------------- visibility

    def settle(self, backend: Any) -> None:
        """Ends what has had its time. Called before each request is served."""
        self._requests += 1
        self._interfaces.settle()
        self._snapshots.settle(backend)
        self._groups.settle()
        self._images.settle(backend)
        self._networks.settle()
        self._volumes.settle(backend)

    def changed(self, action: str) -> None:
        """Note an action that was answered, since described instances are kept until one changes them."""
        self._pages.changed(action)

    def hidden(self, instance_id: str) -> bool:
        """Whether the request being served does not know this instance yet, or no longer."""
        if self.sees_all:
            return False
        now = time.monotonic()
        if instance_id in self._ended:
            return now - self._ended[instance_id] > self._tuning.terminated_seconds
        birth = self._born.get(instance_id)
        return birth is not None and birth.hidden(now, self._tuning, self._requests)

    def denied(self, name: str) -> str | None:
        """What EC2 says to a change of something that the request being served does not know yet; None: it does."""
        if self._volumes.hidden(name):
            return "InvalidVolume.NotFound"
        rest = (self._networks, self._images, self._groups, self._snapshots)
        return next((code for part in rest if (code := part.denied(name))), None)

    def knows(self, instance_id: str) -> bool:
        """Whether the request being served knows this instance."""
        return instance_id in self._instances and not self.hidden(instance_id)

    @around(InstanceBackend, "all_reservations")
    def _all_reservations(self, _: Callable[..., Any], backend: Any, filters: Any = None) -> list[Reservation]:
        found = []
        for reservation in backend.reservations.values():
            shown = [item for item in reservation.instances if not self.hidden(item.id)]
            if shown:
                # As copy.copy, which takes five times as long; ten thousand are copied for every page.
                view = Reservation.__new__(Reservation)
                view.__dict__.update(reservation.__dict__, instances=shown)
                found.append(view)
        return found if filters is None else filter_reservations(found, filters)

    @around(InstanceBackend, "get_instance")
    def _get_instance(self, original: Callable[..., Instance], backend: Any, instance_id: str) -> Instance:
        known = self._instances.get(instance_id)
        if known is not None and not self.hidden(instance_id):
            return known
        if known is None and backend.reservations:
            # A launch attaches disks to its instances before it returns them: they are in the newest reservation.
            newest = next(reversed(backend.reservations.values()))
            launched: Instance | None = next((item for item in newest.instances if item.id == instance_id), None)
            if launched is not None:
                return launched
        return original(backend, instance_id)

    # --------------------------------------------------------------- creation

    @around(InstanceBackend, "run_instances")
    def _run(self, original: Callable[..., Reservation], backend: Any, *given: Any, **wanted: Any) -> Reservation:
        if not wanted.get("launch_template"):
            aws_types.check(wanted["instance_type"], wanted["region_name"])
            wanted["is_instance_type_default"] = True  # checked above; moto goes through all offerings again
        key = wanted.get("key_name")
        if key and key not in backend.key_pairs:
            raise Refusal("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
        alive = [item.instance_type for item in self._instances.values() if item.id not in self._ended]
        kind, zone = wanted["instance_type"], _zone(backend, wanted)
        aws_types.check_capacity(self._tuning, zone, alive, [kind] * int(given[1]))
        tags = (wanted.get("tags") or {}).get("network-interface", {})
        before = len(backend.reservations)
        saw_all, self.sees_all = self.sees_all, True  # the launch itself attaches disks to its instance
        try:
            made = original(backend, *given, **wanted)
        except BaseException:
            for half_made in [*backend.reservations][before:]:
                del backend.reservations[half_made]
            raise
        finally:
            self.sees_all = saw_all
        for instance in made.instances:
            self._born[instance.id] = Birth(len(self._born), time.monotonic())
            self._instances[instance.id] = instance
            _inherit(instance, backend.amis.get(instance.image_id))
            self._interfaces.launched(instance, wanted["nics"], tags)
        return made

    def _once(self, action: str) -> Callable[..., ActionResult]:
        def wrapped(original: Callable[..., ActionResult], response: EC2BaseResponse) -> ActionResult:
            parameters = dict(response.params)
            token = parameters.pop("ClientToken", None)
            if token is None or parameters.get("DryRun"):
                return original(response)
            fingerprint = repr(sorted(parameters.items()))
            made = self._tokens.known(action, token, fingerprint)
            if isinstance(made, Reservation):
                made = self._still_known(made, action, token)
            if made is not None:
                return ActionResult(made)
            result = original(response)
            self._tokens.remember(action, token, fingerprint, result.result)
            return result

        return wrapped

    def _still_known(self, made: Reservation, action: str, token: str) -> Reservation | None:
        ended = [self._ended[item.id] for item in made.instances if item.id in self._ended]
        if len(ended) < len(made.instances):
            return made
        if time.monotonic() - max(ended) > self._tuning.terminated_seconds:
            self._tokens.forget(action, token)
            return None
        if self._tuning.refuse_terminated_token:
            raise Refusal("IdempotentInstanceTerminated", "The client token names a terminated instance.")
        return made

    # ------------------------------------------------------------------ power

    @staticmethod
    @around(Instance, "start")
    def _start(original: Callable[..., Any], instance: Instance) -> Any:
        if instance.state in {"pending", "running"}:
            return copy.copy(instance.instance_state)
        if instance.state != "stopped":
            raise _incorrect_state(f"The instance '{instance.id}' is not in a state from which it can be started.")
        return original(instance)

    @staticmethod
    @around(Instance, "stop")
    def _stop(original: Callable[..., Any], instance: Instance) -> Any:
        if instance.state in {"stopping", "stopped"}:
            return copy.copy(instance.instance_state)
        if instance.state != "running":
            raise _incorrect_state(f"The instance '{instance.id}' is not in a state from which it can be stopped.")
        return original(instance)

    @around(Instance, "terminate")
    def _terminate(self, original: Callable[..., Any], instance: Instance) -> Any:
        if instance.id in self._ended:
            return copy.copy(instance.instance_state)
        self._volumes.ended(instance)
        before = self._interfaces.ended(instance, lambda: original(instance))
        self._ended[instance.id] = time.monotonic()
        return before

    @around(InstanceBackend, "modify_instance_attribute")
    def _modify(self, original: Callable[..., Instance], backend: Any, instance_id: str, key: str, value: Any) -> Any:
        instance = self._get_instance(backend.get_instance, backend, instance_id)
        if key in _COLD_ATTRIBUTES and instance.state != "stopped":
            raise _incorrect_state(f"The instance '{instance_id}' is not in the 'stopped' state.")
        if key == "instance_type" and value not in INSTANCE_TYPES:
            raise Refusal("InvalidInstanceAttributeValue", f"Invalid value '{value}' for InstanceType.")
        return original(backend, instance_id, key, value)


def _inherit(instance: Any, image: Any) -> None:
    """What an instance shows of its image, beside what moto has it show."""
    instance.boot_mode, instance.ena_support = getattr(image, "boot_mode", None), getattr(image, "ena_support", None)
    instance.usage_operation, instance.platform_details = "RunInstances", "Linux/UNIX"


def _user_data(value: Any) -> Base64EncodedString | None:
    """User data as it was sent. That of ModifyInstanceAttribute has been decoded when it comes here."""
    return Base64EncodedString.from_raw_bytes(value) if isinstance(value, bytes) else parse_user_data(value)


def _incorrect_state(message: str) -> Refusal:
    return Refusal("IncorrectInstanceState", message)


def _zone(backend: Any, wanted: dict[str, Any]) -> str:
    """The zone that a launch asks for; empty where it leaves it open."""
    subnet_id = wanted.get("subnet_id")
    subnet_id = subnet_id or next((nic["SubnetId"] for nic in wanted["nics"] if "SubnetId" in nic), None)
    return str(backend.get_subnet(subnet_id).availability_zone if subnet_id else wanted.get("placement") or "")


def _tags_of(_: Callable[..., Any], resource: Any) -> list[dict[str, str]]:
    """A resource's tags by its id; moto searches all tags of the account with a regular expression."""
    kind = EC2_PREFIX_TO_RESOURCE.get(str(resource.id).rpartition("-")[0], "")
    tags = resource.ec2_backend.tags.get(resource.id, {})
    return [
        {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind} for key, value in tags.items()
    ]


def _merged_disks(original: Callable[..., list[dict[str, Any]]], response: Any) -> list[dict[str, Any]]:
    """The image's disks, overridden and extended by those of the request. Refusal for one smaller than its snapshot."""
    image = response.ec2_backend.amis.get(response.params.get("ImageId"))
    if image is None:
        return original(response)
    disks = {disk["DeviceName"]: dict(disk["Ebs"]) for disk in image.block_device_mappings}
    for given in response.params.get("BlockDeviceMappings", []):
        if "NoDevice" in given:
            disks.pop(given["DeviceName"], None)
        else:
            disks.setdefault(given["DeviceName"], {}).update(given.get("Ebs", {}))
    response.params["BlockDeviceMappings"] = [{"DeviceName": name, "Ebs": disk} for name, disk in disks.items()]
    merged = original(response)
    for disk in merged:
        size, snapshot = disk["Ebs"]["VolumeSize"], response.ec2_backend.snapshots.get(disk["Ebs"]["SnapshotId"])
        if size and snapshot is not None and int(size) < snapshot.volume_size:
            raise Refusal(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{snapshot.id}', expect size"
                f" >= {snapshot.volume_size}GB",
            )
    return merged
