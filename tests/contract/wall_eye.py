"""Looks at firewalls, and brings them to their specs."""

from __future__ import annotations

from hybridge.core.firewall import Firewall, FirewallSpec
from hybridge.core.firewall_plan import differences
from hybridge.core.kinds import CloudKind
from hybridge.core.plan import together
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.object_eye import ObjectEye

WallEye = ObjectEye[FirewallSpec, Firewall]


def wall_eye(bed: Bed, driver: Driver) -> WallEye:
    """All its sweeps look at firewalls, too."""
    assert driver.firewalls is not None
    return ObjectEye(bed, driver, CloudKind.FIREWALL, driver.firewalls)


def complete(eye: WallEye, spec: FirewallSpec, firewall: Firewall) -> Firewall:
    """Brings a firewall to its spec, in the steps of a plan."""
    assert firewall.marker is not None
    for _ in range(12):
        changes = differences(eye.part.normalize(spec), firewall, {*spec.members, *firewall.members}, named=True)
        if not changes:
            return firewall
        step = together(changes)
        eye.configure(firewall, spec, {action.field for action in step.actions}, firewall.marker)
        eye.eye.look()
        firewall = eye.see(firewall.id)
    raise AssertionError(f"it never comes to its spec: {firewall}")
