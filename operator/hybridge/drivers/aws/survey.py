"""What a sweep sees besides machines and volumes: each kind that is asked for, in lists, and who uses what by the instances.

What the account may not list is left out: the sweep goes on for all else, and the check names what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import Refused
from hybridge.core.kinds import CloudKind
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.aws import groups
from hybridge.drivers.aws.firewalls import Firewalls
from hybridge.drivers.aws.images import Images
from hybridge.drivers.aws.mapping import Seen
from hybridge.drivers.aws.membership import Membership
from hybridge.drivers.aws.networks import Networks
from hybridge.drivers.aws.snapshots import Snapshots
from hybridge.drivers.base import Portion, SweepRequest

T = TypeVar("T")


class Survey:
    """One sweep's. It reads when it is made, and is then shown all instances."""

    def __init__(
        self, request: SweepRequest, networks: Networks, images: Images, firewalls: Firewalls, snapshots: Snapshots
    ) -> None:
        self.tasks: Mapping[str, Task] = permitted(lambda: images.follow(request.tasks)) or {}
        kinds = request.kinds
        self._images = (
            permitted(lambda: images.all(request.max_age, request.refresh)) if CloudKind.IMAGE in kinds else None
        )
        self._snapshots = permitted(snapshots.all) if CloudKind.SNAPSHOT in kinds else None
        self._layout = permitted(networks.all) if CloudKind.NETWORK in kinds else None
        self._groups = permitted(firewalls.all) if CloudKind.FIREWALL in kinds else None
        self._having: dict[str, set[str]] = {}
        self._inside: dict[str, set[str]] = {}

    def see(self, found: Collection[Seen]) -> None:
        """Some instances."""
        if self._groups is not None:
            Membership.seen(found, self._having)
        if self._layout is None:
            return
        for seen in found:
            for subnet in seen.subnets:
                self._inside.setdefault(subnet, set()).add(seen.machine.id)

    @property
    def portions(self) -> Mapping[CloudKind, Portion[CloudObject]]:
        """What was seen, once all instances were shown."""
        found: dict[CloudKind, Portion[CloudObject]] = {}
        if self._images is not None:
            found[CloudKind.IMAGE] = Portion(self._images, full=True)
        if self._snapshots is not None:
            found[CloudKind.SNAPSHOT] = Portion(self._snapshots, full=True)
        if self._groups is not None:
            shown = [groups.firewall(one, self._having.get(one["GroupId"], ())) for one in self._groups]
            found[CloudKind.FIREWALL] = Portion({one.id: one for one in shown}, full=True)
        if self._layout is not None:
            found[CloudKind.NETWORK] = Portion(self._layout.networks(self._inside), full=True)
        return found


def permitted(read: Callable[[], T]) -> T | None:
    """What can be read; None where the account may not."""
    try:
        return read()
    except Refused as refused:
        if refused.reason is not Reason.NOT_PERMITTED:
            raise
        return None
