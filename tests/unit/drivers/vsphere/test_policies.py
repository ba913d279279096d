"""Which machines one request for storage policies asks for."""

from __future__ import annotations

from hybridge.drivers.vsphere.policies import PAGE, page
from hybridge.drivers.vsphere.seen import Disks


def test_machines_are_asked_for_in_their_order_until_a_request_is_full() -> None:
    small = {f"vm-{number}": Disks(2000) for number in range(PAGE)}
    large = {f"vm-{number}": Disks(2000, tuple(range(2001, 2001 + 248))) for number in range(PAGE)}

    assert list(page(small)) == [f"vm-{number}" for number in range(PAGE // 2)]
    assert list(page(large)) == ["vm-0", "vm-1", "vm-2", "vm-3"]
    assert page(dict(list(small.items())[:3])) == dict(list(small.items())[:3])
    assert page({}) == {}
