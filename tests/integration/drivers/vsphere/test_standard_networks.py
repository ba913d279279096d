"""Networks on standard switches: a port group on every host of a cluster, marked by custom attributes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, CloudError, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import Nic
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import Delay, LoseAnswer, Rule
from lab.vsphere import VsphereCloud
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import error_of
from tests.contract.network_eye import NetworkEye, complete, lacking, network_eye

HOSTS = ("DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2")
#: A host that is of no cluster: a port group of one name there and in the cluster is one network.
ALONE = "DC0_H0"


@pytest.fixture(autouse=True)
def permitted(vcenter: VsphereCloud) -> Iterator[None]:
    """Networks of hosts are not in the shipped roles; and no custom attribute is defined yet."""
    vcenter.grant_everything()
    vcenter.port_groups.undefine()
    yield
    vcenter.port_groups.tidy_standard()
    vcenter.grant()


@pytest.fixture
def marker(bed: VsphereBed) -> Marker:
    return replace(bed.marker(), kind="Network")


@pytest.fixture
def networks(bed: VsphereBed, driver: Driver) -> NetworkEye:
    eye = network_eye(bed, driver)
    eye.eye.settle()
    return eye


def spec(**words: object) -> NetworkSpec:
    given = {"name": f"std-{uuid4().hex[:8]}", "vlan": 7, "options": {"switch": "vSwitch0", "cluster": "DC0_C0"}}
    return NetworkSpec(**{**given, **words})  # type: ignore[arg-type]


def made(networks: NetworkEye, marker: Marker, wanted: NetworkSpec) -> Network:
    return complete(networks, wanted, networks.create(wanted, marker))


def test_a_port_group_is_made_on_every_host_and_taken_off_again(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = spec(tags={"team": "shop"})

    network = made(networks, marker, wanted)

    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)
    assert (network.marker, dict(network.tags), network.parts) == (marker, {"team": "shop"}, ("hosts",))
    assert network.settings["vlan"] == ("7",)
    assert networks.part.find(marker, None) == [network] == [networks.part.get(network.id)]
    networks.delete(network)
    assert vcenter.port_groups.on_hosts(wanted.name) == {}
    networks.part.delete(network)
    assert networks.part.get(network.id) is None


def test_repeating_a_create_makes_no_second(networks: NetworkEye, marker: Marker) -> None:
    wanted = networks.part.normalize(spec())
    intent = networks.intent(wanted, marker)
    network = networks.create(wanted, marker, intent)

    assert networks.part.create(intent, wanted, marker).id == network.id


@pytest.mark.parametrize("call", ["AddPortGroup", "AddCustomFieldDef", "SetField"])
def test_what_had_no_answer_is_begun_again_and_stays_one(
    bed: VsphereBed, vcenter: VsphereCloud, networks: NetworkEye, marker: Marker, call: str
) -> None:
    wanted = networks.part.normalize(spec())
    intent = networks.intent(wanted, marker)
    bed.proxy.inject(Rule(call, LoseAnswer(), times=1))

    error = error_of(lambda: networks.part.create(intent, wanted, marker))
    network = made(networks, marker, wanted)

    assert error is not None
    assert error.took_effect_possible
    assert network.marker == marker
    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)


def test_a_name_that_people_chose_is_not_taken_for_ours(
    bed: VsphereBed, vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = networks.part.normalize(spec(named=True))
    intent = networks.intent(wanted, marker)
    vcenter.port_groups.add("DC0_C0_H1", wanted.name, vlan=7)

    with pytest.raises(Refused, match="no marker") as refusal:
        networks.part.create(intent, wanted, marker)

    assert refusal.value.reason is Reason.NAME_TAKEN
    assert vcenter.port_groups.on_hosts(wanted.name) == {"DC0_C0_H1": 7}


def test_another_configuration_is_not_taken_for_ours(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = networks.part.normalize(spec())
    vcenter.port_groups.add("DC0_C0_H1", wanted.name, vlan=9)

    with pytest.raises(Refused, match="VLAN 9"):
        networks.part.create(networks.intent(wanted, marker), wanted, marker)


def refused(networks: NetworkEye, marker: Marker, wanted: NetworkSpec) -> str:
    """Why it is not made."""
    wanted = networks.part.normalize(wanted)
    with pytest.raises(Refused) as refusal:
        networks.part.create(networks.intent(wanted, marker), wanted, marker)
    assert refusal.value.reason is Reason.NAME_TAKEN
    return refusal.value.message


def test_a_network_of_other_hosts_is_not_joined(vcenter: VsphereCloud, networks: NetworkEye, marker: Marker) -> None:
    wanted = spec()
    vcenter.port_groups.add(ALONE, wanted.name, vlan=7)

    told = refused(networks, marker, wanted)

    assert ALONE in told
    assert vcenter.port_groups.on_hosts(wanted.name) == {ALONE: 7}


def test_a_network_of_another_object_is_not_joined(
    bed: VsphereBed, vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted, other = spec(), replace(bed.marker(), kind="Network")
    network = made(networks, marker, wanted)

    for cluster in ("DC0_C0", ALONE):
        options = {"switch": "vSwitch0", "cluster": cluster}
        assert marker.owner in refused(networks, other, replace(wanted, options=options))

    now = networks.part.get(network.id)
    assert now is not None
    assert now.marker == marker
    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)


def test_what_becomes_one_with_it_while_it_is_made_stays_as_it_is(
    bed: VsphereBed, vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = spec()
    rule = bed.proxy.inject(Rule("AddPortGroup", Delay(1.0), times=1))

    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(refused, networks, marker, wanted)
        networks.eye.until(lambda: any(one.id == rule and one.hit for one in bed.proxy.faults()), "AddPortGroup")
        vcenter.port_groups.add(ALONE, wanted.name, vlan=9)
        assert ALONE in told.result()

    assert networks.part.find(marker, None) == []
    assert vcenter.port_groups.on_hosts(wanted.name) == {ALONE: 9}


def test_what_other_hosts_have_of_it_is_neither_moved_nor_deleted(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = spec()
    network = made(networks, marker, wanted)
    vcenter.port_groups.add(ALONE, wanted.name, vlan=7)
    moved = networks.part.normalize(replace(wanted, vlan=8))

    with pytest.raises(Refused, match=ALONE) as deletion:
        networks.part.delete(network)
    with pytest.raises(Refused, match=ALONE) as change:
        networks.part.configure(network, moved, {"vlan"}, None, marker)

    assert {deletion.value.reason, change.value.reason} == {Reason.HAS_DEPENDANTS}
    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys((*HOSTS, ALONE), 7)
    vcenter.port_groups.remove(ALONE, wanted.name)
    networks.part.configure(network, moved, {"vlan"}, None, marker)
    networks.delete(network)
    assert vcenter.port_groups.on_hosts(wanted.name) == {}


def test_what_hosts_of_another_cluster_have_is_not_brought_to_the_spec(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = spec()
    network = made(networks, marker, wanted)
    elsewhere = networks.part.normalize(replace(wanted, vlan=8, options={"switch": "vSwitch0", "cluster": ALONE}))

    for field in ("vlan", "parts.hosts"):
        with pytest.raises(Refused, match="DC0_C0"):
            networks.part.configure(network, elsewhere, {field}, None, marker)

    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)


def test_a_network_of_hosts_far_apart_is_not_taken_over(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    name = f"by-hand-{uuid4().hex[:6]}"
    for host in (*HOSTS, ALONE):
        vcenter.port_groups.add(host, name, vlan=3)
    networks.eye.until(lambda: any(one.name == name for one in networks.seen.values()), name)
    (found,) = [one for one in networks.seen.values() if one.name == name]

    with pytest.raises(Refused, match=ALONE):
        networks.part.mark(found, marker)

    assert networks.part.find(marker, None) == []


def test_what_people_change_on_a_host_is_seen_and_made_good(
    vcenter: VsphereCloud, networks: NetworkEye, marker: Marker
) -> None:
    wanted = spec()
    network = made(networks, marker, wanted)

    vcenter.port_groups.remove("DC0_C0_H1", wanted.name)
    network = networks.see(network.id, lambda seen: seen.parts == ())
    assert lacking(networks, wanted, network) == {"parts.hosts"}
    network = complete(networks, wanted, network)
    vcenter.port_groups.set_standard_vlan("DC0_C0_H2", wanted.name, 9)
    network = networks.see(network.id, lambda seen: seen.settings["vlan"] == ("7, 9",))
    complete(networks, wanted, network)

    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)


def test_a_host_that_is_away_is_waited_for(vcenter: VsphereCloud, networks: NetworkEye, marker: Marker) -> None:
    wanted = networks.part.normalize(spec())
    vcenter.tune_host("DC0_C0_H2", connected=False)
    try:
        network = networks.create(wanted, marker)
        with pytest.raises(Busy, match="DC0_C0_H2"):
            networks.part.configure(network, wanted, {"parts.hosts"}, None, marker)
    finally:
        vcenter.tune_host("DC0_C0_H2", connected=True)

    complete(networks, wanted, networks.see(network.id))
    assert vcenter.port_groups.on_hosts(wanted.name) == dict.fromkeys(HOSTS, 7)


def test_a_machine_in_it_keeps_it(bed: VsphereBed, networks: NetworkEye, marker: Marker) -> None:
    network = made(networks, marker, spec())
    machine_spec = bed.spec(networks=(Nic("nic0", network.attaches),))
    machine = networks.eye.make(machine_spec, bed.marker())
    network = networks.see(network.id, lambda seen: seen.machines == (machine.id,))

    with pytest.raises(CloudError) as refusal:
        networks.part.delete(network)

    assert refusal.value.reason is Reason.HAS_DEPENDANTS
    networks.eye.delete(machine, machine_spec)
    networks.delete(networks.see(network.id, lambda seen: not seen.machines))


def test_it_is_taken_over_and_let_go(vcenter: VsphereCloud, networks: NetworkEye, marker: Marker) -> None:
    name = f"by-hand-{uuid4().hex[:6]}"
    for host in HOSTS:
        vcenter.port_groups.add(host, name, vlan=3)
    networks.eye.until(lambda: any(one.name == name for one in networks.seen.values()), name)
    (found,) = [one for one in networks.seen.values() if one.name == name]

    taken = networks.mark(found, marker)
    with pytest.raises(NotProven):
        networks.part.delete(replace(taken, marker=replace(marker, uid="another")))
    networks.mark(taken, None)

    assert vcenter.port_groups.on_hosts(name) == dict.fromkeys(HOSTS, 3)


def test_what_is_not_there_is_refused_in_words(networks: NetworkEye) -> None:
    for options, told in (
        ({"switch": "vSwitch9", "cluster": "DC0_C0"}, "vSwitch0"),
        ({"switch": "vSwitch0", "cluster": "DC9"}, r"spec\.vsphere\.cluster"),
        ({"switch": "vSwitch0"}, r"spec\.vsphere\.cluster"),
    ):
        with pytest.raises(Refused, match=told) as refusal:
            networks.part.prepare(networks.part.normalize(spec(options=options)), ())
        assert refusal.value.reason is Reason.NOT_FOUND


def test_its_name_stays(networks: NetworkEye, marker: Marker) -> None:
    wanted = spec()
    network = made(networks, marker, wanted)

    with pytest.raises(Refused, match=r"spec\.name"):
        networks.part.configure(network, replace(wanted, name="other"), {"name"}, None, marker)


def test_a_settled_sweep_asks_the_hosts_once_an_interval(bed: VsphereBed, marker: Marker) -> None:
    with bed.connected(sweep_interval=3600.0) as driver:
        eye = network_eye(bed, driver)
        eye.eye.settle()
        network = made(eye, marker, spec())
        for _ in range(3):
            eye.eye.look(wait=0.0)
        bed.proxy.reset_counts()

        for _ in range(4):
            eye.eye.look(wait=0.0)

        assert bed.proxy.total() <= 4
        assert bed.proxy.mutating() == 0
        eye.delete(network)
