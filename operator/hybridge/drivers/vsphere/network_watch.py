"""Networks in sweeps: all of it is pushed, and read where somebody asks. Which machines are in them their cards tell, which
are pushed anyway.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection
from typing import Final

from hybridge.core.errors import CloudError
from hybridge.core.network import Network
from hybridge.drivers.base import Portion
from hybridge.drivers.vsphere.attributes import Attributes
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.network_reading import NetworkReading
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.port_groups import is_network_id
from hybridge.drivers.vsphere.standard_networks import StandardNetworks, vlan_of

_READ_TIMEOUT: Final = 20.0


class NetworkWatch:
    """The portion of networks in the sweeps of one vCenter. Called from the thread of the sweeps only."""

    def __init__(self, session: Session, inventory: Inventory, picture: Picture, interval: float) -> None:
        """``interval``: seconds between two looks at the hosts of marked networks of standard switches."""
        self._inventory = inventory
        self._picture = picture
        self._stub = Stub(session, _READ_TIMEOUT)
        self._reading = NetworkReading(session, picture, self._stub)
        self._standard = StandardNetworks(session, Attributes(session, picture))
        self._interval = interval
        self._hosts_from = -math.inf
        self._told: dict[str, Network] = {}

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._reading.requests

    def portion(self, refresh: Collection[str], *, full: bool) -> Portion[Network] | None:
        """What is new of networks; everything, where all was pushed. None: nothing."""
        refresh = {one for one in refresh if is_network_id(one)}
        proven = self._read(refresh)
        seen = self._picture.take_networks()
        before = self._told
        if seen is not None:
            self._told = seen
            if seen.keys() - before.keys():
                self._inventory.forget()  # a machine may be put into it at once
        # Also what was never pushed: it came and went between two sweeps, and somebody saw it meanwhile.
        gone = (before.keys() | proven) - self._told.keys()
        if full:
            return Portion(self._told, full=True, gone=gone)
        told = {key: one for key, one in self._told.items() if before.get(key) != one or key in refresh}
        return Portion(told, full=False, gone=gone) if told or gone or seen is not None else None

    def _read(self, refresh: Collection[str]) -> set[str]:
        """Reads what somebody asks for; those of them that are proven gone. What cannot be read stays as it was pushed."""
        gone = set[str]()
        with contextlib.suppress(CloudError):
            found, gone = self._reading.several(refresh)
            self._picture.renew_networks(found, gone)
            self._ask_hosts(refresh)
        return gone

    def _ask_hosts(self, refresh: Collection[str]) -> None:
        """Reads the VLANs of marked networks of standard switches from their hosts: one request, where there are any."""
        found, now = self._picture.standard_networks(), time.monotonic()
        if not found or (now < self._hosts_from and not found.keys() & set(refresh)):
            return
        self._hosts_from = now + self._interval
        hosts = self._standard.hosts(frozenset().union(*(one.hosts for one in found.values())), self._stub)
        told = {one.id: one for one in hosts}
        self._picture.place_vlans(
            {
                key: vlan_of([told[host] for host in sorted(one.hosts) if host in told], one.name)
                for key, one in found.items()
            }
        )
