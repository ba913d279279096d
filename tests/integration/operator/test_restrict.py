"""What a Provider restricts, a tenant cannot name; what it does not, anybody can."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.faultproxy import Cloud
from tests.integration.operator.conftest import MakeScene

#: What tenants may name, what they name all the same, and the field by which they are told.
RESTRICTED: Mapping[Cloud, tuple[dict[str, list[str]], dict[str, object], str]] = {
    "aws": ({"zones": ["eu-central-1a"]}, {"placement": {"zone": "eu-central-1b"}}, "placement.zone 'eu-central-1b'"),
    "proxmox": ({"nodes": ["pve1"]}, {"placement": {"node": "pve2"}}, "placement.node 'pve2'"),
    "vsphere": (
        {"networkIDs": ["frontend"]},
        {"networks": [{"name": "nic0", "id": "backend"}]},
        "networks[nic0] 'backend'",
    ),
}


def test_what_is_restricted_cannot_be_named(make_scene: MakeScene, cloud: Cloud) -> None:
    restrict, spec, words = RESTRICTED[cloud]
    scene = make_scene(cloud, restrict=restrict)

    scene.apply("greedy", **spec)
    scene.make("modest")

    told = scene.wait("greedy", "Synced", "False", "NotPermitted")
    assert words in told["message"]
    assert scene.here() == {scene.machine("modest").id}


@pytest.mark.parametrize(
    ("cloud", "restrict", "defaults", "words"),
    [
        ("aws", {"zones": ["eu-central-1a"]}, {"zone": "eu-central-1b"}, "zone eu-central-1b"),
        ("proxmox", {"nodes": ["pve1"]}, {"node": "pve2"}, "spec.restrict.nodes"),
    ],
)
def test_who_names_nothing_comes_to_no_other_place_either(
    make_scene: MakeScene, cloud: Cloud, restrict: dict[str, list[str]], defaults: dict[str, str], words: str
) -> None:
    scene = make_scene(cloud, restrict=restrict, defaults=defaults)
    scene.apply("web")
    assert words in scene.wait("web", "Synced", "False", "NotPermitted")["message"]
    assert scene.here() == set()

    scene.bed.patch("provider", scene.provider, {"spec": {"defaults": None}})
    for name in ("web", "db", "cache"):
        scene.apply(name)
    for name in ("web", "db", "cache"):
        (allowed,) = next(iter(restrict.values()))
        status = scene.ready(name)["status"]
        assert allowed in {status.get("zone"), status.get("host")}


@pytest.mark.parametrize("cloud", ["aws"])
def test_a_zone_cannot_be_reached_by_way_of_a_subnet(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, restrict={"zones": ["eu-central-1a"]})
    scene.apply("greedy", networks=[{"name": "nic0", "id": scene.person.network}])

    told = scene.wait("greedy", "Synced", "False", "NotPermitted")

    assert "zone eu-central-1b" in told["message"]
    assert scene.here() == set()


@pytest.mark.parametrize("cloud", ["aws"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iamInstanceProfile": "admin"}, "aws.iamInstanceProfile 'admin'"),
        ({"securityGroupIDs": ["sg-0123456789abcdef0"]}, "aws.securityGroupIDs 'sg-0123456789abcdef0'"),
    ],
)
def test_a_role_or_a_security_group_that_is_not_granted_cannot_be_had(
    make_scene: MakeScene, cloud: Cloud, options: dict[str, object], words: str
) -> None:
    scene = make_scene(cloud, restrict={"iamInstanceProfiles": [], "securityGroupIDs": []})
    scene.apply("greedy", aws=options)
    scene.make("modest")

    assert words in scene.wait("greedy", "Synced", "False", "NotPermitted")["message"]
    scene.change("modest", aws=options)
    assert words in scene.wait("modest", "Synced", "False", "NotPermitted")["message"]
    assert scene.here() == {scene.machine("modest").id}


#: Every way to a datastore that the Provider does not list, and the words that tell which it was.
DETOURS: Mapping[str, tuple[dict[str, object], str]] = {
    "datastore": ({"placement": {"storage": "LocalDS_1"}}, "placement.storage 'LocalDS_1'"),
    "policy": ({"vsphere": {"storagePolicy": "silver"}}, "vsphere.storagePolicy 'silver'"),
    "class": ({"rootDisk": {"class": "silver"}}, "rootDisk.class 'silver'"),
    "behind": ({"vsphere": {"storagePolicy": "gold"}, "rootDisk": {"class": "silver"}}, "rootDisk.class 'silver'"),
}


@pytest.mark.parametrize("cloud", ["vsphere"])
def test_a_datastore_cannot_be_reached_by_way_of_a_storage_policy(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, restrict={"storages": ["LocalDS_0", "gold"]})
    for name, (spec, _) in DETOURS.items():
        scene.apply(name, **spec)

    scene.make("modest", placement={"storage": "LocalDS_0"}, vsphere={"storagePolicy": "gold"})

    for name, (_, words) in DETOURS.items():
        assert words in scene.wait(name, "Synced", "False", "NotPermitted")["message"]
    assert scene.here() == {scene.machine("modest").id}

    scene.apply("modest", placement={"storage": "LocalDS_0"}, vsphere={"storagePolicy": "silver"})
    told = scene.wait("modest", "Synced", "False", "NotPermitted")
    assert "vsphere.storagePolicy 'silver'" in told["message"]
    lab = scene.bed.lab.vsphere
    assert set(lab.storage_policies.of(scene.machine("modest").id).values()) == {"gold"}
