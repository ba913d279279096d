"""The operator process with three clouds: one bed for all tests of a worker, and a namespace for each test.

A test that breaks a cloud does it to a Provider of its own, which leads to the same cloud through a fault proxy of its
own: nobody else notices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.integration.operator.people import Person, person
from tests.integration.operator.scene import Scene, unique
from tests.operator_bed import OperatorBed, operator_bed
from tests.things import THINGS

MakeScene: TypeAlias = Callable[..., Scene]

#: What lets a test's objects go, whatever it did to them.
_RELEASED = {
    "metadata": {"annotations": {"hybridge.io/paused": None}},
    "spec": {"lifecycle": {"deletionProtection": False}},
}


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorBed]:
    """The operator, the API server and the clouds that this worker's tests share.

    A test may kill the operator and start it again: it keeps its name in the Lease, as a container does in its pod.
    """
    options = ["--visibility-grace", "2", "--identity", "shared"]
    with operator_bed(tmp_path_factory.mktemp("bed"), options=options) as bed:
        for cloud in CLOUDS:
            bed.patch("provider", cloud, {"spec": {"sweepInterval": "2s"}})
        # Or each look at EC2 would show all that ever were.
        bed.lab.aws.tune(terminated_seconds=60.0)
        yield bed


@pytest.fixture(autouse=True)
def _alive(request: pytest.FixtureRequest) -> Iterator[None]:
    """An operator that has ended by itself fails the test in which it did; the next one finds it started again, as by a
    kubelet.
    """
    bed: OperatorBed | None = request.getfixturevalue("bed") if "bed" in request.fixturenames else None
    yield
    if bed is not None and not bed.operator.process.alive:
        words = bed.operator.process.tail(5)
        bed.operator.start().wait()
        pytest.fail(f"the operator has ended by itself: {words}")


@pytest.fixture(scope="session")
def persons(bed: OperatorBed) -> dict[Cloud, Person]:
    """Who works in each cloud behind the operator's back."""
    return {cloud: person(cloud, bed.lab) for cloud in CLOUDS}


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The cloud under test."""
    chosen: Cloud = request.param
    return chosen


@pytest.fixture
def scene(bed: OperatorBed, persons: dict[Cloud, Person], cloud: Cloud) -> Iterator[Scene]:
    """A namespace of this test, on the Provider that all tests share."""
    scene = Scene(bed, persons[cloud], bed.namespace(), cloud)
    yield scene
    _clear(scene)


@pytest.fixture
def make_scene(bed: OperatorBed, persons: dict[Cloud, Person], tmp_path: Path) -> Iterator[MakeScene]:
    """Makes scenes with a Provider and a fault proxy of their own: ``make_scene(cloud, **provider_spec)``.

    ``connect=False`` does not wait for the Provider, ``secret=False`` makes no Secret for it, ``keys`` replaces keys of it.
    """
    with contextlib.ExitStack() as ends:

        def make(
            cloud: Cloud,
            *,
            connect: bool = True,
            secret: bool = True,
            keys: Mapping[str, str] | None = None,
            **spec: object,
        ) -> Scene:
            name = unique(f"own-{cloud}")
            (tmp_path / name).mkdir()
            proxy = bed.lab._proxy(cloud, tmp_path / name)
            ends.enter_context(proxy)
            scene = Scene(bed, persons[cloud], bed.namespace(), name, proxy)
            ends.callback(_remove, scene)
            if secret:
                bed.apply(scene.secret(**(keys or {})))
            bed.apply(scene.provider_manifest(**spec))
            if connect:
                scene.wait_provider("Ready", "True")
            return scene

        yield make


@pytest.fixture
def own(make_scene: MakeScene, cloud: Cloud) -> Scene:
    """A scene with a Provider and a fault proxy of its own."""
    return make_scene(cloud)


def _clear(scene: Scene) -> dict[str, list[str]]:
    """Asks for the deletion of all objects; their names by the plural of their kind."""
    found: dict[str, list[str]] = {}
    for things in THINGS.values():
        names = [item["metadata"]["name"] for item in scene.bed.objects(things.plural, scene.namespace)]
        for name in names:
            with contextlib.suppress(LabError):
                scene.of(things.kind).patch(name, _RELEASED)
        scene.bed.delete(things.plural, *names, namespace=scene.namespace)
        found[things.plural] = names
    return found


def _remove(scene: Scene) -> None:
    """Takes away what a scene of its own made, so that the operator has nothing to do with it when its proxy ends."""
    scene.faults.clear()
    scene.faults.light()
    for plural, names in _clear(scene).items():
        scene.bed.wait_gone(plural, *names, namespace=scene.namespace)
    scene.bed.delete("provider", scene.provider)
    scene.bed.wait_gone("providers", scene.provider)
    scene.bed.delete("secret", scene.provider, namespace="hybridge-system")
