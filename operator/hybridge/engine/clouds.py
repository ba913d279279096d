"""The clouds, one line each. A driver and its SDK are imported only when a Provider of its type exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from hybridge.drivers.base import Driver, Settings

CLOUDS: Mapping[str, str] = {
    "aws": "hybridge.drivers.aws.driver",
    "proxmox": "hybridge.drivers.proxmox.driver",
    "vsphere": "hybridge.drivers.vsphere.driver",
}


def connector(cloud: str) -> Callable[[Settings], Driver]:
    """The ``connect`` function of a cloud's driver. Importing it can take a second: call this in a thread."""
    return cast("Callable[[Settings], Driver]", import_module(CLOUDS[cloud]).connect)
