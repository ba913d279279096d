"""The lab's AWS answers as EC2 does where moto alone would not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab import permissions
from lab.aws import AwsCloud
from lab.aws_names import GROUPS, KEY_PAIRS, PROFILES, SUBNETS
from lab.permissions import Grant
from lab.process import LabError

Launch = Callable[..., Any]


EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCloud]:
    with AwsCloud(tmp_path_factory.mktemp("aws"), transition=0.05) as cloud:
        cloud.tune(policies={"operator": EVERYTHING})
        yield cloud


@pytest.fixture
def cloud(shared: AwsCloud) -> Iterator[AwsCloud]:
    yield shared
    shared.tune(consistency_lag=0.0, limits={}, no_capacity=[], vcpu_limit=None, transition_seconds=0.05)
    shared.tune(refuse_terminated_token=False, terminated_seconds=3600.0, zone_states={})


@pytest.fixture(scope="module")
def ec2(shared: AwsCloud) -> Any:
    return shared.client(credentials=shared.credentials)


@pytest.fixture
def launch(cloud: AwsCloud, ec2: Any) -> Launch:
    def call(**wanted: Any) -> Any:
        defaults = {"InstanceType": "t3.micro", "SubnetId": cloud.subnets[0], "ImageId": cloud.images["debian-12"]}
        return ec2.run_instances(**{**defaults, "MinCount": 1, "MaxCount": 1, **wanted})["Instances"][0]

    return call


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


def all_ids(ec2: Any, page: int = 1000) -> list[str]:
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": page})
    return [item["InstanceId"] for page in pages for group in page["Reservations"] for item in group["Instances"]]


def state(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


# ------------------------------------------------------------------ the account


def test_the_account_has_images_with_a_disk_of_known_size(cloud: AwsCloud, ec2: Any) -> None:
    images = ec2.describe_images(Owners=["self"])["Images"]

    assert {image["Name"]: image["ImageId"] for image in images} == cloud.images
    assert all(image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8 and image["EnaSupport"] for image in images)


def test_the_subnets_are_in_two_zones_of_the_region(cloud: AwsCloud, ec2: Any) -> None:
    subnets = ec2.describe_subnets(SubnetIds=cloud.subnets)["Subnets"]

    assert {subnet["AvailabilityZone"] for subnet in subnets} == {"eu-central-1a", "eu-central-1b"}


def test_names_and_ids_are_the_same_in_every_lab(cloud: AwsCloud, ec2: Any) -> None:
    assert cloud.subnet_names == list(SUBNETS)
    assert cloud.security_groups.items() >= GROUPS.items()
    assert {pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]} == set(KEY_PAIRS) == set(cloud.key_pairs)
    assert set(cloud.instance_profiles) == set(PROFILES)


def test_the_caller_is_told_who_he_is(cloud: AwsCloud) -> None:
    identity = cloud.client("sts", cloud.credentials).get_caller_identity()

    assert identity["Account"] == cloud.account
    assert identity["Arn"].endswith(":user/operator")


@pytest.mark.parametrize("change", [{"accessKeyID": "AKIA0000000000000000"}, {"secretAccessKey": "wrong"}])
@pytest.mark.parametrize(("service", "call"), [("ec2", "describe_instances"), ("sts", "get_caller_identity")])
def test_an_unknown_key_or_a_wrong_secret_is_no_login(
    cloud: AwsCloud, change: dict[str, str], service: str, call: str
) -> None:
    stranger = cloud.client(service, {**cloud.credentials, **change})

    with pytest.raises(ClientError) as error:
        getattr(stranger, call)()

    assert refusal(error) == (401, "AuthFailure")


def test_a_read_only_key_may_look_and_not_touch(cloud: AwsCloud, ec2: Any) -> None:
    reader = cloud.client(credentials=cloud.readonly_credentials)
    reader.describe_instances()

    with pytest.raises(ClientError, match=r"ec2:TerminateInstances.*Encoded authorization failure message") as error:
        reader.terminate_instances(InstanceIds=["i-0123456789abcdef0"])

    assert refusal(error) == (403, "UnauthorizedOperation")


# ---------------------------------------------------------------- client tokens


def test_the_same_token_and_parameters_give_the_same_instance(launch: Launch) -> None:
    first = launch(ClientToken="same", UserData="#!/bin/sh")

    assert launch(ClientToken="same", UserData="#!/bin/sh")["InstanceId"] == first["InstanceId"]


def test_the_same_token_with_other_parameters_is_refused(launch: Launch) -> None:
    launch(ClientToken="other", UserData="one")

    with pytest.raises(ClientError) as error:
        launch(ClientToken="other", UserData="two")

    assert refusal(error) == (400, "IdempotentParameterMismatch")


def test_concurrent_calls_with_one_token_make_one_instance(launch: Launch) -> None:
    together = threading.Barrier(8)

    def call(_: int) -> str:
        together.wait()
        return str(launch(ClientToken="concurrent")["InstanceId"])

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(call, range(8)))

    assert len(made) == 1


def test_a_token_outlives_its_instance(cloud: AwsCloud, launch: Launch) -> None:
    first = launch(ClientToken="terminated")
    cloud.terminate(first["InstanceId"])

    again = launch(ClientToken="terminated")

    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] in {"shutting-down", "terminated"}


def test_a_token_of_a_terminated_instance_can_be_refused(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(refuse_terminated_token=True)
    cloud.terminate(launch(ClientToken="refused")["InstanceId"])

    with pytest.raises(ClientError) as error:
        launch(ClientToken="refused")

    assert refusal(error) == (400, "IdempotentInstanceTerminated")


def test_a_token_is_forgotten_together_with_its_instance(cloud: AwsCloud, launch: Launch) -> None:
    first = launch(ClientToken="forgotten")
    cloud.terminate(first["InstanceId"])
    cloud.tune(terminated_seconds=0.0)

    assert launch(ClientToken="forgotten")["InstanceId"] != first["InstanceId"]


def test_a_refused_launch_does_not_use_up_its_token(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(no_capacity=[{"type": "t3.micro"}])
    with pytest.raises(ClientError):
        launch(ClientToken="unused")
    cloud.tune(no_capacity=[])

    assert launch(ClientToken="unused")["InstanceId"].startswith("i-")


def test_a_volume_is_made_once_for_a_token(ec2: Any) -> None:
    wanted = {"AvailabilityZone": "eu-central-1a", "Size": 3, "VolumeType": "gp3", "ClientToken": "volume"}
    first = ec2.create_volume(**wanted)["VolumeId"]

    assert ec2.create_volume(**wanted)["VolumeId"] == first
    with pytest.raises(ClientError) as error:
        ec2.create_volume(**{**wanted, "Size": 4})
    assert refusal(error) == (400, "IdempotentParameterMismatch")


# ------------------------------------------------------------ lag, states, limits


def test_a_new_instance_is_unknown_for_a_while(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(consistency_lag=3600.0)
    made = launch(ClientToken="late")["InstanceId"]
    calls: list[Callable[[], Any]] = [
        lambda: ec2.describe_instances(InstanceIds=[made]),
        lambda: ec2.terminate_instances(InstanceIds=[made]),
        lambda: ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "b"}]),
    ]

    assert made not in all_ids(ec2)
    assert made in [machine.id for machine in cloud.machines()]
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == (400, "InvalidInstanceID.NotFound")
    assert launch(ClientToken="late")["InstanceId"] == made

    cloud.tune(consistency_lag=0.0)
    assert made in all_ids(ec2)


def test_a_policy_says_which_action_on_which_instance(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(policies={})
    marked = cloud.launch_by_hand({"hybridge.io/owner": "somebody"})
    plain = cloud.launch_by_hand({})

    for made, code in ((marked, "DryRunOperation"), (plain, "UnauthorizedOperation")):
        with pytest.raises(ClientError) as error:
            ec2.terminate_instances(InstanceIds=[made], DryRun=True)
        assert refusal(error)[1] == code
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"], DryRun=True)
    assert refusal(error) == (400, "InvalidInstanceID.NotFound")
    with pytest.raises(ClientError) as error:
        ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)
    assert refusal(error) == (403, "UnauthorizedOperation")
    ec2.terminate_instances(InstanceIds=[marked])
    cloud.tune(policies={"operator": EVERYTHING})
    assert state(ec2, plain) in {"pending", "running"}


def test_a_dry_run_makes_nothing(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    before = {machine.id for machine in cloud.machines()}

    with pytest.raises(ClientError) as error:
        launch(DryRun=True)

    assert refusal(error) == (412, "DryRunOperation")
    assert {machine.id for machine in cloud.machines()} == before


def test_passing_a_role_is_a_permission_of_its_own(cloud: AwsCloud, launch: Launch) -> None:
    policy = permissions.aws()
    role = Grant("GiveInstanceProfiles", "iam:PassRole")
    codes = []
    for given in (policy, permissions.aws_without(policy, role)):
        cloud.tune(policies={"operator": given})
        with pytest.raises(ClientError) as error:
            launch(IamInstanceProfile={"Name": "web"}, DryRun=True)
        codes.append(refusal(error)[1])
        words = str(error.value)
    cloud.tune(policies={"operator": EVERYTHING})

    assert codes == ["DryRunOperation", "UnauthorizedOperation"]
    assert "iam:PassRole" in words


def test_states_take_time_in_both_directions(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=3600.0)
    waiting = launch()["InstanceId"]
    assert state(ec2, waiting) == "pending"
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[waiting])
    assert refusal(error) == (400, "IncorrectInstanceState")

    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]
    cloud.tune(transition_seconds=3600.0)
    cloud.power(made, on=False)
    assert state(ec2, made) == "stopping"
    with pytest.raises(ClientError) as error:
        ec2.start_instances(InstanceIds=[made])
    assert refusal(error) == (400, "IncorrectInstanceState")
    cloud.terminate(made)
    assert state(ec2, made) == "shutting-down"


def test_a_state_is_reached_by_the_clock(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    made = launch()["InstanceId"]
    eventually(lambda: state(ec2, made) == "running")
    cloud.power(made, on=False)
    eventually(lambda: state(ec2, made) == "stopped")
    cloud.power(made, on=True)
    eventually(lambda: state(ec2, made) == "running")
    cloud.terminate(made)
    eventually(lambda: state(ec2, made) == "terminated")


def test_the_type_changes_only_while_stopped(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]
    wanted = {"InstanceId": made, "InstanceType": {"Value": "t3.large"}}

    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(**wanted)
    assert refusal(error) == (400, "IncorrectInstanceState")

    cloud.power(made, on=False)
    ec2.modify_instance_attribute(**wanted)
    assert {machine.id: machine.type for machine in cloud.machines()}[made] == "t3.large"


@pytest.mark.parametrize("name", ["describe", "mutate", "run"])
def test_each_class_of_requests_has_a_bucket_of_its_own(cloud: AwsCloud, ec2: Any, launch: Launch, name: str) -> None:
    calls = {
        "describe": ec2.describe_instances,
        "mutate": lambda: ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1),
        "run": launch,
    }
    cloud.tune(limits={name: {"rate": 0.0, "burst": 0}})

    with pytest.raises(ClientError) as error:
        calls.pop(name)()

    assert refusal(error) == (503, "RequestLimitExceeded")
    for call in calls.values():
        call()


def test_a_bucket_is_full_at_first(cloud: AwsCloud, ec2: Any) -> None:
    cloud.tune(limits={"describe": {"rate": 0.0, "burst": 2}})
    ec2.describe_instances()
    ec2.describe_instances()

    with pytest.raises(ClientError, match="Request limit exceeded"):
        ec2.describe_instances()


def test_a_zone_may_have_no_capacity_for_a_type(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(no_capacity=[{"type": "t3.micro", "zone": "eu-central-1a"}])

    with pytest.raises(ClientError) as error:
        launch(SubnetId=cloud.subnets[0])

    assert refusal(error) == (500, "InsufficientInstanceCapacity")
    assert launch(SubnetId=cloud.subnets[1])["Placement"]["AvailabilityZone"] == "eu-central-1b"


def test_the_quota_of_vcpus_holds(cloud: AwsCloud, launch: Launch) -> None:
    cloud.tune(vcpu_limit=1)

    with pytest.raises(ClientError) as error:
        launch()

    assert refusal(error) == (400, "VcpuLimitExceeded")


def test_a_turn_that_does_not_exist_is_an_error(cloud: AwsCloud) -> None:
    with pytest.raises(LabError, match="unknown: speed"):
        cloud.tune(speed=3)


# -------------------------------------------------------------------- instances


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}]},
            "InvalidBlockDeviceMapping",
        ),
    ],
)
def test_an_impossible_launch_leaves_nothing(
    ec2: Any, cloud: AwsCloud, launch: Launch, wanted: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        launch(ClientToken=f"impossible-{code}", **wanted)

    assert refusal(error) == (400, code)
    assert f"impossible-{code}" not in {machine.client_token for machine in cloud.machines(terminated=True)}


def test_the_root_disk_comes_from_the_image_and_grows_on_request(ec2: Any, launch: Launch) -> None:
    wanted = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": False}},
    ]
    plain, grown = launch()["InstanceId"], launch(BlockDeviceMappings=wanted)["InstanceId"]

    def sizes(made: str) -> dict[str, int]:
        found = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [made]}])["Volumes"]
        return {volume["Attachments"][0]["Device"]: volume["Size"] for volume in found}

    assert sizes(plain) == {"/dev/xvda": 8}
    assert sizes(grown) == {"/dev/xvda": 20, "/dev/sdf": 5}


def test_user_data_and_tags_are_kept(cloud: AwsCloud, launch: Launch) -> None:
    tags = [{"Key": "Name", "Value": "web-1"}, {"Key": "team", "Value": "shop"}]
    made = launch(UserData="#cloud-config\n", TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])

    machine = next(item for item in cloud.machines(user_data=True) if item.id == made["InstanceId"])

    assert (machine.name, machine.tags["team"], machine.user_data) == ("web-1", "shop", "#cloud-config\n")


def test_instances_are_found_by_tag_and_by_token(ec2: Any, launch: Launch) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "hybridge.io/owner", "Value": "c/1"}]}]
    made = launch(ClientToken="found", TagSpecifications=tags)["InstanceId"]

    for name, value in [("client-token", "found"), ("tag:hybridge.io/owner", "c/1")]:
        found = ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"]
        assert [item["Instances"][0]["InstanceId"] for item in found] == [made]


def test_pages_hold_every_instance_once(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    made = {launch()["InstanceId"] for _ in range(7)}

    found = all_ids(ec2, page=5)

    assert len(found) == len(set(found))
    assert made <= set(found)


def test_a_description_shows_each_change_at_once(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(transition_seconds=0.0)
    made = launch()["InstanceId"]

    def described() -> Any:
        return ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]

    assert "Tags" not in described()
    ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "b"}])
    assert described()["Tags"] == [{"Key": "a", "Value": "b"}]
    volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
    ec2.attach_volume(InstanceId=made, VolumeId=volume, Device="/dev/sdg")
    assert {disk["DeviceName"] for disk in described()["BlockDeviceMappings"]} == {"/dev/xvda", "/dev/sdg"}


def test_a_person_launches_and_terminates_behind_the_operators_back(cloud: AwsCloud) -> None:
    made = cloud.launch_by_hand({"Name": "by-hand"})
    assert made in [machine.id for machine in cloud.machines()]

    cloud.terminate(made)

    assert made not in [machine.id for machine in cloud.machines()]
    assert made in [machine.id for machine in cloud.machines(terminated=True)]


def test_nothing_can_be_read_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="wait"):
        _ = AwsCloud(tmp_path).images


# --------------------------------------------------------------- network interfaces


def interface_of(cloud: AwsCloud, instance_id: str, number: int) -> dict[str, Any]:
    return cloud.interfaces(instance_id)[number]


@pytest.fixture
def plugged(cloud: AwsCloud, launch: Launch) -> tuple[str, str]:
    """An instance, and the interface that was attached to it."""
    instance_id = launch(InstanceType="t3.medium")["InstanceId"]
    return instance_id, cloud.plug(instance_id, "lab-a-storage")


def test_an_interface_takes_its_time_to_leave_and_is_not_deleted_before(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    instance_id, interface = plugged
    cloud.tune(transition_seconds=0.5)
    cloud.unplug(instance_id)
    assert interface_of(cloud, instance_id, 1)["Attachment"]["Status"] == "detaching"
    with pytest.raises(ClientError, match="currently in use") as error:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert refusal(error) == (400, "InvalidParameterValue")

    eventually(lambda: len(cloud.interfaces(instance_id)) == 1)
    ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_the_first_interface_is_never_detached(cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]) -> None:
    attachment = interface_of(cloud, plugged[0], 0)["Attachment"]["AttachmentId"]
    with pytest.raises(ClientError) as error:
        ec2.detach_network_interface(AttachmentId=attachment)
    assert refusal(error) == (400, "OperationNotPermitted")


def test_what_came_with_an_instance_goes_with_it_and_what_came_later_only_if_it_was_told(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    instance_id, kept = plugged
    told = cloud.plug(instance_id, "lab-a")
    attachment = interface_of(cloud, instance_id, 2)["Attachment"]["AttachmentId"]
    words = {"AttachmentId": attachment, "DeleteOnTermination": True}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=told, Attachment=words)
    first = interface_of(cloud, instance_id, 0)["NetworkInterfaceId"]

    cloud.terminate(instance_id)

    found = {nic["NetworkInterfaceId"]: nic["Status"] for nic in ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert found.get(kept) == "available"
    assert not found.keys() & {first, told}


def test_an_interface_fits_into_its_zone_its_place_and_its_type(
    cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]
) -> None:
    def attach(subnet: str, index: int) -> Any:
        made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        with pytest.raises(ClientError) as error:
            ec2.attach_network_interface(NetworkInterfaceId=made, InstanceId=plugged[0], DeviceIndex=index)
        return refusal(error)[1]

    assert attach(cloud.subnets[1], 2) == "InvalidParameterCombination"
    assert attach(cloud.subnets[0], 1) == "InvalidParameterValue"
    cloud.plug(plugged[0], "lab-a")
    assert attach(cloud.subnets[0], 3) == "AttachmentLimitExceeded"


def test_an_interface_is_made_once_for_a_token(ec2: Any, cloud: AwsCloud) -> None:
    words = {"SubnetId": cloud.subnets[0], "ClientToken": "an-interface"}
    made = [ec2.create_network_interface(**words)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(ClientError) as error:
        ec2.create_network_interface(**{**words, "SubnetId": cloud.subnets[1]})
    assert refusal(error) == (400, "IdempotentParameterMismatch")


def test_groups_belong_to_interfaces_and_have_to_exist(cloud: AwsCloud, ec2: Any, plugged: tuple[str, str]) -> None:
    instance_id, interface = plugged
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[GROUPS["db"]])
    assert [group["GroupId"] for group in interface_of(cloud, instance_id, 1)["Groups"]] == [GROUPS["db"]]
    assert GROUPS["db"] not in {group["GroupId"] for group in interface_of(cloud, instance_id, 0)["Groups"]}
    with pytest.raises(ClientError) as error:
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=["sg-0123456789abcdef0"])
    assert refusal(error) == (400, "InvalidGroup.NotFound")
    with pytest.raises(ClientError, match="multiple interfaces"):
        ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[GROUPS["web"]])


def test_a_zone_that_failed_takes_no_machines(cloud: AwsCloud, ec2: Any, launch: Launch) -> None:
    cloud.tune(zone_states={"eu-central-1b": "unavailable"})
    zones = {zone["ZoneName"]: zone["State"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    with pytest.raises(ClientError) as error:
        launch(SubnetId=cloud.subnets[1])

    assert zones["eu-central-1b"] == "unavailable"
    assert zones["eu-central-1a"] == "available"
    assert refusal(error)[1] == "InsufficientInstanceCapacity"
