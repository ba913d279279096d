"""The AWS driver against the lab's EC2: what is peculiar to this cloud. What all clouds share is in tests/contract."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, CloudError, Refused, TokenMismatch
from hybridge.core.identity import OWNER, Marker, token
from hybridge.core.machine import CloudInit, Intent, Machine, MachineSpec, Nic, Placed, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.driver import Driver, connect
from hybridge.drivers.base import Prepared, Settings, SweepRequest
from lab.aws import REGION, AwsCloud

GIB = 1024**3
SPEC = MachineSpec(name="web", image="debian-12", cpus=2, memory=4 * GIB, root_disk=20 * GIB, tags={"team": "shop"})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path_factory.mktemp("aws"), transition=0.0) as running:
        yield running


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
