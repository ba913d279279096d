"""Looks at networks, and brings them to their specs."""

from __future__ import annotations

from hybridge.core.kinds import CloudKind
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.network_plan import differences
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.object_eye import ObjectEye

NetworkEye = ObjectEye[NetworkSpec, Network]


def network_eye(bed: Bed, driver: Driver) -> NetworkEye:
    """All its sweeps look at networks, too."""
    assert driver.networks is not None
    return ObjectEye(bed, driver, CloudKind.NETWORK, driver.networks)


def lacking(eye: NetworkEye, spec: NetworkSpec, network: Network) -> set[str]:
    """The fields that the plan would change."""
    traits = eye.driver.networks.traits if eye.driver.networks else None
    assert traits is not None
    return {change.field for change in differences(eye.part.normalize(spec), network, traits, named=True)}


def complete(eye: NetworkEye, spec: NetworkSpec, network: Network) -> Network:
    """Brings a network to its spec, a step at a time, as a plan does."""
    assert network.marker is not None
    for _ in range(12):
        fields = lacking(eye, spec, network)
        if not fields:
            return network
        eye.configure(network, spec, fields, network.marker)
        eye.eye.look()
        network = eye.see(network.id)
    raise AssertionError(f"it never comes to its spec: {lacking(eye, spec, network)}")
