"""What an answer of /access/permissions means for what the driver does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.permissions import Held, lacking
from hybridge.drivers.proxmox.picture import Picture
from lab.permissions import by_place, proxmox

VERSION = (9, 0)
PICTURE = Picture.of(
    [
        Resource("node", node="pve1", status="online"),
        Resource("node", node="pve2", status="online"),
        Resource("qemu", vmid=9000, name="debian-12", node="pve1", template=1),
        Resource("qemu", vmid=9001, name="ubuntu", node="pve1", template=1),
        Resource("storage", storage="ceph", node="pve1", status="available", content="images", shared=1),
        Resource("storage", storage="nfs", node="pve1", status="available", content="iso", shared=1),
    ],
    0.0,
)
SHIPPED = {path: dict.fromkeys(rights, 1) for path, rights in by_place(proxmox()).items()}


def without(path: str, *rights: str) -> dict[str, dict[str, int]]:
    return {
        at: {right: below for right, below in held.items() if at != path or right not in rights}
        for at, held in SHIPPED.items()
    }


def moved(path: str, to: str) -> dict[str, Mapping[str, int]]:
    return {to if at == path else at: held for at, held in SHIPPED.items()}


def told(answer: Mapping[str, Mapping[str, int]], defaults: Mapping[str, str] | None = None) -> list[str]:
    found = lacking(answer, PICTURE, defaults or {}, VERSION)
    return [*map(str, found.missing), *(f"optional: {right}" for right in found.optional)]


def everything(paths: Iterable[str] = ("/",)) -> dict[str, dict[str, int]]:
    return {path: dict.fromkeys((right for held in SHIPPED.values() for right in held), 1) for path in paths}


def test_with_the_shipped_roles_nothing_is_missing() -> None:
    assert told(SHIPPED) == []


def test_with_everything_at_the_top_nothing_is_missing() -> None:
    assert told(everything()) == []


def test_what_holds_at_the_top_but_not_below_does_not_count() -> None:
    top = {"/": dict.fromkeys(everything()["/"], 0)}

    assert "VM.Allocate on /vms (making and deleting machines)" in told(top)


def test_a_path_of_its_own_replaces_what_comes_from_above() -> None:
    held = Held({"/": {"VM.Clone": 1}, "/vms/9000": {"VM.Audit": 1}})

    assert held.has("VM.Clone", "/vms/9001")
    assert not held.has("VM.Clone", "/vms/9000")


def test_templates_that_may_not_be_cloned_are_named() -> None:
    assert told(without("/vms", "VM.Clone")) == ["VM.Clone on /vms/9000 or /vms/9001 (making machines)"]


def test_volumes_need_one_storage_where_images_can_be_made_and_removed() -> None:
    wanted = "optional: Datastore.Allocate on /storage/ceph (volumes)"

    assert wanted in told(without("/storage/ceph", "Datastore.Allocate"))
    assert wanted in told(without("/storage/ceph", "Datastore.Allocate"), {"storage": "ceph"})


def test_one_template_that_may_be_cloned_is_enough() -> None:
    assert told({**without("/vms", "VM.Clone"), "/vms/9001": {"VM.Clone": 1}}) == []


def test_an_account_that_is_confined_to_a_pool_lacks_nothing() -> None:
    answer = moved("/vms", "/pool/hybridge")

    assert told({**answer, "/vms/9000": {"VM.Clone": 1, "VM.Audit": 1}}) == []


def test_a_pool_without_a_right_is_named() -> None:
    answer = moved("/vms", "/pool/hybridge")
    answer["/pool/hybridge"] = {
        right: 1 for right in (*SHIPPED["/vms"], "Pool.Audit") if right not in {"VM.PowerMgmt", "VM.Clone"}
    }

    assert told({**answer, "/vms/9000": {"VM.Clone": 1}}) == [
        "VM.PowerMgmt on /pool/hybridge (starting and stopping machines)"
    ]


def test_the_default_storage_has_to_take_disks() -> None:
    assert told(SHIPPED, {"storage": "ceph"}) == []
    assert told(SHIPPED, {"storage": "nfs"}) == ["Datastore.AllocateSpace on /storage/nfs (disks of machines)"]


def test_without_media_only_user_data_is_not_available() -> None:
    answer = {path: held for path, held in SHIPPED.items() if path != "/storage/nfs"}

    assert told(answer) == [
        "optional: Datastore.AllocateTemplate on /storage/nfs (user data)",
        "optional: Datastore.Allocate on /storage/nfs (user data)",
    ]


@pytest.mark.parametrize(
    ("version", "needed", "other"),
    [((8, 4), "VM.Monitor", "VM.GuestAgent.Audit"), ((9, 0), "VM.GuestAgent.Audit", "VM.Monitor")],
)
def test_the_right_to_ask_agents_has_another_name_in_each_version(
    version: tuple[int, ...], needed: str, other: str
) -> None:
    answer = {**SHIPPED, "/vms": {**without("/vms", "VM.GuestAgent.Audit")["/vms"], other: 1}}

    (missing,) = lacking(answer, PICTURE, {}, version).missing

    assert missing.name == needed


def test_an_account_without_anything_lacks_everything() -> None:
    found = lacking({}, PICTURE, {}, VERSION)

    named = {right.name for right in (*found.missing, *found.optional)}
    assert named == {right for held in SHIPPED.values() for right in held} - {"Datastore.Audit"}
