"""What tests of the lab's Proxmox VE ask of it, and how they wait."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

IDS = itertools.count(100)
GIB = 2**30


def qemu(pve: Any, vmid: int) -> Any:
    return pve.nodes("pve1").qemu(vmid)


def outcome(pve: Any, upid: str) -> str:
    """How a task ended, once it has."""
    node = upid.split(":")[1]
    eventually(lambda: pve.nodes(node).tasks(upid).status.get()["status"] == "stopped")
    return str(pve.nodes(node).tasks(upid).status.get()["exitstatus"])


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not become true within 30 s"
        time.sleep(0.02)


def listed(pve: Any, vmid: int) -> dict[str, Any] | None:
    return next((item for item in pve.cluster.resources.get(type="vm") if item["vmid"] == vmid), None)


def named(name: str, content: bytes) -> BytesIO:
    file = BytesIO(content)
    file.name = name
    return file
