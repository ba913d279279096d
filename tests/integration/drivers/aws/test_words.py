"""How many words EC2 takes, and how long they may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from hybridge.core.attempt import Intent
from hybridge.core.firewall import FirewallSpec
from hybridge.core.identity import Marker, token
from hybridge.core.snapshot import SnapshotSource, SnapshotSpec, SourceKind
from hybridge.drivers.aws.client import FILTER_VALUES
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import Bench


def long(kind: str) -> Marker:
    """The marker of an object whose namespace and name are as long as Kubernetes takes them."""
    return Marker("cluster", str(uuid4()), kind, "n" * 63, "o" * 253)


def intent(mark: Marker, name: str, parameters: Any) -> Intent:
    return Intent(1, token(mark.uid, 1), name, "", "aws", 0.0, parameters=parameters)


def test_a_firewall_of_a_long_name_is_made(bench: Bench, cloud: AwsCloud) -> None:
    firewalls, mark = bench.driver.firewalls, long("Firewall")
    spec = FirewallSpec(name=f"web-{mark.uid}", network=cloud.subnets[0])
    made = firewalls.create(intent(mark, spec.name, firewalls.prepare(spec, ()).parameters), spec, mark)
    (shown,) = cloud.client().describe_security_groups(GroupIds=[made.id])["SecurityGroups"]
    assert shown["Description"] == f"Firewall {'n' * 63}/{'o' * 253}"[:255]
    assert made.found is not None
    firewalls.delete(replace(made.found, marker=mark))


def test_a_snapshot_of_a_long_name_is_taken(bench: Bench, cloud: AwsCloud) -> None:
    ec2, snapshots, mark = cloud.client(), bench.driver.snapshots, long("Snapshot")
    volume = ec2.create_volume(AvailabilityZone=f"{cloud.region}a", Size=1)["VolumeId"]
    spec = SnapshotSpec(name="before", source=SnapshotSource(SourceKind.VOLUME, "data", volume))
    made = snapshots.create(intent(mark, spec.name, snapshots.prepare(spec, ()).parameters), spec, mark)
    assert made.found is not None
    snapshots.delete(made.found)


def test_a_vpc_may_have_more_subnets_than_one_filter_takes(bench: Bench, cloud: AwsCloud) -> None:
    ec2 = cloud.client()
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    for number in range(FILTER_VALUES + 1):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24")
    bench.requests.clear()

    found = bench.driver.networks.get(vpc)

    assert found is not None
    assert bench.requests["DescribeNetworkInterfaces"] == 2
