"""The AWS driver against the lab's EC2: what is peculiar to this cloud. What all clouds share is in tests/contract."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from hybridge.core.errors import Busy, Refused, TokenMismatch
from hybridge.core.identity import OWNER, Marker, token
from hybridge.core.machine import CloudInit, Intent, Machine, MachineSpec, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.driver import Driver, connect
from hybridge.drivers.base import Settings, SweepRequest
from lab.aws import AwsCloud

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


def test_a_search_finds_what_lost_its_marker_and_what_is_terminated(bench: Bench) -> None:
    marker = bench.marker()
    intent = bench.intent(SPEC, marker)
    made = bench.driver.machines.create(intent, SPEC, marker)
    assert made.id
    bench.driver.machines.mark(bench.look(made.id), None)
    assert bench.driver.machines.find(marker, None) == []
    bench.driver.machines.delete(bench.look(made.id))
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
