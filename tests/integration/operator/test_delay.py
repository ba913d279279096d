"""What has to happen until a change by hand is told: a push, one look at the whole cloud, or one look at the details.

How long these take is measured by ``tests/bench``. Here faults keep everything else from the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab.bed import CLOUDS, Lab
from lab.faultproxy import Cloud, Dark, Rule
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import value
from tests.operator_bed import condition_of

#: The longest intervals that the API accepts: nothing comes because time goes by.
NEVER, LATER = {"sweepInterval": "24h"}, {"syncInterval": "168h"}
REPORT = {"lifecycle": {"drift": "Report"}}


@dataclass(frozen=True, slots=True)
class Detail:
    """Something that no list and no push shows: a spec that has it, what a person does to it, and the field's path."""

    field: str
    spec: Mapping[str, Any]
    change: Callable[[Lab, str], None]


DETAILS: Mapping[Cloud, Detail] = {
    "aws": Detail(
        "rootDisk.class",
        {"rootDisk": {"size": "8Gi", "class": "gp3"}},
        lambda lab, machine_id: lab.aws.change_disk(machine_id, "gp2"),
    ),
    "proxmox": Detail(
        "proxmox.cpuType",
        {"proxmox": {"cpuType": "x86-64-v2-AES"}, "powerState": "Stopped"},
        lambda lab, machine_id: lab.proxmox.set_config(int(machine_id), cpu="host"),
    ),
    "vsphere": Detail(
        "vsphere.storagePolicy",
        {"vsphere": {"storagePolicy": "silver"}},
        lambda lab, machine_id: lab.vsphere.storage_policies.set(machine_id, home="gold"),
    ),
}


def sweeps(scene: Scene) -> float:
    """How often the whole cloud was looked at."""
    return value(scene.bed.operator, "sweep_duration_seconds_count", provider=scene.provider)


def several_sweeps(scene: Scene, number: int = 3, since: float | None = None) -> None:
    """Waits until the cloud was looked at so many times more, from now on or since it was so often."""
    before = sweeps(scene) if since is None else since
    scene.until(lambda: sweeps(scene) >= before + number, f"{number} sweeps")


def drift(scene: Scene, name: str = "web") -> list[tuple[str, str, str]]:
    """Field, wanted and found value of all that is told."""
    return [(entry["field"], entry["want"], entry["found"]) for entry in scene.status(name).get("drift", [])]


def test_vsphere_pushes_a_change_and_is_asked_for_nothing(make_scene: MakeScene) -> None:
    scene = make_scene("vsphere", **NEVER)
    machine_id = scene.make(**REPORT, **LATER)["status"]["id"]
    # All but the call that waits for changes is never answered.
    scene.faults.inject(Rule("[!W]*", Dark()))
    scene.forget_requests()

    scene.person.power(machine_id, on=False)

    scene.wait("web", "Drifted", "True")
    assert drift(scene) == [("powerState", "Running", "Stopped")]
    assert set(scene.faults.counts()) <= {"WaitForUpdatesEx"}


@pytest.fixture
def at_once(make_scene: MakeScene, bed: Any) -> Iterator[None]:
    """EC2 stops an instance while one waits, and a Proxmox cluster shows it when the test says so."""
    bed.lab.aws.tune(transition_seconds=0.0)
    yield
    bed.lab.aws.tune(transition_seconds=0.2)
    bed.lab.proxmox.tune(resources_lag=0.0)


@pytest.mark.usefixtures("at_once")
def test_aws_is_looked_at_once_more(make_scene: MakeScene) -> None:
    scene = make_scene("aws", sweepInterval="3s")
    machine_id = scene.make(**REPORT, **LATER)["status"]["id"]
    several_sweeps(scene, 1)

    scene.person.power(machine_id, on=False)
    _allow_one_more(scene)

    scene.wait("web", "Drifted", "True")
    assert drift(scene) == [("powerState", "Running", "Stopped")]
    assert _forwarded(scene) <= {"ec2:DescribeInstances": 1}.items()


@pytest.mark.usefixtures("at_once")
def test_proxmox_is_looked_at_once_after_the_cluster_has_told_itself(make_scene: MakeScene) -> None:
    scene = make_scene("proxmox", sweepInterval="1s")
    cluster = scene.bed.lab.proxmox
    machine_id = scene.make(**REPORT, **LATER)["status"]["id"]
    several_sweeps(scene)
    cluster.tune(resources_lag=3600.0)  # the nodes tell now, and not again
    scene.person.power(machine_id, on=False)
    several_sweeps(scene)
    assert drift(scene) == []

    cluster.tune(resources_lag=3600.0)  # once more
    _allow_one_more(scene)

    scene.wait("web", "Drifted", "True")
    assert drift(scene) == [("powerState", "Running", "Stopped")]
    assert _forwarded(scene) <= {"GET /cluster/resources": 1}.items()


def test_details_are_told_at_once_to_who_asks(make_scene: MakeScene, cloud: Cloud) -> None:
    scene, detail = make_scene(cloud, **NEVER), DETAILS[cloud]
    machine_id = scene.make(**detail.spec, **REPORT, **LATER)["status"]["id"]
    detail.change(scene.bed.lab, machine_id)

    scene.annotate(sync_now="1")

    scene.wait("web", "Drifted", "True")
    assert [field for field, _, _ in drift(scene)] == [detail.field]


def test_details_are_told_when_they_are_as_old_as_they_may_be(make_scene: MakeScene) -> None:
    """In all clouds at once, because it takes ten seconds in each."""
    scenes = [make_scene(cloud) for cloud in CLOUDS]
    for scene in scenes:
        detail = DETAILS[scene.cloud]
        scene.apply("later", **detail.spec, **REPORT, **LATER)
        scene.apply("soon", **detail.spec, **REPORT, syncInterval="10s")
    for scene in scenes:
        for name in ("later", "soon"):
            DETAILS[scene.cloud].change(scene.bed.lab, scene.ready(name)["status"]["id"])

    for scene in scenes:
        scene.wait("soon", "Drifted", "True")
        assert [field for field, _, _ in drift(scene, "soon")] == [DETAILS[scene.cloud].field]
        assert condition_of(scene.body("later"), "Drifted")["status"] == "False"

    # They are new again, and not read by every sweep from now on.
    before = []
    for scene in scenes:
        scene.forget_requests()
        before.append(sweeps(scene))
    for scene, swept in zip(scenes, before, strict=True):
        several_sweeps(scene, 4, swept)
        reads = sum(count.requests for name, count in scene.faults.counts().items() if name != scene.person.calls.sweep)
        assert reads < sweeps(scene) - swept


def _allow_one_more(scene: Scene) -> None:
    """One more look at the whole cloud is answered, and nothing else but that."""
    sweep = scene.person.calls.sweep
    scene.faults.inject(Rule(sweep, Dark(), after=1))
    scene.forget_requests()


def _forwarded(scene: Scene) -> Any:
    return {name: count.forwarded for name, count in scene.faults.counts().items() if count.forwarded}.items()
