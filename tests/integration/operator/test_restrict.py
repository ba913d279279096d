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


@pytest.mark.parametrize("cloud", ["aws"])
def test_a_zone_cannot_be_reached_by_way_of_a_subnet(make_scene: MakeScene, cloud: Cloud) -> None:
    scene = make_scene(cloud, restrict={"zones": ["eu-central-1a"]})
    scene.apply("greedy", networks=[{"name": "nic0", "id": scene.person.network}])

    told = scene.wait("greedy", "Synced", "False", "NotPermitted")

    assert "zone eu-central-1b" in told["message"]
    assert scene.here() == set()
