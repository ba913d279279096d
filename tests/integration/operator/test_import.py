"""Machines that exist already: observed without a single change, or taken over, or refused for a reason."""

from __future__ import annotations

import pytest

from hybridge.core.identity import Marker
from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene, unique
from tests.operator_bed import condition_of

OBSERVED = {"management": "Observed"}


@pytest.fixture
def importing(make_scene: MakeScene, cloud: Cloud) -> Scene:
    """A scene whose Provider lets tenants take over what they find."""
    return make_scene(cloud, imports="Managed")


def by_hand(scene: Scene, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A running machine that a person made: its id and name."""
    name = unique("by-hand")
    machine_id = scene.person.launch(name)
    request.addfinalizer(lambda: scene.person.machine(machine_id) and scene.person.destroy(machine_id))
    return machine_id, name


def test_an_observed_machine_is_shown_and_never_written(own: Scene, request: pytest.FixtureRequest) -> None:
    machine_id, _ = by_hand(own, request)
    before = own.person.machine(machine_id)
    assert before is not None
    own.forget_requests()

    own.take(wanted=OBSERVED | {"import": {"id": machine_id}}, cpus=before.cpus + 1, tags={"team": "shop"})
    body = own.ready()
    assert (body["status"]["id"], body["status"]["phase"]) == (machine_id, "Running")
    drifted = {entry["field"] for entry in body["status"]["drift"]}
    assert {"cpus", "tags.team"} <= drifted
    assert condition_of(body, "Drifted")["status"] == "True"
    assert not condition_of(body, "Stalled")
    assert not condition_of(body, "Reconciling")

    own.person.power(machine_id, on=False)
    own.until(lambda: own.status()["phase"] == "Stopped", "the observed machine is shown as stopped")
    own.delete()
    own.gone()

    assert own.mutations() == []
    after = own.person.machine(machine_id)
    assert after is not None
    assert (after.owner, after.cpus, after.running) == ("", before.cpus, False)


def test_an_imported_machine_is_marked_and_kept_as_the_spec_says(
    importing: Scene, request: pytest.FixtureRequest
) -> None:
    machine_id, name = by_hand(importing, request)

    importing.take(wanted={"import": {"filter": {"name": name}}}, tags={"team": "shop"})
    importing.ready()
    importing.wait("web", "Synced", "True")
    found = importing.machine()
    assert (found.id, found.name, found.tags["team"], found.running) == (machine_id, name, "shop", True)

    importing.change(powerState="Stopped")
    importing.wait("web", "Synced", "True")
    assert not importing.machine().running

    importing.delete()
    importing.gone()
    assert importing.person.machine(machine_id) is None


def test_an_imported_machine_can_be_let_go(importing: Scene, request: pytest.FixtureRequest) -> None:
    machine_id, name = by_hand(importing, request)
    importing.take(wanted={"import": {"id": machine_id}, "onDelete": "Detach"})
    importing.ready()

    importing.delete()
    importing.gone()

    left = importing.person.machine(machine_id)
    assert left is not None
    assert (left.owner, left.name, left.running) == ("", name, True)


def test_an_import_waits_for_its_machine_and_names_what_comes_close(
    importing: Scene, request: pytest.FixtureRequest
) -> None:
    machine_id, name = by_hand(importing, request)
    wanted = f"{name}-not-yet"
    importing.take(wanted={"import": {"filter": {"name": wanted}}})
    synced = importing.wait("web", "Synced", "False", "ImportNotFound")
    assert wanted in synced["message"]
    near = f"{machine_id} ({name})"
    importing.until(lambda: near in condition_of(importing.body(), "Synced")["message"], "what comes close is named")
    assert importing.here() == set()

    made = importing.person.launch(wanted)
    request.addfinalizer(lambda: importing.person.machine(made) and importing.person.destroy(made))
    importing.ready()
    assert importing.machine().id == made
    untouched = importing.person.machine(machine_id)
    assert untouched is not None
    assert untouched.owner == ""


def test_of_several_that_match_none_is_touched(importing: Scene, request: pytest.FixtureRequest) -> None:
    first, name = by_hand(importing, request)
    if importing.cloud == "vsphere":
        pytest.skip("a vCenter's folder holds a name once")
    second = importing.person.launch(name)
    request.addfinalizer(lambda: importing.person.machine(second) and importing.person.destroy(second))
    importing.until(lambda: {first, second} <= {one.id for one in importing.person.machines()}, "two of one name")

    importing.take(wanted={"import": {"filter": {"name": name}}})
    stalled = importing.wait("web", "Synced", "False", "ImportAmbiguous")
    assert first in stalled["message"]
    assert second in stalled["message"]
    assert {one.owner for one in importing.person.machines() if one.id in {first, second}} == {""}


def test_what_another_cluster_owns_is_refused(importing: Scene, request: pytest.FixtureRequest) -> None:
    machine_id, _ = by_hand(importing, request)
    theirs = Marker("another-cluster", "uid-of-theirs", "VirtualMachine", "their", "web")
    importing.person.mark(machine_id, theirs.pairs())

    importing.take(wanted={"import": {"id": machine_id}})
    refused = importing.wait("web", "Synced", "False", "AlreadyOwned")
    assert "their/web" in refused["message"]
    importing.delete()
    importing.gone()

    left = importing.person.machine(machine_id)
    assert left is not None
    assert left.owner == theirs.owner


def test_what_another_cluster_has_just_taken_is_not_taken_from_it(
    make_scene: MakeScene, cloud: Cloud, request: pytest.FixtureRequest
) -> None:
    """The operator's last look at the cloud is a minute old, and shows the machine as nobody's."""
    scene = make_scene(cloud, imports="Managed", sweepInterval="60s")
    machine_id, _ = by_hand(scene, request)
    scene.take("looker", wanted=OBSERVED | {"import": {"id": machine_id}})
    scene.ready("looker")
    theirs = Marker("another-cluster", "uid-of-theirs", "VirtualMachine", "their", "web")
    scene.person.mark(machine_id, theirs.pairs())

    scene.take(wanted={"import": {"id": machine_id}})

    scene.wait("web", "Synced", "False", "AlreadyOwned")
    left = scene.person.machine(machine_id)
    assert left is not None
    assert left.owner == theirs.owner


def test_of_two_objects_that_want_the_same_machine_one_gets_it(
    importing: Scene, request: pytest.FixtureRequest
) -> None:
    machine_id, _ = by_hand(importing, request)
    for name in ("one", "two"):
        importing.take(name, wanted={"import": {"id": machine_id}})

    def decided() -> str:
        ready = [n for n in ("one", "two") if condition_of(importing.body(n), "Ready").get("status") == "True"]
        refused = [
            n for n in ("one", "two") if condition_of(importing.body(n), "Synced").get("reason") == "AlreadyOwned"
        ]
        return ready[0] if len(ready) == len(refused) == 1 else ""

    winner = importing.until(decided, "one object has the machine, the other is refused")
    left = importing.person.machine(machine_id)
    assert left is not None
    assert left.owner.endswith(importing.uid(winner))


def test_a_tenant_may_not_take_over_unless_the_provider_says_so(own: Scene, request: pytest.FixtureRequest) -> None:
    machine_id, _ = by_hand(own, request)
    own.take(wanted={"import": {"id": machine_id}})
    refused = own.wait("web", "Synced", "False", "NotPermitted")
    assert "spec.imports is Observed" in refused["message"]
    left = own.person.machine(machine_id)
    assert left is not None
    assert left.owner == ""


def test_what_was_observed_is_taken_over_when_that_is_asked_for(
    importing: Scene, request: pytest.FixtureRequest
) -> None:
    machine_id, _ = by_hand(importing, request)
    importing.take(wanted=OBSERVED | {"import": {"id": machine_id}})
    importing.ready()
    importing.change(lifecycle={"management": "Managed"})
    importing.until(importing.mine, "the machine is marked")
    importing.ready()
    assert importing.machine().id == machine_id


def test_an_object_that_was_made_anew_takes_its_machine_back(scene: Scene) -> None:
    scene.make(tags={"team": "shop"})
    before, uid = scene.machine(), scene.uid()
    scene.bed.operator.kill()
    scene.patch("web", {"metadata": {"finalizers": []}})
    scene.delete()
    scene.gone()

    scene.apply(tags={"team": "shop"})
    scene.bed.operator.start().wait()
    scene.ready()
    scene.wait("web", "Synced", "True")

    assert scene.uid() != uid
    after = scene.machine()
    assert (after.id, after.name, after.running) == (before.id, before.name, True)
    assert [one.id for one in scene.person.machines() if one.namespace == scene.namespace] == [before.id]
