"""The Networks and the Image that a machine names: the words by which its cloud knows them, and what it has to wait for.

A machine is made when all of them are there, ready, and may be used. One that exists is never cut off by what becomes of
them: while an entry of ``spec.networks`` leads nowhere, or to what the machine may not use any more, its interfaces stay as
they are, whatever else is changed, and the machine tells why. An Image is needed again only where a machine is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hybridge.api.image import Image
from hybridge.api.managed import ManagedObject
from hybridge.api.network import Network
from hybridge.api.network_desired import Segment, segment
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import Ref
from hybridge.api.virtualmachine import VirtualMachine
from hybridge.core.errors import Refused
from hybridge.core.plan import Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Key
from hybridge.engine.references import circle, error, reach, unready
from hybridge.engine.world import NAMESPACE_AGE, World

T = TypeVar("T", bound=ManagedObject)


@dataclass(frozen=True, slots=True)
class Named:
    """``image``: the id of the Image; ``networks``: what interfaces are put into, by the names of the entries, where that
    is known and may be used. ``no_image`` and ``holds`` (by the names of the entries): what is in the way of using them now.
    """

    image: str | None = None
    no_image: Wait | Refuse | None = None
    networks: Mapping[str, Segment] = field(default_factory=dict)
    holds: Mapping[str, Wait | Refuse] = field(default_factory=dict)

    def require_image(self) -> None:
        """Raises CloudError while nothing can be started from the Image."""
        if self.no_image is not None:
            raise error(self.no_image)

    def require_networks(self) -> None:
        """Raises CloudError while not all interfaces can be connected."""
        for step in self.holds.values():
            raise error(step)


async def resolve(world: World, told: VirtualMachine, *, age: float = NAMESPACE_AGE) -> Named:
    """What the machine refers to, as it is now. ``age``: see ``references.reach``."""
    networks: dict[str, Segment] = {}
    holds: dict[str, Wait | Refuse] = {}
    for nic in told.spec.networks:
        if nic.network_ref is None:
            continue
        network, hold = await _follow(world, told, nic.network_ref, f"networks[{nic.name}]", Network, age)
        found = segment(network) if network is not None else None
        if found is not None:
            networks[nic.name] = found
        elif hold is None:
            name = f"Network {nic.network_ref.namespace or told.metadata.namespace}/{nic.network_ref.name}"
            hold = Wait(Reason.DEPENDENCY_NOT_READY, f"{name} has nothing yet that machines attach to", patient=True)
        if hold is not None:
            holds[nic.name] = hold
    image, no_image = None, None
    if told.spec.image is not None and told.spec.image.image_ref is not None:
        image, no_image = await _follow(world, told, told.spec.image.image_ref, "image", Image, age)
    return Named(image.status.id if image is not None else None, no_image, networks, holds)


async def _follow(
    world: World, told: VirtualMachine, reference: Ref, path: str, model: type[T], age: float
) -> tuple[T | None, Wait | Refuse | None]:
    """What is meant, where it may be used, and what is in the way of using it now."""
    namespace = told.metadata.namespace
    key = Key(model.__name__, reference.namespace or namespace, reference.name)
    target = await reach(world, told, key, path, model, age=age)
    if isinstance(target, Wait | Refuse):
        return None, target
    # What is to be made again has been made once: it is in no circle.
    around = (
        circle(world, Key("VirtualMachine", namespace, told.metadata.name), key) if told.status.id is None else None
    )
    return target, around or unready(target, key)


def check(told: VirtualMachine, provider: ProviderSpec) -> None:
    """Raises Refused where references do not go together with the rest of the spec."""
    tag = told.spec.proxmox.vlan if told.spec.proxmox and provider.proxmox else None
    named = next((nic.name for nic in told.spec.networks if nic.network_ref is not None), None)
    if tag is not None and named is not None:
        raise Refused(
            Reason.INVALID_SPEC,
            f"spec.proxmox.vlan and spec.networks[{named}].networkRef exclude each other: a Network says itself which "
            "VLAN it is",
        )
