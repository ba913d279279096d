"""Instances that people made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hybridge.drivers.base import SweepRequest
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import GIB, Bench
from tests.sweeps import machines


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

    seen = machines(bench.driver.sweep(SweepRequest(refresh=ids))).objects
    assert [seen[one].root_disk for one in ids] == [8 * GIB] * 4
    assert [len(seen[one].ports or ()) for one in ids] == [1, 1, 2, 1]
    assert [seen[one].name for one in ids] == ["", "", "", 'größer & <b>\u2603</b> "q"']
    for one in ids:
        marker = bench.marker()
        bench.driver.machines.mark(seen[one], marker)
        assert bench.look(one) == replace(seen[one], marker=marker, power=bench.look(one).power)


def named(name: str) -> dict[str, Any]:
    return {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}


def nic(cloud: AwsCloud, index: int) -> dict[str, Any]:
    return {"DeviceIndex": index, "SubnetId": cloud.subnets[0]}
