"""Network interfaces of the lab's EC2, in what moto leaves out.

Detaching takes its time, the first interface stays, what is in use is not deleted, places and zones have to fit, groups
have to exist and belong to the interface, and what is marked so goes with its instance. Requests are served one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_network_interfaces import Attachment, NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces

from lab.aws_rules import Refusal, Tuning
from lab.aws_wrap import around, install


class Interfaces:
    """The wrapped methods. ``changed`` is told when an instance shows something else without a request."""

    def __init__(self, tuning: Tuning, changed: Callable[[], None]) -> None:
        self._tuning = tuning
        self._changed = changed
        self._leaving: dict[str, tuple[NetworkInterface, float]] = {}

    def install(self) -> None:
        """Wrap moto's methods."""
        install(self)
        mock.patch.object(NetworkInterface, "group_set", property(attrgetter("_group_set"))).start()
        mock.patch.object(NetworkInterface, "attachment", property(self._attachment)).start()

    def settle(self) -> None:
        """Ends what has had its time. Called before each request."""
        now = time.monotonic()
        for interface, due in [*self._leaving.values()]:
            if due <= now:
                del self._leaving[interface.id]
                if interface.instance is not None:
                    interface.instance.detach_eni(interface)
                    self._changed()

    @staticmethod
    def launched(instance: Instance, asked: list[dict[str, Any]], tags: dict[str, str]) -> None:
        """An instance came with its interfaces. Those that were not told otherwise go with it."""
        told = {int(words["DeviceIndex"]): words.get("DeleteOnTermination", True) for words in asked}
        for index, interface in instance.nics.items():
            interface.delete_on_termination = told.get(index, True) is True
            interface.add_tags(tags)

    @staticmethod
    def ended(instance: Instance, terminate: Callable[[], Any]) -> Any:
        """Terminates an instance: its interfaces are free, or go with it."""
        for interface in instance.nics.values():
            interface.attachment_id = None
        before = terminate()
        for interface in instance.nics.values():
            interface.instance, interface.status = None, "available"
        return before

    def _attachment(self, interface: NetworkInterface) -> Attachment | None:
        if not interface.attachment_id or interface.instance is None:
            return None
        shown = Attachment(interface)
        shown.status = "detaching" if interface.id in self._leaving else "attached"
        return shown

    @staticmethod
    @around(NetworkInterfaceBackend, "create_network_interface")
    def _create(original: Callable[..., Any], backend: Any, subnet: Any, *given: Any, **wanted: Any) -> Any:
        groups = wanted.get("group_ids") or (given[2] if len(given) > 2 else None) or []
        for group in groups:
            known = _group(backend, group)
            network = backend.get_subnet(subnet) if isinstance(subnet, str) else subnet
            if known.vpc_id != network.vpc_id:
                raise Refusal(
                    "InvalidParameter",
                    f"Security group {group} and subnet {network.id} belong to different networks.",
                )
        return original(backend, subnet, *given, **wanted)

    @staticmethod
    @around(Subnet, "request_ip")
    def _take(original: Callable[..., None], subnet: Subnet, address: str, instance: Instance) -> None:
        if address in attrgetter("_subnet_ips")(subnet):
            raise Refusal("InvalidIPAddress.InUse", f"Address {address} is in use.")
        original(subnet, address, instance=instance)

    @around(NetworkInterfaceBackend, "attach_network_interface")
    def _attach(self, original: Callable[..., Any], backend: Any, interface_id: str, instance_id: str, at: Any) -> Any:
        interface, instance = backend.get_network_interface(interface_id), backend.get_instance(instance_id)
        if interface.instance is not None:
            raise Refusal(
                "InvalidNetworkInterface.InUse", f"Interface: [{interface_id}] in use by {interface.instance.id}"
            )
        if interface.availability_zone != instance.availability_zone:
            raise Refusal(
                "InvalidParameterCombination",
                "You may not attach a network interface to an instance if they are not in the same availability zone",
            )
        if int(at) in instance.nics:
            raise Refusal(
                "InvalidParameterValue",
                f"Instance '{instance_id}' already has an interface attached at device index '{at}'.",
            )
        most = INSTANCE_TYPES[instance.instance_type]["NetworkInfo"]["MaximumNetworkInterfaces"]
        if len(instance.nics) >= most:
            raise Refusal(
                "AttachmentLimitExceeded",
                f"Interface count {len(instance.nics) + 1} exceeds the limit for {instance.instance_type}",
            )
        interface.delete_on_termination = False
        return original(backend, interface_id, instance_id, int(at))

    @around(NetworkInterfaceBackend, "detach_network_interface")
    def _detach(self, original: Callable[..., None], backend: Any, attachment_id: str) -> None:
        found = next((one for one in backend.enis.values() if one.attachment_id == attachment_id), None)
        if found is None:
            original(backend, attachment_id)
            return
        if found.device_index == 0:
            raise Refusal("OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
        self._leaving.setdefault(found.id, (found, time.monotonic() + self._tuning.transition_seconds))

    @staticmethod
    @around(NetworkInterfaceBackend, "delete_network_interface")
    def _delete(original: Callable[..., None], backend: Any, eni_id: str) -> None:
        found = backend.enis.get(eni_id)
        if found is not None and found.attachment_id:
            raise Refusal("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")
        original(backend, eni_id)

    @staticmethod
    @around(NetworkInterfaceBackend, "modify_network_interface_attribute")
    def _modify(original: Callable[..., None], backend: Any, eni_id: str, groups: list[str], *given: Any) -> None:
        for group in groups:
            _group(backend, group)
        original(backend, eni_id, groups, *given)

    @staticmethod
    @around(ElasticNetworkInterfaces, "modify_network_interface_attribute")
    def _modify_attachment(original: Callable[..., ActionResult], response: ElasticNetworkInterfaces) -> ActionResult:
        words = response.params.get("Attachment")
        if words:
            interface = response.ec2_backend.get_network_interface(response.params["NetworkInterfaceId"])
            if interface.attachment_id != words.get("AttachmentId"):
                raise Refusal(
                    "InvalidAttachmentID.NotFound", f"The attachment '{words.get('AttachmentId')}' does not exist."
                )
            interface.delete_on_termination = words["DeleteOnTermination"]
        return original(response)

    @staticmethod
    @around(InstanceBackend, "modify_instance_security_groups")
    def _regroup(_: Callable[..., Any], backend: Any, instance_id: str, groups: list[str]) -> Instance:
        instance: Instance = backend.get_instance(instance_id)
        if len(instance.nics) > 1:
            raise Refusal(
                "InvalidInstanceID",
                f"There are multiple interfaces attached to instance '{instance_id}'. Please specify an interface ID for"
                " the operation instead.",
            )
        backend.modify_network_interface_attribute(instance.nics[0].id, groups)
        instance.security_groups = instance.nics[0].group_set
        return instance


def _group(backend: Any, group: str) -> Any:
    known = backend.get_security_group_from_id(group)
    if known is None:
        raise Refusal("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    return known
