"""Network interfaces of EC2 that come, go and move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.identity import OWNER, Marker
from hybridge.core.machine import Machine, MachineSpec, Nic
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import mapping
from lab.aws import REGION, AwsCloud
from lab.aws_names import GROUPS
from tests.integration.drivers.aws.bench import SPEC, Bench, wait_until


def networked(*subnets: str) -> MachineSpec:
    return replace(SPEC, networks=tuple(Nic(f"nic{index}", subnet) for index, subnet in enumerate(subnets)))


def interfaces_of(cloud: AwsCloud, marker: Marker) -> set[str]:
    """All interfaces that carry this marker, attached or not."""
    filters = [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
    found = cloud.client().describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    return {nic["NetworkInterfaceId"] for nic in found}


def follow(bench: Bench, machine: Machine, spec: MachineSpec) -> Machine:
    """Changes interfaces until they are as wanted, as a plan does."""
    assert machine.marker
    marker, deadline = machine.marker, time.monotonic() + 30
    while True:
        machine = bench.look(machine.id)
        if not [change for change in differences(spec, machine, bench.driver.machines.traits) if not change.disruptive]:
            return machine
        assert time.monotonic() < deadline
        with suppress(Busy):
            bench.driver.machines.configure(machine, spec, {"networks"}, None, marker)


@pytest.fixture
def slow(cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The cloud, where detaching takes a moment."""
    cloud.tune(transition_seconds=0.3)
    yield cloud
    cloud.tune(transition_seconds=0.0)


def test_an_interface_costs_a_record_and_three_calls(bench: Bench) -> None:
    machine = bench.make(networked("lab-a"))
    bench.requests.clear()
    assert machine.marker
    wanted = networked("lab-a", "lab-a-storage")
    changed = bench.driver.machines.configure(machine, wanted, {"networks"}, None, machine.marker).found
    assert changed == bench.look(machine.id)
    assert {name: count for name, count in bench.requests.items() if not name.startswith("Describe")} == {
        "CreateTags": 1,
        "CreateNetworkInterface": 1,
        "AttachNetworkInterface": 1,
        "ModifyNetworkInterfaceAttribute": 1,
        "DeleteTags": 1,
    }


def test_a_strangers_interface_is_detached_and_never_deleted(bench: Bench, cloud: AwsCloud) -> None:
    machine = bench.make(networked("lab-a"))
    stranger = cloud.plug(machine.id, "lab-a-storage")
    machine = follow(bench, machine, networked("lab-a"))
    assert machine.ports is not None
    assert len(machine.ports) == 1
    (found,) = cloud.client().describe_network_interfaces(NetworkInterfaceIds=[stranger])["NetworkInterfaces"]
    assert found["Status"] == "available"


def test_an_interface_of_a_copy_is_left_alone_although_it_carries_the_marker(bench: Bench, cloud: AwsCloud) -> None:
    machine, ec2 = bench.make(networked("lab-a", "lab-a")), cloud.client()
    assert machine.marker
    made = ec2.create_network_interface(SubnetId=cloud.subnets[0])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_tags(Resources=[made], Tags=mapping.words(machine.marker.pairs()))
    follow(bench, machine, networked("lab-a", "lab-a-storage"))
    bench.driver.machines.delete(bench.look(machine.id))
    assert interfaces_of(cloud, machine.marker) == {made}


def test_a_machine_that_is_deleted_in_the_middle_of_a_change_leaves_nothing(bench: Bench, slow: AwsCloud) -> None:
    machine = bench.make(networked("lab-a", "lab-a"))
    assert machine.marker
    wanted = networked("lab-a", "lab-a-storage")
    with pytest.raises(Busy, match="being detached"):
        bench.driver.machines.configure(machine, wanted, {"networks"}, None, machine.marker)
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        with suppress(Busy):
            bench.driver.machines.delete(bench.look(machine.id))
            break
    wait_until(lambda: interfaces_of(slow, machine.marker) == set() if machine.marker else False)


def test_an_interface_that_moves_keeps_its_address(bench: Bench, cloud: AwsCloud) -> None:
    """One that has to go because another comes before it is ours, and is attached again."""
    machine = bench.make(networked("lab-a", "lab-a-storage"))
    before = cloud.interfaces(machine.id)[1]["PrivateIpAddress"]
    follow(bench, machine, networked("lab-a", "lab-a", "lab-a-storage"))
    assert cloud.interfaces(machine.id)[2]["PrivateIpAddress"] == before


def test_a_new_interface_has_the_machines_groups_and_its_fixed_address(bench: Bench, cloud: AwsCloud) -> None:
    groups = [GROUPS["web"], GROUPS["db"]]
    machine = bench.make(replace(networked("lab-a"), options={"securityGroupIDs": groups}))
    second = Nic("nic1", "lab-a-storage", addresses=("10.64.140.9/18",))
    wanted = replace(networked("lab-a"), options={"securityGroupIDs": groups})
    machine = follow(bench, machine, replace(wanted, networks=(*wanted.networks, second)))
    found = cloud.interfaces(machine.id)[1]
    assert found["PrivateIpAddress"] == "10.64.140.9"
    assert {group["GroupId"] for group in found["Groups"]} == set(groups)
    assert machine.settings["aws.securityGroupIDs"] == (",".join(sorted(groups)),)


def test_a_subnet_of_another_zone_is_refused(bench: Bench) -> None:
    machine = bench.make(networked("lab-a"))
    assert machine.marker
    with pytest.raises(Refused, match=f"is in zone {REGION}b, but {machine.id} is in {REGION}a") as refused:
        bench.driver.machines.configure(machine, networked("lab-a", "lab-b"), {"networks"}, None, machine.marker)
    assert refused.value.reason is Reason.INVALID_SPEC


def test_more_interfaces_than_the_type_takes_are_told_in_ec2s_words(bench: Bench) -> None:
    machine = bench.make(networked("lab-a", "lab-a", "lab-a"))
    assert machine.marker
    with pytest.raises(CloudError, match=r"exceeds the limit for t3\.medium") as error:
        bench.driver.machines.configure(machine, networked(*["lab-a"] * 4), {"networks"}, None, machine.marker)
    assert error.value.reason is Reason.QUOTA
    bench.driver.machines.delete(bench.look(machine.id))
