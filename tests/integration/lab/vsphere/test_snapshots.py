"""Snapshots of the lab's machines: trees, what they hold, and what a machine is after it went back."""

from __future__ import annotations

import pytest

from lab.process import LabError
from lab.vsphere import VsphereCloud
from tests.integration.lab.vsphere.client import Client


@pytest.fixture
def machine(cloud: VsphereCloud, client: Client, debian: str, name: str) -> str:
    return client.clone(name, debian).moid


def test_they_build_on_each_other_and_are_merged(cloud: VsphereCloud, machine: str) -> None:
    one, two, three = (cloud.snapshots.take(machine, f"s{number}") for number in range(3))
    assert [cloud.snapshots.snapshot(each).parent for each in (one, two, three)] == [None, one, two]

    cloud.snapshots.remove(two)
    cloud.snapshots.rename(three, "last")
    cloud.snapshots.describe(three, "of the web team")

    found = [each for each in cloud.snapshots.all() if each.machine == machine]
    assert [(each.id, each.name, each.parent) for each in found] == [(one, "s0", None), (three, "last", one)]
    assert found[1].description == "of the web team"


def test_what_a_machine_cannot_give_is_passed_over(cloud: VsphereCloud, machine: str) -> None:
    taken = cloud.snapshots.take(machine, "off", memory=True, quiesce=True)

    found = cloud.snapshots.snapshot(taken)

    assert (found.memory, found.quiesced) == (False, False)


def test_a_machine_goes_back_with_all_that_it_was(cloud: VsphereCloud, machine: str) -> None:
    cpus = cloud.machine(machine).cpus
    cloud.set_extra_config(machine, {"owner": "me"})
    taken = cloud.snapshots.take(machine, "before")
    cloud.set_cpus(machine, cpus + 2)
    cloud.set_extra_config(machine, {"owner": "you"})
    cloud.power(machine, on=True)

    cloud.snapshots.revert(taken)

    found = cloud.machine(machine)
    assert (found.cpus, found.power, found.extra_config["owner"]) == (cpus, "poweredOff", "me")


def test_a_template_has_none(cloud: VsphereCloud, debian: str) -> None:
    with pytest.raises(LabError, match="NotSupported"):
        cloud.snapshots.take(debian, "never")


def test_what_could_not_be_merged_is_told_until_it_is(cloud: VsphereCloud, machine: str, client: Client) -> None:
    def scattered() -> bool:
        return bool(client.vm(machine).runtime.consolidationNeeded)

    assert not scattered()
    cloud.scatter(machine)
    assert scattered()
    cloud.scatter(machine, so=False)
    assert not scattered()
