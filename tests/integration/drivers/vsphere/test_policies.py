"""Storage policies on vSphere: given by name, compared, and brought back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine_diff import differences
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.vsphere import VsphereCloud
from lab.vsphere_sdk import vim
from tests.contract.bed import GIB, MIB
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye
from tests.integration.drivers.vsphere.fields import fields

POLICY, CLASS, ROOT = "vsphere.storagePolicy", "rootDisk.class", "2000"


def test_a_policy_is_of_all_that_a_machine_stores_and_the_root_disk_may_have_its_own(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"}, root_disk=20 * GIB)
    machine = eye.make(spec, marker)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "silver"}
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))

    wanted = replace(spec, root_disk=21 * GIB, options={"storagePolicy": "gold"}, root_disk_class="silver")
    bed.proxy.reset_counts()
    machine = eye.configure(machine, wanted, {"rootDisk", POLICY, CLASS}, marker)

    assert bed.proxy.mutating() == 1
    assert vcenter.storage_policies.of(machine.id) == {"home": "gold", ROOT: "silver", str(int(ROOT) + 1): "gold"}
    assert (machine.root_disk, fields(driver, wanted, machine)) == (21 * GIB, [])


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"home": "gold"}, "gold, silver"),
        ({"root_disk": "gold"}, "silver, gold"),
        ({"second_disk": "gold"}, "silver, gold"),
        ({"home": "gold", "root_disk": "gold", "second_disk": "gold"}, "gold"),
    ],
    ids=lambda words: " and ".join(words) if isinstance(words, dict) else "",
)
def test_what_is_stored_under_another_policy_is_brought_back_by_one_call(
    bed: VsphereBed,
    vcenter: VsphereCloud,
    driver: Driver,
    eye: Eye,
    marker: Marker,
    changed: dict[str, str],
    found: str,
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"})
    machine = eye.make(spec, marker)
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))
    (change,) = differences(spec, eye.see(machine.id), driver.machines.traits)
    assert (change.field, change.before) == (POLICY, "silver, none")
    machine = eye.configure(machine, spec, {POLICY}, marker)
    assert fields(driver, spec, machine) == []

    vcenter.storage_policies.set(machine.id, **changed)
    machine = eye.see(machine.id, lambda seen: bool(fields(driver, spec, seen)))
    (change,) = differences(spec, machine, driver.machines.traits)
    assert (change.field, change.before, change.after, change.disruptive) == (POLICY, found, "silver", False)

    bed.proxy.reset_counts()
    machine = eye.configure(machine, spec, {POLICY}, marker)
    assert (fields(driver, spec, machine), bed.proxy.mutating()) == ([], 1)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "silver", str(int(ROOT) + 1): "silver"}


def test_the_end_of_a_change_is_told_with_the_policy_that_there_is_now(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"})
    machine = eye.make(spec, marker)
    wanted = replace(spec, options={"storagePolicy": "gold"})

    eye.finish(driver.machines.configure(machine, wanted, {POLICY}, None, marker))

    assert fields(driver, wanted, eye.machines[machine.id]) == []


def test_a_disk_with_a_class_of_its_own_is_no_part_of_the_machines_policy(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"}, root_disk_class="gold")
    machine = eye.make(spec, marker)
    assert fields(driver, spec, machine) == []
    assert fields(driver, replace(spec, root_disk_class=None), machine) == [POLICY]

    vcenter.storage_policies.set(machine.id, root_disk="silver")

    machine = eye.see(machine.id, lambda seen: bool(fields(driver, spec, seen)))
    assert fields(driver, spec, machine) == [CLASS]


def test_a_disk_that_a_person_adds_is_seen_with_its_policy_though_nobody_asks(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "silver"})
    machine = eye.make(spec, marker)
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk()]))

    eye.until(
        lambda: fields(driver, spec, eye.machines[machine.id]) == [POLICY],
        "the policy of another disk",
        max_age={machine.id: 0.0},
    )
    vcenter.reconfigure(machine.id, vim.vm.ConfigSpec(deviceChange=[second_disk("remove")]))
    eye.until(lambda: fields(driver, spec, eye.machines[machine.id]) == [], "one disk again", max_age={machine.id: 0.0})


def test_a_root_disk_with_a_policy_of_its_own_leaves_the_rest_to_the_datastore(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(root_disk_class="gold")

    machine = eye.make(spec, marker)

    assert vcenter.storage_policies.of(machine.id) == {ROOT: "gold"}
    wanted = replace(spec, options={"storagePolicy": "silver"})
    (change,) = differences(wanted, machine, driver.machines.traits)
    assert (change.field, change.before, change.after, change.disruptive) == (POLICY, "", "silver", False)
    machine = eye.configure(machine, wanted, {POLICY}, marker)
    assert vcenter.storage_policies.of(machine.id) == {"home": "silver", ROOT: "gold"}


def test_an_unknown_policy_is_told_with_those_that_are_near(bed: VsphereBed, driver: Driver, marker: Marker) -> None:
    for spec in (bed.spec(options={"storagePolicy": "golden"}), bed.spec(root_disk_class="golden")):
        with pytest.raises(Refused) as caught:
            driver.machines.prepare(spec, ())
        assert caught.value.reason is Reason.NOT_FOUND
        assert "gold" in caught.value.message.replace("golden", "")


def test_policies_are_read_seldom_and_for_many_machines_at_once(
    bed: VsphereBed, driver: Driver, eye: Eye, marker: Marker
) -> None:
    specs = [bed.spec(options={"storagePolicy": "gold"}) for _ in range(3)]
    made = [eye.make(spec, bed.marker()) for spec in specs]
    bed.proxy.reset_counts()

    with bed.connected() as other:
        whole = Eye(bed, other)
        whole.settle()
        for _ in range(5):
            whole.look()
        assert all(whole.machines[machine.id].settings[POLICY][0] == "gold" for machine in made)

    counts = bed.proxy.counts()
    assert counts["PbmQueryAssociatedProfiles"].requests == 1
    assert counts["PbmRetrieveContent"].requests == 1


def test_without_the_right_to_see_policies_machines_are_seen_without(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    spec = bed.spec(options={"storagePolicy": "gold"})
    machine = eye.make(spec, marker)
    vcenter.deny(["StorageProfile.View"])
    try:
        with bed.connected() as other:
            blind = Eye(bed, other)
            blind.settle()
            seen = blind.see(machine.id)
            assert {POLICY, CLASS}.isdisjoint(seen.settings)
            assert differences(spec, seen, other.machines.traits) == ()
            with pytest.raises(Refused) as caught:
                other.machines.prepare(spec, ())
            assert [right.name for right in other.check().optional] == ["StorageProfile.View"]
    finally:
        vcenter.deny([])

    assert caught.value.reason is Reason.NOT_PERMITTED
    assert "StorageProfile.View" in caught.value.message


def test_policies_are_asked_for_with_the_session_that_is_in_force(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(options={"storagePolicy": "gold"}), marker)
    vcenter.end_sessions()

    chosen = driver.machines.prepare(bed.spec(options={"storagePolicy": "silver"}), ())
    vcenter.storage_policies.set(machine.id, home="silver", root_disk="silver")

    assert chosen.parameters["policy"]
    assert eye.see(machine.id, lambda seen: seen.settings[POLICY][0] == "silver")


def second_disk(operation: str = "add") -> object:
    device = vim.vm.device
    backing = device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[LocalDS_0]", diskMode="persistent", thinProvisioned=True
    )
    disk = device.VirtualDisk(key=2001, controllerKey=1000, unitNumber=1, backing=backing, capacityInKB=MIB)
    file = "create" if operation == "add" else "destroy"
    return device.VirtualDeviceSpec(operation=operation, fileOperation=file, device=disk)
