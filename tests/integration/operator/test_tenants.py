"""What a tenant cannot come by, however things are named, made anew or granted once: the real API server decides with us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lab import manifests
from lab.faultproxy import Cloud
from lab.process import LabError
from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import KIND, Scene, unique
from tests.integration.operator.test_behind import sweeps
from tests.operator_bed import OperatorBed

CANARY = "canary-of-somebody-else"
#: One cloud is enough where the cloud has no part in it.
anywhere = pytest.mark.parametrize("cloud", ["proxmox"])


def namespace(bed: OperatorBed, name: str, **labels: str) -> str:
    """Makes a namespace with these labels."""
    bed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return name


def label(scene: Scene, **labels: str | None) -> None:
    """Sets or removes labels of the scene's namespace, as a cluster admin."""
    scene.bed.patch("namespace", scene.namespace, {"metadata": {"labels": labels}})


@contextmanager
def tenant(scene: Scene, name: str) -> Iterator[Scene]:
    """The same Provider, seen from another namespace, whose objects go in the end."""
    other = replace(scene, namespace=namespace(scene.bed, name))
    try:
        yield other
    finally:
        names = [item["metadata"]["name"] for item in scene.bed.objects("virtualmachines", name)]
        scene.bed.delete(KIND, *names, namespace=name)
        scene.bed.wait_gone("virtualmachines", *names, namespace=name)


@anywhere
def test_a_namespace_of_nearly_the_right_name_is_not_let_in(make_scene: MakeScene, cloud: Cloud) -> None:
    stem = unique("team")
    scene = make_scene(cloud, allowedNamespaces={"names": [f"{stem}-*", f"{stem}-x"]})

    for name in (stem, f"x{stem}-a", f"{stem}s-a", f"{stem}0"):
        with tenant(scene, name) as other:
            other.apply()
            told = other.wait("web", "Synced", "False", "NotPermitted")
            assert name in told["message"]
            assert other.here() == set()
    assert scene.mutations() == []

    with tenant(scene, f"{stem}-a") as other:
        other.make()
        assert len(other.here()) == 1


@pytest.mark.parametrize("name", ["{}-a.evil", "{}-A", "{}-a/../{}", "{}-*", "{}-\u0430", "{}-a\n"])
def test_a_namespace_that_only_looks_right_cannot_be_made(bed: OperatorBed, name: str) -> None:
    """A grant compares whole names, so what it lets in hangs on what the API server takes for a name, too."""
    stem = unique("team")
    with pytest.raises(LabError):
        namespace(bed, name.format(stem, stem))


@anywhere
def test_a_secret_of_another_namespace_is_never_read(scene: Scene) -> None:
    """Whatever the reference says of a namespace: there is no such field, and the name is looked for at home."""
    elsewhere = namespace(scene.bed, unique("vault"))
    scene.bed.apply(manifests.secret("theirs", {"userData": f"#cloud-config\n# {CANARY}\n"}, elsewhere))
    reference = {"name": "theirs", "key": "userData"}

    with pytest.raises(LabError, match="namespace"):
        scene.apply("web", cloudInit={"userData": {"secretRef": {**reference, "namespace": elsewhere}}})
    scene.apply("web", cloudInit={"userData": {"secretRef": reference}})

    told = scene.wait("web", "Synced", "False", "SecretNotFound")
    assert f"{scene.namespace}/theirs" in told["message"]
    assert scene.here() == set()
    assert CANARY not in scene.bed.log()


@anywhere
def test_a_namespace_made_anew_is_not_taken_for_the_one_before(make_scene: MakeScene, cloud: Cloud) -> None:
    """Its labels are those of somebody else, and what was known of them a moment ago does not count."""
    tier = unique("tier")
    scene = make_scene(cloud, allowedNamespaces={"selector": {"matchLabels": {"tier": tier}}})
    label(scene, tier=tier)
    scene.make()
    scene.delete()
    scene.gone()

    # Without the controller of namespaces nothing of one goes: to the operator it is one of the name with other labels.
    label(scene, tier=f"{tier}x")
    scene.forget_requests()
    scene.apply()

    scene.wait("web", "Synced", "False", "NotPermitted")
    assert scene.mutations() == []


@anywhere
def test_a_label_that_comes_and_goes_is_seen_though_nothing_else_happens(make_scene: MakeScene, cloud: Cloud) -> None:
    tier = unique("tier")
    scene = make_scene(cloud, allowedNamespaces={"selector": {"matchLabels": {"tier": tier}}})
    scene.apply()
    scene.wait("web", "Synced", "False", "NotPermitted")

    label(scene, tier=tier)
    scene.ready()
    label(scene, tier=None)
    scene.wait("web", "Synced", "False", "NotPermitted")
    label(scene, tier=tier)
    scene.ready()


def _by_name(scene: Scene, *, granted: bool) -> None:
    names = [scene.namespace] if granted else []
    scene.bed.patch("provider", scene.provider, {"spec": {"allowedNamespaces": {"names": names}}})
    # The watches of Providers and of machines are two: which of two changes comes first is known by what is told.
    scene.wait_provider("Ready", "True")


def _by_label(scene: Scene, *, granted: bool) -> None:
    label(scene, tier=scene.provider if granted else None)


@pytest.mark.parametrize("grant", [_by_name, _by_label], ids=["name", "label"])
def test_a_grant_taken_back_ends_all_changes_at_once_and_touches_nothing(
    make_scene: MakeScene, cloud: Cloud, grant: Callable[..., None]
) -> None:
    """What was made under it stays as it is, is not even kept as it was, and goes when its object is deleted, as the only
    way to be rid of it.
    """
    scene = make_scene(cloud, allowedNamespaces={"selector": {"matchLabels": {"tier": "nobody"}}})
    if grant is _by_label:
        selector = {"matchLabels": {"tier": scene.provider}}
        scene.bed.patch("provider", scene.provider, {"spec": {"allowedNamespaces": {"selector": selector}}})
    grant(scene, granted=True)
    scene.make()
    scene.make("calm")
    machines = {name: scene.machine(name) for name in ("web", "calm")}
    scene.forget_requests()

    grant(scene, granted=False)
    scene.change(powerState="Stopped", tags={"team": "shop"})
    scene.apply("late")
    for name in ("web", "late", "calm"):
        scene.wait(name, "Synced", "False", "NotPermitted")
    scene.person.power(machines["calm"].id, on=False)
    sweeps(scene)
    assert scene.mutations() == []
    assert scene.here() == {machine.id for machine in machines.values()}
    assert scene.machine() == machines["web"]
    assert not scene.machine("calm").running

    for name in ("late", "web"):
        scene.delete(name)
        scene.gone(name)
    assert scene.here() == {machines["calm"].id}
