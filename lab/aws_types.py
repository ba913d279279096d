"""Instance types of the lab's EC2: which there are in a region, and for how many there is room."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from lab.aws_rules import Refusal, Tuning


def check(instance_type: str, region: str) -> None:
    """Refusal for a type that is not there, or not in this region."""
    if instance_type not in INSTANCE_TYPES:
        raise Refusal("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    if instance_type not in _offered(region):
        raise Refusal("Unsupported", f"The requested instance type {instance_type} is not supported in {region}.")


def check_capacity(tuning: Tuning, zone: str, alive: Sequence[str], more: Sequence[str]) -> None:
    """Refusal where there is no room for more instances, given by their types, besides those that are alive."""
    for kind in more:
        if tuning.lacks_capacity(kind, zone):
            raise Refusal(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}).",
                status=500,
            )
    limit = tuning.vcpu_limit
    if limit is not None and sum(map(_vcpus, [*alive, *more])) > limit:
        raise Refusal(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance"
            " bucket that the specified instance type belongs to.",
        )


@functools.cache
def _offered(region: str) -> frozenset[str]:
    return frozenset(offer["InstanceType"] for offer in INSTANCE_TYPE_OFFERINGS["region"].get(region, []))


def _vcpus(instance_type: str) -> int:
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"])
