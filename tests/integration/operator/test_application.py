"""The applications of ``examples``, applied at once and deleted at once: the right order is the operator's business."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.operator.scene import Scene
from tests.leftovers import leftovers
from tests.operator_bed import condition_of
from tests.things import THINGS

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_a_folder_comes_and_goes_as_a_whole(scene: Scene, *, backwards: bool) -> None:
    """Everything Ready; then no object, no finalizer, nothing in the cloud, and no Event that warns.

    What is applied before its Secret is told that it has none yet.
    """
    kube, cloud = scene.bed.lab.controlplane.kube, scene.bed.lab.clouds[scene.cloud]
    kinds = [things for things in THINGS.values() if scene.cloud in things.clouds]
    before = {one.id for things in kinds for one in things.seen(scene.person)} | leftovers(cloud)
    files = sorted((EXAMPLES / scene.cloud).glob("*.yaml"), reverse=backwards)

    for file in files:
        kube("apply", "--server-side", "--namespace", scene.namespace, "--filename", file)
    scene.until(lambda: _all_ready(scene), "the whole application to be Ready", timeout=180)
    made = {one.id for things in kinds for one in things.seen(scene.person)} - before
    known = _warnings(scene)
    assert all(reason == "SecretNotFound" for reason, _ in known)
    kube("delete", "--namespace", scene.namespace, "--filename", EXAMPLES / scene.cloud, "--timeout=180s")

    documents = [one for file in files for one in yaml.safe_load_all(file.read_text())]
    assert len(made) == len([one for one in documents if one["kind"] != "Secret" and not _is_found(one)])
    assert [body for things in kinds for body in scene.bed.objects(things.plural, scene.namespace)] == []
    assert {one.id for things in kinds for one in things.seen(scene.person)} | leftovers(cloud) == before
    assert _warnings(scene) == known


def _is_found(document: Mapping[str, Any]) -> bool:
    """Whether it is an image that was there before."""
    return document["kind"] == "Image" and "find" in document["spec"]["source"]


def _all_ready(scene: Scene) -> bool:
    bodies = [body for things in THINGS.values() for body in scene.bed.objects(things.plural, scene.namespace)]
    return bool(bodies) and all(
        condition_of(body, kind).get("status") == "True" for body in bodies for kind in ("Ready", "Synced")
    )


def _warnings(scene: Scene) -> list[tuple[str, str]]:
    """Reasons and messages of the Events that warn."""
    events = scene.bed.objects("events", scene.namespace)
    return sorted((one["reason"], one["message"]) for one in events if one["type"] == "Warning")
