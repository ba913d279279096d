"""What a cloud could hold: shown, followed, and no reason to write when it does not move."""

from __future__ import annotations

from tests.integration.operator.conftest import MakeScene
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import samples, value


def version(scene: Scene) -> str:
    body = scene.bed.get("provider", scene.provider)
    assert body is not None
    return str(body["metadata"]["resourceVersion"])


def test_used_space_follows_what_is_made(make_scene: MakeScene) -> None:
    scene = make_scene("proxmox")
    before = value(scene.bed.operator, "capacity_storage_used_bytes", provider=scene.provider, storage="ceph")

    scene.make(rootDisk={"size": "64Gi"})

    scene.until(
        lambda: (
            value(scene.bed.operator, "capacity_storage_used_bytes", provider=scene.provider, storage="ceph") > before
        ),
        "the metric to follow",
    )


def test_an_idle_cloud_causes_no_writes(own: Scene) -> None:
    """Several sweeps a second apart, of which the sweeps' own clock is no news."""
    own.make()
    own.until(lambda: _counted(own), "the machine to be counted")
    before, swept = version(own), value(own.bed.operator, "sweep_timestamp_seconds", provider=own.provider)

    own.until(
        lambda: value(own.bed.operator, "sweep_timestamp_seconds", provider=own.provider) > swept + 3, "more sweeps"
    )

    assert version(own) == before


def test_nothing_is_shown_as_zero(make_scene: MakeScene, cloud: str) -> None:
    scene = make_scene(cloud)
    body = scene.until(lambda: _body(scene), "an inventory")

    assert body["status"]["inventory"]["virtualMachines"] == 0
    assert "unmanaged" in body["status"]["inventory"]


def _body(scene: Scene) -> object:
    body = scene.bed.get("provider", scene.provider)
    return body if body and "inventory" in body["status"] else None


def _counted(scene: Scene) -> bool:
    body = scene.bed.get("provider", scene.provider)
    return bool(body and body["status"].get("inventory", {}).get("virtualMachines") == 1)


def test_what_a_machine_uses_is_told_where_the_bulk_list_shows_it(make_scene: MakeScene) -> None:
    scene = make_scene("proxmox")
    scene.make()
    labels = {"namespace": scene.namespace, "name": "web"}
    used = "hybridge_vm_memory_usage_bytes"

    def told() -> bool:
        names = {sample.name for sample in samples(scene.bed.operator, **labels)}
        return {used, "hybridge_vm_cpu_usage_ratio"} <= names

    scene.until(told, "the machine's usage in the metrics")
    assert 0 <= value(scene.bed.operator, "vm_cpu_usage_ratio", **labels) <= 1
    assert 0 < value(scene.bed.operator, "vm_memory_usage_bytes", **labels) <= scene.machine().memory

    scene.delete()
    scene.gone()
    scene.until(lambda: not samples(scene.bed.operator, **labels), "the series to go with their object")
