"""What GitOps tools make of an object, in every version that it ever had: kstatus judges each of them.

Flux and others wait for Current, and give up at Failed. So Current must not come a moment too early, and Failed only when
a person has to act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeAlias

import pytest

from lab.faultproxy import Cloud, Delay, LoseAnswer, Rule
from lab.kstatus import Judge, Status, Verdict
from lab.process import LabError
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.people import PASSWORDS, WRONG
from tests.integration.operator.scene import KIND, Scene, unique
from tests.operator_bed import condition_of
from tests.recording import Recording, Version
from tests.things import THINGS, WARES

IN_PROGRESS, CURRENT, FAILED = Status.IN_PROGRESS, Status.CURRENT, Status.FAILED
TERMINATING, NOT_FOUND = Status.TERMINATING, Status.NOT_FOUND

Judged: TypeAlias = tuple[Version, Verdict]


class Life:
    """The recorded life of one object, every version judged."""

    def __init__(self, scene: Scene, judge: Judge, kind: str, name: str) -> None:
        self._recording = Recording(scene.bed.api, kind, name, scene.namespace)
        self._judge = judge
        self._scene = scene
        self.judged: list[Judged] = []

    def read(self) -> list[Judged]:
        """What is new since the last reading; each verdict was held against the conditions of its version."""
        fresh = [(version, self._judge.judge(version)) for version in self._recording.read()]
        for version, verdict in fresh:
            told_truly(version, verdict)
        self.judged += fresh
        return fresh

    def stages(self) -> list[Status]:
        """The verdicts since the last reading, those that follow one another and are the same as one."""
        return [status for status, _ in groupby(verdict.status for _, verdict in self.read())]

    def until(self, status: Status, holds: Callable[[Mapping[str, Any]], object] = bool) -> list[Status]:
        """The stages until the newest version is judged so, and is as it should be."""
        seen = len(self.judged)

        def so() -> bool:
            self.read()
            version, verdict = self.judged[-1]
            return len(self.judged) > seen and verdict.status is status and (version is None or bool(holds(version)))

        self._scene.until(so, f"kstatus to say {status}")
        return [status for status, _ in groupby(verdict.status for _, verdict in self.judged[seen:])]

    @property
    def words(self) -> str:
        """What a GitOps tool shows of the newest version."""
        return self.judged[-1][1].message


def told_truly(version: Version, verdict: Verdict) -> None:
    """What holds of every version: Current means Ready for this very spec, Failed that a person is told what to do."""
    if version is None:
        assert verdict.status is NOT_FOUND
        return
    if version["metadata"].get("deletionTimestamp"):
        assert verdict.status is TERMINATING
        return
    ready, synced, stalled = (condition_of(version, kind) for kind in ("Ready", "Synced", "Stalled"))
    reached = ready.get("status") == synced.get("status") == "True"
    assert (verdict.status is CURRENT) == reached, version["status"]
    assert (verdict.status is FAILED) == (stalled.get("status") == "True"), version["status"]
    if verdict.status is CURRENT:
        assert version["status"]["observedGeneration"] == version["metadata"]["generation"]
    if verdict.status is FAILED:
        assert verdict.message, "a person has to act, and is not told how"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as judge:
        yield judge


@pytest.fixture
def life(scene: Scene, judge: Judge) -> Life:
    """The life of the scene's machine, which is not there yet."""
    return Life(scene, judge, KIND, "web")


def phase_of(word: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda version: version["status"].get("phase") == word


class TestOnEveryCloud:
    def test_from_apply_to_gone(self, scene: Scene, life: Life) -> None:
        scene.apply()
        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        untouched, _ = life.judged[0]
        assert untouched is not None
        assert "finalizers" not in untouched["metadata"], "this is not how the object was before the operator saw it"
        assert untouched["status"]["observedGeneration"] == -1

        scene.delete()
        assert life.until(NOT_FOUND) == [TERMINATING, NOT_FOUND]

    @pytest.mark.parametrize("kind", [things.kind for things in WARES])
    def test_what_machines_use_from_apply_to_gone(self, scene: Scene, judge: Judge, kind: str) -> None:
        if scene.cloud not in THINGS[kind].clouds:
            pytest.skip(f"{scene.cloud} has no {kind}")
        wares = scene.of(kind)
        for source in wares.things.sources(scene.cloud, "used", scene.provider, scene.namespace):
            scene.bed.apply(source)
            scene.ready(source["metadata"]["name"])
        life = Life(wares, judge, wares.things.plural, "used")
        wares.apply("used")
        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]

        wares.change("used", **wares.things.change(1))
        assert life.until(CURRENT)[-1] is CURRENT
        assert FAILED not in {verdict.status for _, verdict in life.judged}

        wares.delete("used")
        assert life.until(NOT_FOUND) == [TERMINATING, NOT_FOUND]

    def test_a_change_is_not_done_before_it_is(self, scene: Scene, life: Life) -> None:
        scene.make(tags={"team": "shop"})
        life.read()

        scene.change(tags={"team": "bakery"})

        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        assert scene.machine().tags.get("team") == "bakery"

    def test_stopped_as_wanted_is_as_it_should_be(self, scene: Scene, life: Life) -> None:
        scene.make()
        life.read()

        scene.change(powerState="Stopped")
        assert life.until(CURRENT, phase_of("Stopped")) == [IN_PROGRESS, CURRENT]
        assert not scene.machine().running

        scene.change(powerState="Running")
        assert life.until(CURRENT, phase_of("Running")) == [IN_PROGRESS, CURRENT]

    def test_an_image_that_is_not_there_is_a_failure_until_the_object_goes(self, scene: Scene, life: Life) -> None:
        scene.apply(image={"id": "debian-21"})
        assert life.until(FAILED) == [IN_PROGRESS, FAILED]
        assert life.words

        scene.delete()
        assert life.until(NOT_FOUND)[-1] is NOT_FOUND
        assert CURRENT not in {verdict.status for _, verdict in life.judged}

    def test_kubectl_waits_for_the_same(self, scene: Scene, life: Life) -> None:
        scene.apply()
        wait(scene, "web")
        assert scene.machine().running

        scene.change(powerState="Stopped")
        wait(scene, "web")
        assert condition_of(scene.body(), "Ready")["reason"] == "Stopped"
        assert not scene.machine().running
        assert life.until(CURRENT, phase_of("Stopped"))[-1] is CURRENT

        scene.apply("other", image={"id": "debian-21"})
        scene.wait("other", "Stalled", "True")
        with pytest.raises(LabError, match="timed out"):
            wait(scene, "other", "1s")

        scene.delete()
        scene.bed.lab.controlplane.kube("wait", "--for=delete", "hvm/web", "-n", scene.namespace, "--timeout=60s")
        assert scene.here() == set()


class TestTrouble:
    """A cloud that is slow, overloaded or loses answers is no reason to give up, and none to be pleased too early."""

    @pytest.fixture
    def life(self, own: Scene, judge: Judge) -> Life:
        return Life(own, judge, KIND, "web")

    def test_a_slow_creation_is_in_progress_all_the_time(self, own: Scene, life: Life) -> None:
        own.faults.inject(Rule(own.person.calls.create, Delay(4), times=1))

        own.apply()

        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        assert any(version and version["status"].get("phase") == "Creating" for version, _ in life.judged)

    def test_a_cloud_that_is_asked_too_often_is_waited_for(self, own: Scene, life: Life) -> None:
        rule = own.faults.inject(Rule(own.person.calls.create, own.person.throttle))
        own.apply()
        throttled = life.until(
            IN_PROGRESS, lambda version: condition_of(version, "Synced").get("reason") == "Throttled"
        )
        assert throttled == [IN_PROGRESS]
        assert own.here() == set()

        own.faults.lift(rule)
        assert life.until(CURRENT) in ([CURRENT], [IN_PROGRESS, CURRENT])

    def test_a_creation_whose_answer_got_lost_is_in_progress_until_it_is_found(self, own: Scene, life: Life) -> None:
        own.faults.inject(Rule(own.person.calls.create, LoseAnswer("reset"), times=1))

        own.apply()

        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        assert own.here() == {own.machine().id}


@pytest.mark.parametrize("cloud", ["aws"])
class TestWaiting:
    def test_for_a_person_who_allows_a_restart(self, scene: Scene, life: Life) -> None:
        scene.make(cpus=2)
        life.read()

        scene.change(cpus=4, memory="16Gi")
        assert life.until(FAILED) == [IN_PROGRESS, FAILED]
        assert "disruption" in life.words

        scene.change(cpus=2, memory="4Gi")
        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        assert scene.machine().cpus == 2

        scene.change(cpus=4, memory="16Gi", lifecycle={"disruption": "Allow"})
        assert life.until(CURRENT)[-1] is CURRENT
        assert scene.machine().cpus == 4

    def test_for_a_provider_that_is_not_there_yet(self, scene: Scene, life: Life) -> None:
        missing = unique("never-was")

        scene.apply(providerRef={"name": missing})

        assert life.until(IN_PROGRESS, lambda version: condition_of(version, "Reconciling")) == [IN_PROGRESS]
        assert missing in life.words

    def test_for_a_machine_to_import(self, scene: Scene, life: Life) -> None:
        name = f"legacy.{scene.namespace}"
        wanted = {"management": "Observed", "import": {"filter": {"name": name}}}
        observed = scene.manifest(lifecycle=wanted)
        observed["spec"] = {field: observed["spec"][field] for field in ("providerRef", "lifecycle")}

        scene.bed.apply(observed)
        assert life.until(IN_PROGRESS, lambda version: condition_of(version, "Reconciling")) == [IN_PROGRESS]
        assert name in life.words

        scene.make("legacy", name=name, lifecycle={"onDelete": "Detach"})
        machine = scene.machine("legacy").id
        scene.delete("legacy")
        scene.gone("legacy")
        assert life.until(CURRENT)[-1] is CURRENT
        assert scene.status()["id"] == machine

        scene.delete()
        assert life.until(NOT_FOUND)[-1] is NOT_FOUND
        scene.person.destroy(machine)

    def test_for_the_end_of_a_pause(self, scene: Scene, life: Life) -> None:
        scene.make()
        life.read()

        scene.annotate(paused="true")
        scene.wait("web", "Synced", "False", "Paused")
        assert life.until(IN_PROGRESS)[-1] is IN_PROGRESS
        assert "paused" in life.words

        scene.annotate(paused=None)
        assert life.until(CURRENT)[-1] is CURRENT

    def test_for_a_cloud_that_does_not_answer(self, make_scene: MakeScene, judge: Judge, cloud: Cloud) -> None:
        own = make_scene(cloud)
        life = Life(own, judge, KIND, "web")
        own.make()
        life.read()

        own.faults.dark("refuse")
        assert life.until(IN_PROGRESS) == [IN_PROGRESS]
        own.change(tags={"team": "shop"})
        assert life.until(IN_PROGRESS, lambda version: condition_of(version, "Ready"))[-1] is IN_PROGRESS

        own.faults.light()
        assert life.until(CURRENT) == [CURRENT]
        assert own.machine().tags.get("team") == "shop"

    def test_for_a_person_when_the_machine_is_lost(self, scene: Scene, life: Life) -> None:
        scene.make()
        life.read()

        scene.person.destroy(scene.machine().id)
        assert life.until(FAILED)[-1] is FAILED
        assert "onLost" in life.words

        scene.change(lifecycle={"onLost": "Recreate"})
        assert life.until(CURRENT)[-1] is CURRENT
        assert scene.machine().running


@pytest.mark.parametrize("cloud", ["proxmox"])
def test_a_status_that_was_committed_with_the_spec_counts_for_nothing(scene: Scene, life: Life) -> None:
    """Somebody exported a machine that was Ready, and put it into Git as it was."""
    scene.make("exported")
    exported = scene.body("exported")
    scene.apply("other")
    metadata = {"name": "web", "namespace": scene.namespace, "finalizers": exported["metadata"]["finalizers"]}

    scene.bed.apply({**scene.manifest(), "metadata": metadata, "status": exported["status"]})

    assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
    assert scene.machine().id != scene.machine("exported").id


class TestProviders:
    def test_with_the_right_password_it_is_current(self, make_scene: MakeScene, judge: Judge, cloud: Cloud) -> None:
        scene = make_scene(cloud)
        life = Life(scene, judge, "provider", scene.provider)

        scene.bed.patch("provider", scene.provider, {"spec": {"sweepInterval": "2s"}})
        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]
        wait(scene, scene.provider, kind="hprov")

        scene.bed.delete("provider", scene.provider)
        assert life.until(NOT_FOUND)[-1] is NOT_FOUND

        scene.bed.apply(scene.provider_manifest())
        assert life.until(CURRENT) == [IN_PROGRESS, CURRENT]

    def test_with_a_wrong_one_it_never_is_and_its_machines_say_why(
        self, make_scene: MakeScene, judge: Judge, cloud: Cloud
    ) -> None:
        scene = make_scene(cloud, connect=False, secret=False)
        provider, machine = Life(scene, judge, "provider", scene.provider), Life(scene, judge, KIND, "web")
        scene.bed.apply(scene.secret(**{PASSWORDS[cloud]: WRONG}))
        scene.apply()

        scene.wait_provider("Ready", "False", "AuthenticationFailed")
        scene.wait("web", "Synced", "False", "AuthenticationFailed")
        scene.annotate(sync_now="1")
        judged = [verdict for life in (provider, machine) for _, verdict in life.read()]

        assert judged
        assert {verdict.status for verdict in judged} <= {IN_PROGRESS, FAILED}
        assert scene.provider in machine.words
        with pytest.raises(LabError, match="timed out"):
            wait(scene, scene.provider, "1s", kind="hprov")

        scene.bed.apply(scene.secret())
        assert provider.until(CURRENT)[-1] is CURRENT
        assert machine.until(CURRENT)[-1] is CURRENT


def wait(scene: Scene, name: str, timeout: str = "60s", kind: str = "hvm") -> None:
    """``kubectl wait`` for Ready. LabError when it gives up."""
    kube = scene.bed.lab.controlplane.kube
    kube("wait", "--for=condition=Ready", f"{kind}/{name}", "-n", scene.namespace, f"--timeout={timeout}")


@pytest.mark.parametrize("cloud", ["aws"])
def test_what_a_gitops_tool_shows_of_a_failure_names_what_is_wrong(scene: Scene, life: Life) -> None:
    """kstatus shows the message of Stalled alone."""
    scene.apply(image={"id": "debian-21"})
    life.until(FAILED)

    assert "debian-21" in life.words


@pytest.mark.parametrize("cloud", ["aws"])
def test_what_it_shows_of_a_provider_does_so_too(make_scene: MakeScene, judge: Judge, cloud: Cloud) -> None:
    scene = make_scene(cloud, connect=False, secret=False)
    life = Life(scene, judge, "provider", scene.provider)
    scene.wait_provider("Ready", "False", "SecretNotFound")
    scene.bed.patch("provider", scene.provider, {"metadata": {"labels": {"x": "y"}}})
    life.read()

    assert f"hybridge-system/{scene.provider}" in life.words


@pytest.mark.parametrize("cloud", ["aws"])
def test_an_import_that_waits_creates_nothing_and_does_not_say_so(scene: Scene, life: Life) -> None:
    scene.take(wanted={"management": "Observed", "import": {"filter": {"name": "nobody-has-this"}}})
    scene.wait("web", "Synced", "False", "ImportNotFound")

    assert scene.status()["phase"] != "Creating"
