"""The CD from which cloud-init reads what PVE's own cloud-init settings cannot carry: the user's data, another hostname.

PVE's API cannot write snippets, so the NoCloud documents travel in an ISO image of their own. Its name is made of the
VMID and the UUID of the attempt, and a line in the guest's notes, written with the clone, says where it belongs: so it
is found again after a crash, whether or not it was attached.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence

from pycdlib import PyCdlib

from hybridge.core.cloudinit import render
from hybridge.core.machine import Intent, MachineSpec, Nic
from hybridge.drivers.proxmox.guest import Words, net, nics

#: The key of the line in a guest's notes that names its seed, such as ``nfs:iso/hybridge-1000-1a2b3c4d.iso``.
_NOTE = "hybridge.io/seed: "
#: The label by which cloud-init's NoCloud source finds the volume.
_LABEL = "cidata"


def is_needed(spec: MachineSpec) -> bool:
    """Whether PVE's own cloud-init settings do not do: it takes the hostname from the guest's name, and no user data."""
    wanted = spec.cloud_init
    return bool(wanted.user_data) or bool(wanted.hostname and wanted.hostname != spec.name)


def volume(storage: str, vmid: str, uuid: str) -> str:
    """The volume id of a guest's seed: the same for each repetition of one attempt."""
    return f"{storage}:iso/hybridge-{vmid}-{uuid[:8]}.iso"


def file_name(volume_id: str) -> str:
    """The name of the file in a volume id."""
    return volume_id.rpartition("/")[2]


def note(volume_id: str) -> str:
    """The line for a guest's notes."""
    return f"{_NOTE}{volume_id}"


def noted(notes: str) -> str | None:
    """The volume id in a guest's notes."""
    for line in notes.splitlines():
        if line.startswith(_NOTE):
            return line.removeprefix(_NOTE).strip()
    return None


def image(spec: MachineSpec, intent: Intent, words: Words) -> bytes:
    """The ISO image; ``words`` are the guest's configuration, with the interfaces that it will have."""
    rendered = render(spec.cloud_init, instance_id=intent.uuid, name=spec.name)
    documents = {"user-data": rendered.user_data, "meta-data": rendered.meta_data}
    if spec.networks:
        documents["network-config"] = json.dumps(network_config(spec.networks, words))
    return _iso(documents)


def network_config(networks: Sequence[Nic], words: Words) -> dict[str, object]:
    """The interfaces in version 2 of cloud-init's network configuration, told apart by their MAC addresses."""
    ethernets: dict[str, object] = {}
    for wanted, key in zip(networks, nics(words), strict=False):
        address = wanted.mac or net(words[key]).mac
        if address:
            fixed = {"addresses": list(wanted.addresses)} if wanted.addresses else {"dhcp4": True}
            ethernets[wanted.name] = {"match": {"macaddress": address.lower()}, **fixed}
    return {"version": 2, "ethernets": ethernets}


def _iso(documents: Mapping[str, str]) -> bytes:
    disc = PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=_LABEL)
    for name, text in documents.items():
        content = text.encode()
        short = name.replace("-", "")[:8].upper()
        disc.add_fp(io.BytesIO(content), len(content), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    disc.write_fp(out)
    disc.close()
    return out.getvalue()
