"""Volumes as first-class disks: what the catalog tells, what the vCenter itself tells, and what each costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Refused
from hybridge.core.identity import Marker
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.core.volume import Volume, VolumeSpec
from hybridge.drivers.base import Driver, Portion, Started, Sweep, SweepRequest, VolumeDriver
from lab.faultproxy import Answer, Rule
from lab.vsphere import VsphereCloud
from tests.contract.bed import GIB, IDENTITY, Requests, with_choice
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye, error_of

LIST, ONE = "VslmListVStorageObjectForSpec", "RetrieveVStorageObject"
POLICIES, WAIT, READ = "PbmQueryAssociatedProfiles", "WaitForUpdatesEx", "RetrievePropertiesEx"


@dataclass
class Sight:
    """The volumes that the sweeps of one driver show."""

    driver: Driver
    there: dict[str, Volume] = field(default_factory=dict)

    @property
    def volumes(self) -> VolumeDriver:
        assert self.driver.volumes is not None
        return self.driver.volumes

    def look(self, *, tasks: Collection[Task] = (), refresh: Collection[str] = ()) -> Sweep:
        sweep = self.driver.sweep(SweepRequest(kinds=set(CloudKind), tasks=tasks, refresh=refresh, wait=0.05))
        seen = cast("Portion[Volume]", sweep.portions.get(CloudKind.VOLUME, Portion({}, full=False)))
        self.there = {**({} if seen.full else self.there), **seen.objects}
        for gone in seen.gone:
            self.there.pop(gone, None)
        return sweep

    def end(self, started: Started[Volume] | Started[Machine]) -> Task:
        task = started.task
        assert task is not None
        while task.state is TaskState.RUNNING:
            task = self.look(tasks=[task]).tasks.get(task.id, task)
        assert task.state is TaskState.SUCCEEDED, task
        return task

    def make(self, spec: VolumeSpec, marker: Marker) -> Volume:
        made = self.end(self.volumes.create(self.intent(spec, marker), spec, marker)).result
        assert made is not None
        return self.there[made]

    def intent(self, spec: VolumeSpec, marker: Marker, attempt: int = 1) -> Intent:
        parameters = self.volumes.prepare(spec, ()).parameters
        return Intent(attempt, f"{marker.uid}-{attempt}", spec.name, "", IDENTITY, 1.8e9, parameters)


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def driver(bed: VsphereBed, requests: Requests) -> Iterator[Driver]:
    with bed.connected(requests, sweep_interval=3600.0) as driver:
        yield driver


@pytest.fixture
def sight(driver: Driver) -> Sight:
    sight = Sight(driver)
    sight.look()
    return sight


@pytest.fixture
def mine(marker: Marker) -> Marker:
    return replace(marker, kind="Volume")


def spec(**words: object) -> VolumeSpec:
    return VolumeSpec(**{"name": f"volume-{uuid4().hex[:8]}", "size": 2 * GIB, **words})  # type: ignore[arg-type]


def sent(requests: Requests) -> list[str]:
    """What was sent since the last time."""
    found = [operation for operation, *_ in requests.metered]
    requests.metered.clear()
    return found


def test_what_a_life_costs(
    bed: VsphereBed, driver: Driver, sight: Sight, eye: Eye, marker: Marker, mine: Marker, requests: Requests
) -> None:
    """Sweeps included, from the first look on; a catalog is listed once an interval."""
    machine = eye.make(bed.spec(), marker)
    wanted = spec(tags={"team": "shop"})
    intent = sight.intent(wanted, mine)
    sent(requests)

    made = sight.end(sight.volumes.create(intent, wanted, mine)).result or ""
    assert sent(requests) == ["RetrieveContent", LIST, "CreateDisk_Task", WAIT, ONE, POLICIES]
    sight.end(driver.machines.attach(machine, made))
    assert sent(requests) == [READ, ONE, "AttachDisk_Task", WAIT, READ]
    bigger = replace(wanted, size=3 * GIB)
    sight.end(sight.volumes.configure(sight.there[made], bigger, {"size"}, intent, mine))
    assert sent(requests) == [ONE, READ, "ReconfigVM_Task", WAIT, READ, ONE, POLICIES]
    assert sight.there[made].size == 3 * GIB
    sight.end(driver.machines.detach(machine, made))
    assert sent(requests) == [READ, "DetachDisk_Task", WAIT, READ]
    sight.look()
    assert sent(requests) == [WAIT]
    sight.end(sight.volumes.delete(sight.there[made]))
    assert sent(requests) == [ONE, "DeleteVStorageObject_Task", WAIT, ONE]
    assert sight.there == {}
    assert sight.volumes.get(made) is None
    assert sent(requests) == [READ, ONE, ONE]


def test_a_class_is_a_storage_policy(sight: Sight, mine: Marker) -> None:
    wanted = spec(class_="gold")
    volume = sight.make(wanted, mine)
    assert volume.settings["class"][0] == "gold"

    sight.end(sight.volumes.configure(volume, replace(wanted, class_="silver"), {"class"}, None, mine))

    assert sight.there[volume.id].settings["class"][0] == "silver"
    with pytest.raises(Refused, match="the nearest of"):
        sight.volumes.prepare(spec(class_="silber"), ())


def test_the_policies_of_a_machine_are_not_those_of_its_volumes(
    bed: VsphereBed, driver: Driver, sight: Sight, eye: Eye, marker: Marker, mine: Marker
) -> None:
    wanted = bed.spec()
    machine, volume = eye.make(wanted, marker), sight.make(spec(class_="gold"), mine)
    sight.end(driver.machines.attach(machine, volume.id))

    silver = with_choice(wanted, "vsphere.storagePolicy", "silver")
    machine = eye.configure(eye.see(machine.id), silver, {"vsphere.storagePolicy"}, marker)

    assert machine.settings["vsphere.storagePolicy"][0] == "silver"
    sight.look(refresh=[volume.id])
    assert sight.there[volume.id].settings["class"][0] == "gold"


def test_a_catalog_that_is_behind_hides_nothing_that_was_made(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, sight: Sight, mine: Marker
) -> None:
    """The datastore is asked as well: what was made there is found, though no catalog has it yet."""
    wanted = spec()
    intent = sight.intent(wanted, mine)
    volume = sight.make(wanted, mine)
    empty = (
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        '<VslmListVStorageObjectForSpecResponse xmlns="urn:vslm"><returnval><allRecordsReturned>true</allRecordsReturned>'
        "</returnval></VslmListVStorageObjectForSpecResponse></soapenv:Body></soapenv:Envelope>"
    )
    bed.proxy.inject(Rule(LIST, Answer(200, body=empty)))

    found = sight.volumes.find(mine, intent)
    again = sight.volumes.create(intent, wanted, mine)

    assert [one.id for one in found] == [volume.id]
    assert again.task is not None
    assert [disk.id for disk in vcenter.disks.all() if disk.name == wanted.name] == [volume.id]


def test_without_the_catalog_machines_go_on(bed: VsphereBed, driver: Driver) -> None:
    bed.proxy.inject(Rule(LIST, Answer(503)))

    sweep = driver.sweep(SweepRequest(kinds=set(CloudKind), wait=0.05))

    assert sweep.portions[CloudKind.MACHINE].full
    assert CloudKind.VOLUME not in sweep.portions
    assert sweep.troubles[CloudKind.VOLUME].message


@pytest.mark.parametrize("answer", [Answer(500, code="HostCommunication"), Answer(200)], ids=["fault", "empty"])
def test_a_datastore_that_does_not_answer_proves_nothing(
    bed: VsphereBed, vcenter: VsphereCloud, sight: Sight, mine: Marker, answer: Answer
) -> None:
    volume = sight.make(spec(), mine)
    vcenter.disks.destroy(volume.id)
    bed.proxy.inject(Rule(ONE, answer, times=1))

    assert error_of(lambda: sight.volumes.get(volume.id)) is not None
    assert sight.volumes.get(volume.id) is None


def test_a_machine_takes_no_volume_of_ours_along(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, sight: Sight, eye: Eye, marker: Marker, mine: Marker
) -> None:
    """Though somebody has the vCenter delete it with the machine."""
    wanted = bed.spec(power=Power.STOPPED)
    machine, volume = eye.make(wanted, marker), sight.make(spec(), mine)
    sight.end(driver.machines.attach(machine, volume.id))
    vcenter.disks.tie(volume.id)

    eye.delete(eye.see(machine.id), wanted)

    assert vcenter.disks.disk(volume.id).machine is None


def test_a_machine_takes_no_first_class_disk_of_others_along(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, eye: Eye, marker: Marker
) -> None:
    machine = eye.make(bed.spec(power=Power.STOPPED), marker)
    disk = vcenter.disks.create("of-others", GIB)
    vcenter.disks.attach(machine.id, disk)

    with pytest.raises(Refused, match="keepAfterDeleteVm") as refused:
        driver.machines.delete(eye.see(machine.id))

    assert refused.value.reason is Reason.HAS_DEPENDANTS
    vcenter.disks.detach(machine.id, disk)
    eye.finish(driver.machines.delete(machine))
    vcenter.disks.destroy(disk)


def test_what_a_stranger_has_is_neither_taken_nor_deleted(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, sight: Sight, eye: Eye, marker: Marker, mine: Marker
) -> None:
    machine, volume = eye.make(bed.spec(power=Power.STOPPED), marker), sight.make(spec(), mine)
    stranger = vcenter.clone_by_hand(vcenter.templates["debian-12"], f"stranger-{uuid4().hex[:8]}")
    vcenter.disks.attach(stranger, volume.id)

    for refused in (lambda: driver.machines.attach(machine, volume.id), lambda: sight.volumes.delete(volume)):
        error = error_of(refused)
        assert isinstance(error, CloudError)
        assert error.reason is Reason.HAS_DEPENDANTS

    vcenter.disks.detach(stranger, volume.id)


def test_what_is_taken_over_stays_from_then_on(vcenter: VsphereCloud, sight: Sight, mine: Marker) -> None:
    made = vcenter.disks.create("by-hand", GIB)
    sight.look(refresh=[made])

    sight.end(sight.volumes.mark(sight.there[made], mine))

    assert vcenter.disks.disk(made).keeps
    assert sight.there[made].marker == mine


def test_a_full_machine_is_told(
    bed: VsphereBed, vcenter: VsphereCloud, driver: Driver, sight: Sight, eye: Eye, marker: Marker, mine: Marker
) -> None:
    machine, volume = eye.make(bed.spec(power=Power.STOPPED), marker), sight.make(spec(), mine)
    others = [vcenter.disks.create(f"other-{number}", GIB) for number in range(14)]
    for other in others:
        vcenter.disks.attach(machine.id, other)

    with pytest.raises(Refused) as refused:
        driver.machines.attach(machine, volume.id)

    assert refused.value.reason is Reason.QUOTA
    for other in others:
        vcenter.disks.detach(machine.id, other)
        vcenter.disks.destroy(other)
