"""DescribeInstances for hundreds of machines: moto needs two milliseconds for each, so what it wrote is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from moto.core.responses import ActionResult
from moto.ec2.models.instances import Reservation
from moto.ec2.responses.instances import InstanceResponse

#: Actions after which other instances than those they name are as they were; what they do to those shows in the key.
_CONTAINED = frozenset(
    {"CreateTags", "DeleteTags", "RunInstances", "StartInstances", "StopInstances", "TerminateInstances"}
)
_SET = "reservationSet"
#: What of an instance says where it is.
_PLACE = frozenset(
    {"subnetId", "vpcId", "privateIpAddress", "privateDnsName", "ipAddress", "dnsName", "networkInterfaceSet"}
)


class Pages:
    """The XML of each reservation, kept until its state, its tags or anything that no key shows has changed."""

    def __init__(self) -> None:
        self._generation = 0
        self._written: dict[str, tuple[object, str]] = {}

    def changed(self, action: str) -> None:
        """An action was answered; after one that may have changed any instance everything is written anew."""
        if not action.startswith(("Describe", "Get")) and action not in _CONTAINED:
            self._generation += 1

    def describe(self, original: Callable[..., ActionResult], response: InstanceResponse) -> str:
        """The answer to DescribeInstances, in pages of 1,000 unless fewer were asked for (moto: 100)."""
        if not response.params.get("InstanceIds"):
            response.params.setdefault("MaxResults", 1000)
        page: Any = original(response).result
        parts = "".join(self._part(response, reservation) for reservation in page["Reservations"])
        token = f"<nextToken>{escape(page['NextToken'])}</nextToken>" if page["NextToken"] else ""
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>{uuid.uuid4()}</requestId><{_SET}>{parts}</{_SET}>{token}</DescribeInstancesResponse>"
        )

    def _part(self, response: InstanceResponse, reservation: Reservation) -> str:
        tags = response.ec2_backend.tags
        key = (
            self._generation,
            [
                (item.id, item.state, item.public_ip, tuple(tags.get(item.id, {}).items()))
                for item in reservation.instances
            ],
        )
        known = self._written.get(reservation.id)
        if known is not None and known[0] == key:
            return known[1]
        _, _, body = response.serialized(ActionResult({"Reservations": [reservation]}))
        text = str(body).partition(f"<{_SET}>")[2].rpartition(f"</{_SET}>")[0]
        if any(item.state == "terminated" for item in reservation.instances):
            text = _placeless(text)
        self._written[reservation.id] = (key, text)
        return text


def _placeless(text: str) -> str:
    """A reservation whose terminated instances are in no subnet: they are described still, and have nothing any more.

    Source: EC2 User Guide, "Terminate Amazon EC2 instances".
    """
    whole = ET.fromstring(text)
    for instance in whole.iterfind("instancesSet/item"):
        if instance.findtext("instanceState/name") == "terminated":
            for part in [one for one in instance if one.tag in _PLACE]:
                instance.remove(part)
            ET.SubElement(instance, "networkInterfaceSet")
    return ET.tostring(whole, encoding="unicode")
