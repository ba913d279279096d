"""The AWS driver against the lab's EC2: what is peculiar to this cloud. What all clouds share is in tests/contract."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, CloudError, Refused, TokenMismatch
from hybridge.core.identity import OWNER, Marker, token
from hybridge.core.machine import CloudInit, Intent, Machine, MachineSpec, Nic, Placed, Power
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.driver import Driver, connect
from hybridge.drivers.base import Prepared, Settings, SweepRequest
from lab.aws import REGION, AwsCloud
from lab.aws_names import GROUPS

GIB = 1024**3
SPEC = MachineSpec(name="web", image="debian-12", cpus=2, memory=4 * GIB, root_disk=20 * GIB, tags={"team": "shop"})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path_factory.mktemp("aws"), transition=0.0) as running:
        yield running


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


@dataclass
class Bench:
    """A driver whose requests are counted, and markers that nobody else has."""

    driver: Driver
    requests: Counter[str]

    def marker(self) -> Marker:
        uid = str(uuid4())
        return Marker("cluster", uid, "VirtualMachine", "shop", f"web-{uid}")

    def intent(self, spec: MachineSpec, marker: Marker, attempt: int = 1) -> Intent:
        prepared = self.driver.machines.prepare(spec, ())
        given = token(marker.uid, attempt)
        return Intent(attempt, given, marker.name, "", "aws", 0.0, parameters=prepared.parameters)

    def prepare(self, spec: MachineSpec = SPEC, *apart: str) -> Prepared:
        return self.driver.machines.prepare(spec, (), [Placed(zone=f"{REGION}{zone}") for zone in apart])

    def make(self, spec: MachineSpec = SPEC, marker: Marker | None = None) -> Machine:
        marker = marker or self.marker()
        made = self.driver.machines.create(self.intent(spec, marker), spec, marker)
        assert made.id
        return self.look(made.id)

    def look(self, machine_id: str) -> Machine:
        found = self.driver.machines.get(machine_id)
        assert found
        return found


def settings(cloud: AwsCloud, requests: Counter[str], credentials: dict[str, str] | None = None) -> Settings:
    return Settings(
        provider="aws",
        cloud={"region": cloud.region, "endpoint": cloud.endpoint},
        credentials=credentials or cloud.credentials,
        acquire=lambda: None,
        meter=lambda operation, _, __: requests.update([operation]),
    )


@pytest.fixture
def bench(cloud: AwsCloud) -> Iterator[Bench]:
    requests: Counter[str] = Counter()
    driver = connect(settings(cloud, requests))
    yield Bench(driver, requests)
    driver.close()


def test_many_machines_from_one_image_cost_little_more_than_a_request_each(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bench.driver.machines.prepare(SPEC, ()), range(8)))
    assert bench.requests == {"DescribeImages": 1, "DescribeInstanceTypes": 1}
    for _ in range(10):
        marker = bench.marker()
        bench.driver.machines.create(bench.intent(SPEC, marker), SPEC, marker)
    assert bench.requests == {"DescribeImages": 1, "DescribeInstanceTypes": 1, "RunInstances": 10}


def test_a_sweep_costs_a_request_a_page_and_disks_are_read_once_in_a_while(bench: Bench) -> None:
    machine = bench.make()
    first, second = bench.driver.sweep(SweepRequest()), bench.driver.sweep(SweepRequest())
    assert first.machines[machine.id] == second.machines[machine.id] == machine
    assert (second.requests, second.full, second.settled) == (1, True, True)
    third = bench.driver.sweep(SweepRequest(refresh=[machine.id]))
    assert third.requests == 2


def test_a_machine_is_the_smallest_that_fits_with_everything_said_in_one_call(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    machine = bench.make(replace(SPEC, cloud_init=CloudInit(user_data="#!/bin/sh\n")), marker)
    assert (machine.instance_type, machine.cpus, machine.memory) == ("t3.medium", 2, 4 * GIB)
    assert (machine.root_disk, machine.marker, machine.tags) == (20 * GIB, marker, {"team": "shop"})
    seen = next(found for found in cloud.machines(user_data=True) if found.id == machine.id)
    assert seen.user_data == "#!/bin/sh\n"


def test_a_repeated_create_makes_nothing_new_and_changed_words_are_told_apart(bench: Bench) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    create = bench.driver.machines.create
    assert create(intent, SPEC, marker).id == create(intent, SPEC, marker).id
    with pytest.raises(TokenMismatch):
        create(intent, replace(SPEC, cloud_init=CloudInit(user_data="#!/bin/bash\n")), marker)
    assert len(bench.driver.machines.find(marker, intent)) == 1


def test_a_search_finds_what_lost_its_marker_and_what_is_terminated(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    made = bench.driver.machines.create(intent, SPEC, marker)
    assert made.id
    bench.driver.machines.mark(bench.look(made.id), None)
    assert bench.driver.machines.find(marker, None) == []
    cloud.terminate(made.id)  # a person has to: without the marker it is none of ours
    assert [(found.id, found.power) for found in bench.driver.machines.find(marker, intent)] == [(made.id, Power.GONE)]


def test_a_mark_goes_to_the_machine_and_to_the_volumes_that_had_the_one_before(bench: Bench, cloud: AwsCloud) -> None:
    machine, after = bench.make(), bench.marker()

    def owners() -> set[str | None]:
        filters = [{"Name": "attachment.instance-id", "Values": [machine.id]}]
        volumes = cloud.client().describe_volumes(Filters=filters)["Volumes"]
        tags = [{tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])} for volume in volumes]
        return {given.get(OWNER) for given in tags}

    assert machine.marker
    assert owners() == {machine.marker.owner}
    bench.driver.machines.mark(machine, after)
    assert (bench.look(machine.id).marker, owners()) == (after, {after.owner})
    bench.driver.machines.mark(bench.look(machine.id), None)
    assert (bench.look(machine.id).marker, owners()) == (None, {None})
    assert bench.look(machine.id).tags == {"team": "shop"}


def test_a_root_disk_grows_online_and_once(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, root_disk=30 * GIB)
    for _ in range(2):
        assert bench.driver.machines.configure(machine, wanted, {"rootDisk"}, None, bench.marker()).machine
        assert bench.look(machine.id).root_disk == 30 * GIB
    assert bench.requests["ModifyVolume"] == 1


def test_a_type_changes_on_a_stopped_machine_only_and_is_kept_while_it_fits(bench: Bench) -> None:
    machine = bench.make()
    machines, marker = bench.driver.machines, bench.marker()
    machines.configure(machine, replace(SPEC, cpus=1, memory=GIB), {"cpus", "memory"}, None, marker)
    assert bench.requests["ModifyInstanceAttribute"] == 0
    larger = replace(SPEC, cpus=4)
    with pytest.raises(Busy):
        machines.configure(machine, larger, {"cpus"}, None, marker)
    machines.set_power(machine, SPEC, Power.STOPPED)
    changed = machines.configure(bench.look(machine.id), larger, {"cpus"}, None, marker).machine
    assert changed == bench.look(machine.id)
    assert (changed.cpus, changed.instance_type) == (4, "t3.xlarge")


def test_tags_are_added_and_changed_in_one_call_and_only_when_they_differ(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, tags={"team": "bank", "tier": "1"})
    for _ in range(2):
        changed = bench.driver.machines.configure(bench.look(machine.id), wanted, {"tags.team"}, None, bench.marker())
        assert changed.machine == bench.look(machine.id)
    assert bench.look(machine.id).tags == {"team": "bank", "tier": "1"}
    assert bench.requests["CreateTags"] == 1


def test_what_is_gone_is_no_error_to_delete_and_none_to_get(bench: Bench) -> None:
    unknown = replace(bench.make(), id="i-0123456789abcdef0")
    assert bench.driver.machines.delete(unknown).machine is None
    assert bench.driver.machines.get(unknown.id) is None


def test_near_names_come_from_our_own_images(bench: Bench) -> None:
    with pytest.raises(Refused, match="debian-12") as refused:
        bench.driver.machines.prepare(replace(SPEC, image="debain-12"), ())
    assert refused.value.reason is Reason.IMAGE_NOT_FOUND


def test_a_zone_means_its_default_subnet(bench: Bench, cloud: AwsCloud) -> None:
    found = bench.driver.machines.prepare(replace(SPEC, placement={"zone": f"{cloud.region}b"}), ()).parameters
    subnets = cloud.client().describe_subnets(SubnetIds=[found["SubnetId"]])["Subnets"]
    assert [(subnet["AvailabilityZone"], subnet["DefaultForAz"]) for subnet in subnets] == [(f"{cloud.region}b", True)]


# --------------------------------------------------------------------- placement

GROUP = replace(SPEC, group="db")


@pytest.fixture
def tuned(cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The cloud, whose zones and capacity are as before at the end."""
    yield cloud
    cloud.tune(zone_states={}, no_capacity=[])


def test_a_group_is_spread_over_the_zones_and_told_why(bench: Bench) -> None:
    zones: list[str] = []
    for _ in range(6):
        placed = bench.prepare(GROUP, *zones).placed
        assert placed.zone
        zones.append(placed.zone.removeprefix(REGION))
    assert sorted(zones) == ["a", "a", "b", "b", "c", "c"]
    assert bench.prepare(GROUP, "a", "a", "b").placed.why == (
        f"{REGION}c: fewest machines of the group db in 3 zones that fit ({REGION}a: 2, {REGION}b: 1, {REGION}c: 0)"
    )


def test_a_machine_of_a_group_lands_where_it_was_prepared(bench: Bench) -> None:
    prepared = bench.prepare(GROUP, "a", "b")
    machine = bench.make(replace(GROUP, placement={"zone": prepared.placed.zone or ""}))
    assert machine.zone == prepared.placed.zone == f"{REGION}c"


def test_without_a_group_ec2_chooses_the_zone(bench: Bench) -> None:
    prepared = bench.prepare()
    assert "SubnetId" not in prepared.parameters
    assert prepared.placed == Placed(why="EC2 chooses the zone")
    assert bench.requests["DescribeAvailabilityZones"] == 0


def test_a_zone_that_is_down_is_passed_over_and_refused_where_it_is_asked_for(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(zone_states={f"{REGION}a": "unavailable"})
    placed = bench.prepare(GROUP, "b").placed
    assert placed.zone == f"{REGION}c"
    assert placed.why.endswith(f"; {REGION}a is unavailable in EC2")
    with pytest.raises(Refused, match=f"asks for {REGION}a, which is unavailable") as refused:
        bench.prepare(replace(SPEC, placement={"zone": f"{REGION}a"}))
    assert refused.value.reason is Reason.CAPACITY


def test_no_zone_at_all_is_told_with_the_reason_of_each(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(zone_states={f"{REGION}{zone}": "impaired" for zone in "abc"})
    with pytest.raises(Refused) as refused:
        bench.prepare(GROUP)
    assert refused.value.reason is Reason.CAPACITY
    assert all(f"{REGION}{zone} is impaired in EC2" in refused.value.message for zone in "abc")


def test_a_zone_that_had_no_room_is_passed_over_for_a_while(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(no_capacity=[{"type": "t3.medium", "zone": f"{REGION}c"}])
    marker, apart = bench.marker(), [Placed(zone=f"{REGION}{zone}") for zone in "ab"]
    prepared = bench.driver.machines.prepare(GROUP, (), apart)
    intent = Intent(1, token(marker.uid, 1), "web", "", "aws", 0.0, parameters=prepared.parameters)
    with pytest.raises(CloudError) as error:
        bench.driver.machines.create(intent, GROUP, marker)
    assert error.value.reason is Reason.CAPACITY
    again = bench.prepare(GROUP, "a", "b").placed
    assert again.zone in {f"{REGION}a", f"{REGION}b"}
    assert f"{REGION}c has no room for t3.medium now" in again.why


def test_a_zone_that_does_not_exist_is_answered_with_near_ones(bench: Bench) -> None:
    with pytest.raises(Refused, match=f"{REGION}a") as refused:
        bench.prepare(replace(SPEC, placement={"zone": f"{REGION}z"}))
    assert refused.value.reason is Reason.NOT_FOUND


def test_a_subnet_decides_the_zone(bench: Bench, cloud: AwsCloud) -> None:
    spec = replace(SPEC, networks=(Nic("nic0", "lab-b"),))
    assert bench.prepare(spec).placed == Placed(zone=f"{REGION}b")
    with pytest.raises(Refused, match=rf"zone is {REGION}a, but spec.networks lead to {cloud.subnets[1]} in zone"):
        bench.prepare(replace(spec, placement={"zone": f"{REGION}a"}))


def test_networks_of_two_zones_cannot_be_one_machines(bench: Bench) -> None:
    with pytest.raises(Refused, match=f"a machine is in one zone, but lab-a is in {REGION}a; lab-b is in"):
        bench.prepare(replace(SPEC, networks=(Nic("nic0", "lab-a"), Nic("nic1", "lab-b"))))


def test_a_name_that_subnets_of_several_zones_share_is_one_network(bench: Bench, cloud: AwsCloud) -> None:
    ec2 = cloud.client()
    vpc = ec2.describe_subnets(SubnetIds=cloud.subnets[:1])["Subnets"][0]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.64.{192 + number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in made]
    ec2.create_tags(Resources=ids, Tags=[{"Key": "Name", "Value": "shared"}])
    spec = replace(GROUP, networks=(Nic("nic0", "shared"),))

    assert bench.prepare(spec, "a").parameters["SubnetId"] == ids[1]
    assert bench.prepare(spec, "a", "b", "b").parameters["SubnetId"] == ids[0]
    assert bench.prepare(replace(spec, placement={"zone": f"{REGION}b"}), "b").parameters["SubnetId"] == ids[1]
    machine = bench.make(replace(spec, placement={"zone": f"{REGION}b"}))
    assert machine.ports is not None
    assert machine.ports[0].network == (ids[1], "shared")


# ------------------------------------------------------------------- interfaces


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
    changed = bench.driver.machines.configure(machine, wanted, {"networks"}, None, machine.marker).machine
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


# ---------------------------------------------------------------- other changes


def test_size_and_type_of_a_disk_change_in_one_call(bench: Bench) -> None:
    machine = bench.make(replace(SPEC, root_disk_class="gp3"))
    wanted = replace(SPEC, root_disk=30 * GIB, root_disk_class="gp2")
    for fields in ({"rootDisk"}, {"rootDisk.class"}):
        changed = bench.driver.machines.configure(machine, wanted, fields, None, bench.marker()).machine
        assert changed == bench.look(machine.id)
        assert (changed.root_disk, changed.settings["rootDisk.class"]) == (30 * GIB, ("gp2",))
    assert bench.requests["ModifyVolume"] == 1


def test_a_name_and_tags_change_in_one_call(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, name="db-1", tags={"team": "bank"})
    changed = bench.driver.machines.configure(machine, wanted, {"name", "tags"}, None, bench.marker()).machine
    assert changed == bench.look(machine.id)
    assert (changed.name, changed.tags) == ("db-1", {"team": "bank"})
    assert bench.requests["CreateTags"] == 1


@pytest.mark.parametrize("form", ["name", "ARN"])
def test_a_profile_is_given_replaced_and_shown_by_name_and_arn(bench: Bench, cloud: AwsCloud, form: str) -> None:
    machine, arns = bench.make(), cloud.instance_profiles
    assert machine.settings["aws.iamInstanceProfile"] == ()
    for name in ("web", "web", "db"):
        wanted = replace(SPEC, options={"iamInstanceProfile": arns[name] if form == "ARN" else name})
        changed = bench.driver.machines.configure(
            machine, wanted, {"aws.iamInstanceProfile"}, None, bench.marker()
        ).machine
        assert changed == bench.look(machine.id)
        assert changed.settings["aws.iamInstanceProfile"] == (name, arns[name])
    assert bench.requests["AssociateIamInstanceProfile"] == 1
    assert bench.requests["ReplaceIamInstanceProfileAssociation"] == 1


def test_an_unknown_profile_group_or_key_is_told_in_ec2s_words(bench: Bench) -> None:
    machine, marker = bench.make(), bench.marker()
    configure = bench.driver.machines.configure
    wanted = replace(SPEC, options={"iamInstanceProfile": "nobody", "securityGroupIDs": ["sg-0123456789abcdef0"]})
    with pytest.raises(Refused, match="Invalid IAM Instance Profile name") as refused:
        configure(machine, wanted, {"aws.iamInstanceProfile"}, None, marker)
    assert refused.value.reason is Reason.INVALID_SPEC
    with pytest.raises(Refused, match="sg-0123456789abcdef0") as refused:
        configure(machine, wanted, {"aws.securityGroupIDs"}, None, marker)
    assert refused.value.reason is Reason.NOT_FOUND
    with pytest.raises(Refused, match="The key pair 'nobody' does not exist") as refused:
        bench.make(replace(SPEC, options={"keyName": "nobody"}))
    assert refused.value.reason is Reason.NOT_FOUND


def test_what_ec2_never_changes_is_refused_and_nothing_is_sent(bench: Bench) -> None:
    machine = bench.make()
    bench.requests.clear()
    wanted = replace(SPEC, options={"keyName": "alice"})
    with pytest.raises(Refused, match=r"aws\.keyName: EC2 never changes that") as refused:
        bench.driver.machines.configure(machine, wanted, {"aws.keyName"}, None, bench.marker())
    assert refused.value.reason is Reason.UNSUPPORTED
    assert not bench.requests


def test_ec2s_own_protection_is_told_and_never_taken_off(bench: Bench, cloud: AwsCloud) -> None:
    machine = bench.make()
    cloud.protect(machine.id)
    with pytest.raises(Refused, match=r"Change termination protection.*disableApiTermination") as refused:
        bench.driver.machines.delete(machine)
    assert refused.value.reason is Reason.DELETION_PROTECTED
    assert bench.look(machine.id).power is not Power.GONE
    cloud.protect(machine.id, on=False)
    bench.driver.machines.delete(machine)
    wait_until(lambda: bench.look(machine.id).power is Power.GONE)


# ---------------------------------------------------------------------- by hand


def test_what_people_made_is_shown_and_taken_over(bench: Bench, cloud: AwsCloud) -> None:
    ec2, words = cloud.client(), {"ImageId": cloud.images["debian-12"], "MinCount": 1, "MaxCount": 1}
    disk = {"VolumeSize": 9, "VolumeType": "gp2"}
    odd: list[dict[str, Any]] = [
        {"InstanceType": "t3.nano"},
        {"InstanceType": "t3.micro", "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": disk}]},
        {"InstanceType": "t3.small", "NetworkInterfaces": [nic(cloud, index) for index in range(2)]},
        {"InstanceType": "t3.nano", "TagSpecifications": [named('größer & <b>\u2603</b> "q"')]},
    ]
    ids = [ec2.run_instances(**words, **given)["Instances"][0]["InstanceId"] for given in odd]

    seen = bench.driver.sweep(SweepRequest(refresh=ids)).machines
    assert [seen[one].root_disk for one in ids] == [8 * GIB] * 4
    assert [len(seen[one].ports or ()) for one in ids] == [1, 1, 2, 1]
    assert [seen[one].name for one in ids] == ["", "", "", 'größer & <b>\u2603</b> "q"']
    for one in ids:
        marker = bench.marker()
        bench.driver.machines.mark(seen[one], marker)
        assert bench.look(one) == replace(seen[one], marker=marker, power=bench.look(one).power)


def nic(cloud: AwsCloud, index: int) -> dict[str, Any]:
    return {"DeviceIndex": index, "SubnetId": cloud.subnets[0]}


def named(name: str) -> dict[str, Any]:
    return {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}


def test_a_missing_permission_is_named_with_its_caller(bench: Bench, cloud: AwsCloud) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    driver = connect(settings(cloud, Counter(), cloud.readonly_credentials))
    assert driver.check().identity == f"aws:{cloud.account}:{cloud.region}"
    with pytest.raises(Refused, match=r"user/readonly lacks the permission ec2:RunInstances") as refused:
        driver.machines.create(intent, SPEC, marker)
    assert refused.value.reason is Reason.NOT_PERMITTED


def test_a_wrong_key_is_said_so(cloud: AwsCloud) -> None:
    driver = connect(settings(cloud, Counter(), {"accessKeyID": "AKIAX", "secretAccessKey": "x"}))
    with pytest.raises(Refused) as refused:
        driver.check()
    assert refused.value.reason is Reason.AUTHENTICATION_FAILED
