"""What a life asks for, step by step: enough that a driver has to make every call that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.aws_names import GROUPS, PROFILES
from lab.faultproxy import Cloud
from lab.proxmox_estate import POOLS
from tests.integration.operator.people import GIB, Facts

#: A second network, as a spec names it.
SECOND: Mapping[Cloud, str] = {"aws": "lab-a-storage", "proxmox": "vmbr1", "vsphere": "backend"}
USER_DATA = "#cloud-config\nwrite_files:\n- {path: /etc/motd, content: from-the-secret}\n"
SECRET = "cloud-init"

_NEW: Mapping[Cloud, dict[str, Any]] = {
    "aws": {"networks": [{"name": "nic0", "id": "lab-a"}], "aws": {"securityGroupIDs": [GROUPS["web"]]}},
    "proxmox": {"proxmox": {"pool": POOLS[0]}, "placement": {"node": "pve1"}},
    "vsphere": {"placement": {"folder": "hybridge"}},
}
_GROWN: Mapping[Cloud, dict[str, Any]] = {
    "aws": {"aws": {"securityGroupIDs": [GROUPS["web"]], "iamInstanceProfile": PROFILES[0]}},
    "proxmox": {},
    "vsphere": {},
}
_MOVED: Mapping[Cloud, dict[str, Any]] = {
    "aws": {"aws": {"securityGroupIDs": [GROUPS["db"]], "iamInstanceProfile": PROFILES[1]}},
    "proxmox": {"proxmox": {"pool": POOLS[1]}, "placement": {"node": "pve3", "storage": "nfs"}},
    "vsphere": {"placement": {"node": "DC0_H0", "folder": "archive"}, "vsphere": {"hardwareVersion": "vmx-19"}},
}


def new(cloud: Cloud, tag: str) -> dict[str, Any]:
    """A small machine."""
    init = {"hostname": "first-name", "userData": {"secretRef": {"name": SECRET, "key": "userData"}}}
    wanted = {"tags": {tag: "new", "owner": "ada"}, "cloudInit": init, "rootDisk": {"size": "10Gi"}}
    return {**wanted, "lifecycle": {"disruption": "Allow"}, **_NEW[cloud]}


def grown(cloud: Cloud, tag: str, network: str) -> dict[str, Any]:
    """The same machine, larger, with a second interface, another host name, and one tag changed and one taken away."""
    nics = [{"name": "nic0", "id": network}, {"name": "nic1", "id": SECOND[cloud]}]
    wanted = {"cpus": 4, "memory": "16Gi", "networks": nics, "rootDisk": {"size": "12Gi"}}
    return {
        **wanted,
        "tags": {tag: "grown", "owner": None},
        "cloudInit": {"hostname": "another-name"},
        **_GROWN[cloud],
    }


def moved(cloud: Cloud, network: str) -> dict[str, Any]:
    """The same machine at another place, and without the second interface."""
    return {"networks": [{"name": "nic0", "id": network}], **_MOVED[cloud]}


def differs(facts: Facts, given: str, spec: Mapping[str, Any]) -> list[str]:
    """How a machine differs from its spec, in words."""
    wrong: list[str] = []

    def hold(field: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{field} is {found}, not {wanted}")

    hold("running", facts.running, True)
    if "cpus" in spec:
        hold("cpus", facts.cpus, spec["cpus"])
    if "memory" in spec:
        hold("memory", facts.memory, int(spec["memory"].removesuffix("Gi")) * GIB)
    if "rootDisk" in spec:
        hold("disk", facts.disk, int(spec["rootDisk"]["size"].removesuffix("Gi")) * GIB)
    if "networks" in spec:
        hold("interfaces", len(facts.networks), len(spec["networks"]))
    for name, text in spec.get("tags", {}).items():
        hold(f"tag {name}", facts.tags.get(name), text)
    for text in filter(None, [spec.get("cloudInit", {}).get("hostname"), "from-the-secret" * ("cloudInit" in spec)]):
        hold(f"{text} for cloud-init", text in given, True)
    if facts.place and "node" in spec.get("placement", {}):
        hold("place", facts.place, spec["placement"]["node"])
    return wrong
