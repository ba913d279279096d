"""Changes of instances: in as few calls as EC2 allows, and never what it forbids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.cloudinit import HOSTNAME
from hybridge.core.errors import Busy, Refused
from hybridge.core.machine import CloudInit, Power
from hybridge.core.reasons import Reason
from lab.aws import AwsCloud
from tests.integration.drivers.aws.bench import GIB, SPEC, Bench, wait_until


def test_a_root_disk_grows_online_and_once(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, root_disk=30 * GIB)
    for _ in range(2):
        assert bench.driver.machines.configure(machine, wanted, {"rootDisk"}, None, bench.marker()).found
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
    changed = machines.configure(bench.look(machine.id), larger, {"cpus"}, None, marker).found
    assert changed == bench.look(machine.id)
    assert (changed.cpus, changed.instance_type) == (4, "t3.xlarge")


def test_tags_are_added_and_changed_in_one_call_and_only_when_they_differ(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, tags={"team": "bank", "tier": "1"})
    for _ in range(2):
        changed = bench.driver.machines.configure(bench.look(machine.id), wanted, {"tags.team"}, None, bench.marker())
        assert changed.found == bench.look(machine.id)
    assert bench.look(machine.id).tags == {"team": "bank", "tier": "1"}
    assert bench.requests["CreateTags"] == 1


def test_size_and_type_of_a_disk_change_in_one_call(bench: Bench) -> None:
    machine = bench.make(replace(SPEC, root_disk_class="gp3"))
    wanted = replace(SPEC, root_disk=30 * GIB, root_disk_class="gp2")
    for fields in ({"rootDisk"}, {"rootDisk.class"}):
        changed = bench.driver.machines.configure(machine, wanted, fields, None, bench.marker()).found
        assert changed == bench.look(machine.id)
        assert (changed.root_disk, changed.settings["rootDisk.class"]) == (30 * GIB, ("gp2",))
    assert bench.requests["ModifyVolume"] == 1


def test_a_name_and_tags_change_in_one_call(bench: Bench) -> None:
    machine = bench.make()
    wanted = replace(SPEC, name="db-1", tags={"team": "bank"})
    changed = bench.driver.machines.configure(machine, wanted, {"name", "tags"}, None, bench.marker()).found
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
        ).found
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


def test_a_type_that_fits_is_no_help_where_an_instance_was_launched_with_fewer_cpus(bench: Bench) -> None:
    machine = replace(bench.make(), cpus=1)
    with pytest.raises(Refused, match="launched with 1 of the cpus") as caught:
        bench.driver.machines.configure(machine, SPEC, {"cpus"}, None, bench.marker())
    assert caught.value.reason is Reason.UNSUPPORTED


def test_a_host_name_does_not_replace_user_data_that_are_not_ours(bench: Bench, cloud: AwsCloud) -> None:
    theirs = "#!/bin/sh\ntouch /theirs\n"
    marker = bench.marker()
    machine = bench.make(replace(SPEC, cloud_init=CloudInit(user_data=theirs)), marker)
    machines, intent = bench.driver.machines, bench.intent(SPEC, marker)
    machines.set_power(machine, SPEC, Power.STOPPED)
    named = replace(SPEC, cloud_init=CloudInit(hostname="web-1"))
    with pytest.raises(Refused, match=r"set spec\.cloudInit\.userData"):
        machines.configure(machine, named, {HOSTNAME}, replace(intent, attempt=0), marker)
    assert theirs in _given(cloud, machine.id)
    machines.configure(machine, named, {HOSTNAME}, intent, marker)
    assert "web-1" in _given(cloud, machine.id)


def _given(cloud: AwsCloud, machine_id: str) -> str:
    (found,) = [machine for machine in cloud.machines(user_data=True) if machine.id == machine_id]
    return found.user_data or ""
