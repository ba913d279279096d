"""A Secret is replaced while the operator works: a new session, and nothing that was under way is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene

#: Seconds that a cloud takes for each task, so that a Secret can be replaced in the middle of one.
SLOW = 3.0


@contextmanager
def slow(scene: Scene) -> Iterator[None]:
    """The cloud takes its time."""
    lab = scene.bed.lab
    match scene.cloud:
        case "aws":
            lab.aws.tune(transition_seconds=SLOW)
        case "proxmox":
            lab.proxmox.tune(task_seconds=SLOW)
        case "vsphere":
            lab.vsphere.tune(task_delay=SLOW)
    try:
        yield
    finally:
        match scene.cloud:
            case "aws":
                lab.aws.tune(transition_seconds=0.2)
            case "proxmox":
                lab.proxmox.tune(task_seconds=0.0)
            case "vsphere":
                lab.vsphere.tune(task_delay=0.0)


def sessions(scene: Scene) -> int:
    """How often somebody has connected through the scene's own proxy."""
    first = {"aws": "sts:GetCallerIdentity", "proxmox": "GET /version", "vsphere": "Login"}
    count = scene.faults.counts().get(first[scene.cloud])
    return count.requests if count else 0


def test_a_secret_that_changes_while_a_machine_is_made_loses_no_task_and_doubles_nothing(own: Scene) -> None:
    create = own.person.calls.create
    process = own.bed.operator.process.pid
    own.faults.reset_counts()
    with slow(own):
        own.apply()
        own.until(lambda: create in own.faults.counts(), "the creation to begin")
        before = sessions(own)

        own.bed.apply(own.secret(comment="the same keys, in another version of the Secret"))
        own.until(lambda: sessions(own) > before, "a new connection")

        own.ready()

    assert own.faults.counts()[create].requests == 1
    assert own.here() == {own.machine().id}
    assert own.bed.operator.process.pid == process
    own.wait_provider("Ready", "True")


def test_a_secret_that_changes_while_a_machine_is_deleted_loses_nothing(own: Scene) -> None:
    own.make()
    delete = own.person.calls.delete
    with slow(own):
        own.delete()
        own.until(lambda: own.status()["phase"] == "Deleting", "the deletion to begin")
        before = sessions(own)
        own.bed.apply(own.secret(comment="the same keys, in another version of the Secret"))
        own.until(lambda: sessions(own) > before, "a new connection")
        own.gone()

    assert own.faults.counts()[delete].requests == 1
    assert own.here() == set()


def test_a_session_that_was_ended_is_replaced_by_one_login(make_scene: MakeScene) -> None:
    scene = make_scene("vsphere")
    scene.make()
    machine = scene.machine()
    scene.faults.reset_counts()

    scene.bed.lab.vsphere.end_sessions()
    scene.change(tags={"team": "shop"})

    scene.wait_machine(lambda seen: seen.tags.get("team") == "shop", "to be tagged in a new session")
    scene.wait("web", "Synced", "True")
    assert scene.here() == {machine.id}
    assert scene.faults.counts()["Login"].requests == 1
