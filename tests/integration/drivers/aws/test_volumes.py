"""Volumes: what they cost in requests, and what is EC2's own about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, NotProven, Refused, TokenMismatch
from hybridge.core.identity import Marker, token
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Power
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.aws import mapping
from hybridge.drivers.aws.attachments import Attachments
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.driver import connect
from hybridge.drivers.base import SweepRequest
from lab.aws import REGION, AwsCloud
from tests.integration.drivers.aws.bench import GIB, SPEC, Bench, settings, wait_until

ZONE = f"{REGION}a"
DATA = VolumeSpec(name="data", size=10 * GIB, class_="gp3", placement={"zone": ZONE})
BOTH = (CloudKind.MACHINE, CloudKind.VOLUME)
IN_ZONE = replace(SPEC, placement={"zone": ZONE})


@pytest.fixture
def tuned(cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The cloud, whose ways are turned back in the end."""
    yield cloud
    cloud.tune(transition_seconds=0.0, modification_seconds=0.0, encrypt_volumes=False, zone_states={})


def marker() -> Marker:
    uid = str(uuid4())
    return Marker("cluster", uid, "Volume", "shop", f"data-{uid}")


def intent(bench: Bench, spec: VolumeSpec, mark: Marker, attempt: int = 1) -> Intent:
    prepared = bench.driver.volumes.prepare(spec, ())
    return Intent(attempt, token(mark.uid, attempt), mark.name, "", "aws", 0.0, parameters=prepared.parameters)


def make(bench: Bench, spec: VolumeSpec = DATA, mark: Marker | None = None) -> Volume:
    mark = mark or marker()
    made = bench.driver.volumes.create(intent(bench, spec, mark), spec, mark)
    assert made.id
    return look(bench, made.id)


def look(bench: Bench, volume_id: str) -> Volume:
    found = bench.driver.volumes.get(volume_id)
    assert found
    return found


def ended(bench: Bench, task: Task | None) -> Task:
    """How a task ended, as sweeps tell it."""
    assert task is not None
    told: list[Task] = []

    def over() -> bool:
        told.append(bench.driver.sweep(SweepRequest(kinds=BOTH, tasks=[task])).tasks[task.id])
        return told[-1].state is not TaskState.RUNNING

    wait_until(over)
    return told[-1]


def test_a_volume_costs_a_request_to_make_two_to_attach_and_two_to_delete(bench: Bench) -> None:
    machine = bench.make(IN_ZONE)
    mark = marker()
    asked = intent(bench, DATA, mark)
    bench.requests.clear()

    made = bench.driver.volumes.create(asked, DATA, mark)
    assert bench.requests == {"CreateVolume": 1}
    assert made.found == look(bench, made.id or "")

    bench.requests.clear()
    attached = bench.driver.machines.attach(machine, made.id or "")
    assert bench.requests == {"DescribeInstances": 1, "AttachVolume": 1}
    assert ended(bench, attached.task).state is TaskState.SUCCEEDED
    machine = bench.look(machine.id)
    assert attached.found == machine

    bench.requests.clear()
    detached = bench.driver.machines.detach(machine, made.id or "")
    assert bench.requests == {"DescribeInstances": 1, "DetachVolume": 1}
    assert ended(bench, detached.task).state is TaskState.SUCCEEDED

    bench.requests.clear()
    bench.driver.volumes.delete(look(bench, made.id or ""))
    assert bench.requests == {"DescribeVolumes": 2, "DeleteVolume": 1}


def test_a_sweep_reads_volumes_and_root_disks_at_once(bench: Bench) -> None:
    machine, volume = bench.make(IN_ZONE), make(bench)
    bench.driver.sweep(SweepRequest(kinds=BOTH))
    bench.requests.clear()

    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH, refresh=[machine.id, volume.id], max_age={machine.id: 0.0}))

    assert bench.requests == {"DescribeVolumes": 1, "DescribeInstances": 1}
    assert sweep.portions[CloudKind.VOLUME].objects[volume.id] == volume
    assert sweep.portions[CloudKind.MACHINE].objects[machine.id] == machine
    assert sweep.portions[CloudKind.VOLUME].full


def test_a_change_is_one_call_and_is_followed_in_one_request(bench: Bench, tuned: AwsCloud) -> None:
    volume = make(bench)
    bench.driver.sweep(SweepRequest(kinds=BOTH))
    wanted = replace(DATA, size=20 * GIB, iops=4000, throughput=250 * 2**20)
    tuned.tune(transition_seconds=3.0)
    bench.requests.clear()
    started = bench.driver.volumes.configure(volume, wanted, {"size", "iops", "throughput"}, None, marker())
    assert bench.requests == {"DescribeVolumes": 1, "ModifyVolume": 1}
    assert started.task
    with pytest.raises(Busy):
        bench.driver.volumes.configure(volume, wanted, {"size"}, None, marker())
    bench.requests.clear()

    sweep = bench.driver.sweep(SweepRequest(kinds=BOTH, tasks=[started.task]))

    assert bench.requests == {"DescribeVolumesModifications": 1, "DescribeVolumes": 1, "DescribeInstances": 1}
    assert (sweep.tasks[started.task.id].state, sweep.tasks[started.task.id].progress) == (TaskState.RUNNING, 0)
    assert ended(bench, started.task).state is TaskState.SUCCEEDED
    now = look(bench, volume.id)
    assert (now.size, now.iops, now.throughput) == (20 * GIB, 4000, 250 * 2**20)


@pytest.mark.parametrize("field", ["name", "tags.team", "size"])
def test_what_somebody_else_has_taken_over_is_not_changed(bench: Bench, cloud: AwsCloud, field: str) -> None:
    ec2, volume = cloud.client(), make(bench)
    theirs = [{"Key": key, "Value": value} for key, value in marker().pairs().items()]
    ec2.create_tags(Resources=[volume.id], Tags=theirs)
    before = look(bench, volume.id)
    wanted = replace(DATA, name="ours", size=20 * GIB, tags={"team": "ours"})

    with pytest.raises(NotProven):
        bench.driver.volumes.configure(volume, wanted, {field}, None, marker())

    assert look(bench, volume.id) == before


def test_a_volume_that_was_changed_lately_is_left_alone_for_a_while(bench: Bench, tuned: AwsCloud) -> None:
    volume = make(bench)
    tuned.tune(modification_seconds=600.0)
    for size in (20, 30):
        wanted = replace(DATA, size=size * GIB)
        caught: CloudError | None = None
        try:
            ended(bench, bench.driver.volumes.configure(volume, wanted, {"size"}, None, marker()).task)
        except CloudError as error:
            caught = error
    assert caught is not None
    assert "Wait at least 6 hours" in caught.message
    assert (caught.reason, caught.disposition) == (Reason.LOCKED, Disposition.RETRY)
    assert caught.retry_after
    assert not caught.took_effect_possible


def test_what_ec2_never_changes_is_refused_and_nothing_is_sent(bench: Bench) -> None:
    volume = make(bench)
    bench.requests.clear()
    with pytest.raises(Refused, match=r"placement\.zone: EC2 never changes that of a volume"):
        bench.driver.volumes.configure(volume, DATA, {"placement.zone"}, None, marker())
    assert not bench.requests


def test_a_token_with_other_words_is_told(bench: Bench) -> None:
    mark = marker()
    first = intent(bench, DATA, mark)
    bench.driver.volumes.create(first, DATA, mark)
    other = replace(first, parameters={**first.parameters, "Size": 11})
    with pytest.raises(TokenMismatch):
        bench.driver.volumes.create(other, DATA, mark)


def test_an_account_that_encrypts_all_is_seen(bench: Bench, tuned: AwsCloud) -> None:
    tuned.tune(encrypt_volumes=True)
    made = make(bench, replace(DATA, encrypted=False))
    assert made.encrypted
    arn, key = made.settings["aws.kmsKeyID"]
    assert arn.endswith(f":key/{key}")


@pytest.mark.parametrize(
    ("defaults", "zone", "why"),
    [
        ({}, "a", "the first zone of the region"),
        ({"zone": f"{REGION}b"}, "b", "the Provider's default zone"),
        ({"network": "lab-b"}, "b", "the Provider's default network"),
    ],
)
def test_a_volume_goes_where_machines_go(
    bench: Bench, cloud: AwsCloud, defaults: dict[str, str], zone: str, why: str
) -> None:
    given = replace(settings(cloud, bench.requests), defaults=defaults)
    driver = connect(given)
    placed = driver.volumes.prepare(replace(DATA, placement={}), ()).placed
    driver.close()
    assert placed.zone == f"{REGION}{zone}"
    assert why in placed.why


def test_zones_that_are_down_or_unknown_are_refused(bench: Bench, tuned: AwsCloud) -> None:
    def reason(zone: str) -> Reason:
        with pytest.raises(Refused, match=zone) as refused:
            driver.volumes.prepare(replace(DATA, placement={"zone": zone}), ())
        return refused.value.reason

    tuned.tune(zone_states={ZONE: "unavailable"})
    driver = connect(settings(tuned, bench.requests))
    assert (reason("nowhere"), reason(ZONE)) == (Reason.NOT_FOUND, Reason.CAPACITY)
    assert driver.volumes.prepare(replace(DATA, placement={}), ()).placed.zone == f"{REGION}b"
    driver.close()


def test_a_device_name_is_free_and_a_zone_is_the_machines(bench: Bench) -> None:
    machine = bench.make(IN_ZONE)
    for device in ("/dev/sdf", "/dev/sdg"):
        ended(bench, bench.driver.machines.attach(machine, make(bench).id).task)
        machine = bench.look(machine.id)
        assert [disk.device for disk in machine.disks or ()][-1] == device
    first = (machine.disks or ())[0].id
    ended(bench, bench.driver.machines.detach(machine, first).task)
    ended(bench, bench.driver.machines.attach(machine, make(bench).id).task)
    assert {disk.device for disk in bench.look(machine.id).disks or ()} == {"/dev/sdf", "/dev/sdg"}
    far = make(bench, replace(DATA, placement={"zone": f"{REGION}b"}))
    with pytest.raises(Refused, match="not in the same availability zone") as refused:
        bench.driver.machines.attach(machine, far.id)
    assert refused.value.reason is Reason.INVALID_SPEC


def test_an_attachment_that_is_not_shown_yet_is_not_taken_for_another_machines(bench: Bench, cloud: AwsCloud) -> None:
    """The answer to a first call was lost, and the instance is shown as it was before."""
    machine, volume, ec2 = bench.make(IN_ZONE), make(bench), cloud.client()
    (group,) = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"]
    before = mapping.seen(group["Instances"][0])
    ec2.attach_volume(VolumeId=volume.id, InstanceId=machine.id, Device="/dev/sdf")
    client = Client(settings(cloud, bench.requests))

    started = Attachments(client).attach(machine, before, volume.id)

    client.close()
    assert started.task
    assert ended(bench, started.task).state is TaskState.SUCCEEDED


def test_a_machine_goes_without_what_is_anothers_and_with_what_came_with_it(bench: Bench, cloud: AwsCloud) -> None:
    machine, volume = bench.make(IN_ZONE), make(bench)
    ended(bench, bench.driver.machines.attach(machine, volume.id).task)
    machine, ec2 = bench.look(machine.id), cloud.client()
    words = [{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}]
    ec2.modify_instance_attribute(InstanceId=machine.id, BlockDeviceMappings=words)
    bench.requests.clear()

    bench.driver.machines.delete(machine)

    wait_until(lambda: bench.look(machine.id).power is Power.GONE)
    assert look(bench, volume.id).state is State.READY
    assert bench.requests["ModifyInstanceAttribute"] == 1
    filters = [{"Name": "attachment.instance-id", "Values": [machine.id]}]
    assert ec2.describe_volumes(Filters=filters)["Volumes"] == []
