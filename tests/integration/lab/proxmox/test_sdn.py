"""Software-defined networks of the lab: what is written waits until all is applied, as in pve-network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # proxmoxer has neither annotations nor stubs

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import outcome


@pytest.fixture
def sdn(pve: Any, cloud: ProxmoxCloud) -> Iterator[Any]:
    yield pve.cluster.sdn
    for vnet, row in cloud.sdn.vnets().items():
        if row.get("state") != "deleted":
            cloud.sdn.remove(vnet)
    cloud.sdn.apply()


def row(sdn: Any, vnet: str) -> Any:
    return next(row for row in sdn.vnets.get(pending=1) if row["vnet"] == vnet)


def test_a_new_vnet_waits_until_all_is_applied(pve: Any, sdn: Any) -> None:
    sdn.vnets.post(vnet="front", zone="shop", tag=7, alias="x")

    assert row(sdn, "front") == {
        "vnet": "front",
        "type": "vnet",
        "state": "new",
        "pending": {"zone": "shop", "tag": 7, "alias": "x"},
    }
    assert sdn.vnets.get(running=1) == []
    assert "front" not in [one["iface"] for one in pve.nodes("pve1").network.get(type="any_bridge")]
    assert outcome(pve, sdn.put()) == "OK"
    assert "state" not in row(sdn, "front")
    assert "front" in [one["iface"] for one in pve.nodes("pve1").network.get(type="any_bridge")]


def test_changes_and_deletions_wait_too(pve: Any, sdn: Any) -> None:
    sdn.vnets.post(vnet="front", zone="shop", tag=7, alias="x")
    sdn.put()

    sdn.vnets("front").put(tag=8, delete="alias")
    found = row(sdn, "front")
    assert (found["tag"], found["state"], found["pending"]) == (7, "changed", {"tag": 8, "alias": "deleted"})
    sdn.vnets("front").delete()
    assert row(sdn, "front")["state"] == "deleted"
    with pytest.raises(ResourceException, match="does not exist"):
        sdn.vnets("front").get()
    sdn.put()
    assert sdn.vnets.get(pending=1) == []


def test_a_name_and_a_tag_can_be_had_once(sdn: Any) -> None:
    sdn.vnets.post(vnet="front", zone="shop", tag=7)

    with pytest.raises(ResourceException, match="already defined"):
        sdn.vnets.post(vnet="front", zone="shop", tag=8)
    with pytest.raises(ResourceException, match="tag 7 already exist in vnet front"):
        sdn.vnets.post(vnet="back", zone="shop", tag=7)


@pytest.mark.parametrize(("zone", "words"), [("shop", {}), ("plain", {"tag": 7}), ("shop", {"tag": 5000})])
def test_the_zone_decides_about_tags(sdn: Any, zone: str, words: dict[str, int]) -> None:
    with pytest.raises(ResourceException, match="tag"):
        sdn.vnets.post(vnet="front", zone=zone, **words)


def test_a_change_of_what_is_no_longer_so_is_refused(sdn: Any) -> None:
    sdn.vnets.post(vnet="front", zone="shop", tag=7)
    digest = sdn.vnets("front").get()["digest"]
    sdn.vnets("front").put(alias="other", digest=digest)

    with pytest.raises(ResourceException, match="modified configuration"):
        sdn.vnets("front").put(alias="x", digest=digest)


def test_the_lock_keeps_all_others_out(sdn: Any) -> None:
    token = sdn.lock.post()

    with pytest.raises(ResourceException, match="invalid lock token"):
        sdn.vnets.post(vnet="front", zone="shop", tag=7)
    with pytest.raises(ResourceException, match="invalid lock token"):
        sdn.put()
    sdn.vnets.post(vnet="front", zone="shop", tag=7, **{"lock-token": token})
    sdn.lock.delete(**{"lock-token": token})
    with pytest.raises(ResourceException, match="pending changes"):
        sdn.lock.post()


def test_a_zone_tells_which_guests_run_in_its_vnets(pve: Any, sdn: Any, guest: int, cloud: ProxmoxCloud) -> None:
    sdn.vnets.post(vnet="front", zone="shop", tag=7)
    sdn.put()
    cloud.set_config(guest, net3="virtio,bridge=front")
    node = cloud.machine(guest).node

    assert pve.nodes(node).sdn.zones("shop").bridges.get()[0]["ports"] == []
    cloud.power(guest, on=True)
    assert [port["vmid"] for port in pve.nodes(node).sdn.zones("shop").bridges.get()[0]["ports"]] == [guest]
    cloud.power(guest, on=False)


def test_a_subnet_keeps_its_vnet(sdn: Any, cloud: ProxmoxCloud) -> None:
    sdn.vnets.post(vnet="front", zone="plain")
    cloud.sdn.make_subnet("front", "10.0.0.0/24")
    (subnet,) = sdn.vnets("front").subnets.get(pending=1)
    assert (subnet["subnet"], subnet["state"]) == ("plain-10.0.0.0-24", "new")

    with pytest.raises(ResourceException, match="subnets exists"):
        sdn.vnets("front").delete()
    sdn.vnets("front").subnets("plain-10.0.0.0-24").delete()


def test_who_may_only_look_changes_nothing(connect: Any, cloud: ProxmoxCloud) -> None:
    looker = connect(cloud.readonly_credentials).cluster.sdn

    assert [zone["zone"] for zone in looker.zones.get()] == ["plain", "shop"]
    for call in (lambda: looker.vnets.post(vnet="front", zone="shop", tag=7), looker.put):
        with pytest.raises(ResourceException, match="Permission check failed"):
            call()


def test_what_is_not_brought_to_its_end_is_told(pve: Any, sdn: Any, guest: int, cloud: ProxmoxCloud) -> None:
    assert cloud.strays() == []
    sdn.vnets.post(vnet="front", zone="shop", tag=7)
    rules = pve.nodes(cloud.machine(guest).node).qemu(guest).firewall.rules
    rules.post(type="group", action="nobody", enable=1)

    assert cloud.strays() == ["vnet front", f"guest {guest}: rule for nobody"]
    rules(0).delete()
    sdn.put()
    assert cloud.strays() == []
