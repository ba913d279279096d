"""What stories of Networks and Images have in common: one estate with one strict cloud, and its objects in short words."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from hybridge.engine.keys import Key
from tests.unit.engine.estate import Estate, estate
from tests.unit.engine.segment_cloud import SegmentCloud
from tests.unit.engine.virtual_threads import ThreadedLoop, run

CLOUD, SOON = "aws", 180.0
FRONT: list[dict[str, object]] = [{"name": "nic0", "networkRef": {"name": "front"}}]

Story = Callable[[Estate, SegmentCloud], Coroutine[Any, Any, None]]


def live(story: Story, cloud: str = CLOUD) -> SegmentCloud:
    """The cloud after a story, in which nothing wrong was asked for."""
    loop = ThreadedLoop()
    clouds: list[SegmentCloud] = []

    async def told() -> None:
        async with estate(loop, [cloud], SegmentCloud) as made:
            clouds.append(cast("SegmentCloud", made.clouds[cloud]))
            await story(made, clouds[0])

    run(loop, told())
    assert clouds[0].mistakes == [], clouds[0].mistakes
    return clouds[0]


def network(made: Estate, name: str = "front", *, namespace: str = "shop", **words: object) -> None:
    """A Network that is made."""
    spec = {"cidr": "10.0.1.0/24", "aws": {"vpcID": "vpc-1"}, **words}
    made.make_any(Key("Network", namespace, name), CLOUD, spec)


def bridged(made: Estate, name: str = "front", *, vlan: int | None = None, **words: object) -> None:
    """A Network that is a bridge of Proxmox."""
    tag = {} if vlan is None else {"vlan": vlan}
    made.make_any(Key("Network", "shop", name), "proxmox", {"proxmox": {"bridge": "vmbr0"}, **tag, **words})


def image(made: Estate, name: str = "golden", *, namespace: str = "shop", **words: object) -> None:
    """An Image that is made by copying."""
    made.make_any(Key("Image", namespace, name), CLOUD, {"source": {"copy": {"id": "ami-1"}}, **words})


def told(made: Estate, name: str, kind: str = "VirtualMachine", namespace: str = "shop") -> tuple[str, str]:
    """Reason and message of Synced."""
    body = made.api.objects[Key(kind, namespace, name)]
    (synced,) = (one for one in body["status"]["conditions"] if one["type"] == "Synced")
    return synced["reason"], synced.get("message", "")


def status(made: Estate, name: str, kind: str, namespace: str = "shop") -> dict[str, Any]:
    """The status of an object."""
    return cast("dict[str, Any]", made.api.objects[Key(kind, namespace, name)]["status"])


def is_ready(made: Estate, name: str, kind: str = "VirtualMachine", namespace: str = "shop") -> bool:
    """Whether the condition Ready is True."""
    found = status(made, name, kind, namespace)["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


def changes(calls: list[str]) -> list[str]:
    """The calls that change something."""
    return [one for one in calls if one.split()[0] not in {"get", "seek"}]
