"""The CD from which cloud-init reads what PVE's own cloud-init settings cannot carry: the user's data, another hostname.

PVE's API cannot write snippets, so the NoCloud documents travel in an ISO image of their own. Its name is made of the
VMID and the UUID of the attempt, and a line in the guest's notes, written with the clone, says where it belongs: so it
is found again after a crash, whether or not it was attached.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pycdlib import PyCdlib

from hybridge.core.cloudinit import guest_addresses, render
from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec, Nic
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.guest import Values, Words, cloud_init_drive, drives, net, nics, place_for_cd

#: The key of the line in a guest's notes that names its seed, such as ``nfs:iso/hybridge-1000-1a2b3c4d.iso``, and the
#: instance id on it where that is not the UUID of the attempt.
_NOTE = "hybridge.io/seed: "
#: The label by which cloud-init's NoCloud source finds the volume.
_LABEL = "cidata"


def is_needed(spec: MachineSpec) -> bool:
    """Whether PVE's own cloud-init settings do not do: it takes the hostname from the guest's name, and no user data."""
    wanted = spec.cloud_init
    return bool(wanted.user_data) or bool(wanted.hostname and wanted.hostname != spec.name)


@dataclass(frozen=True, slots=True)
class Seed:
    """``volume``: the volume id of the image. ``instance_id``: what cloud-init knows the guest by; it never changes."""

    volume: str
    instance_id: str


def volume(storage: str, vmid: str, uuid: str) -> str:
    """The volume id of a guest's seed: the same for each repetition of one attempt."""
    return f"{storage}:iso/hybridge-{vmid}-{uuid[:8]}.iso"


def file_name(volume_id: str) -> str:
    """The name of the file in a volume id."""
    return volume_id.rpartition("/")[2]


def note(one: Seed, uuid: str) -> str:
    """The line for the notes of a guest that was made with this UUID."""
    return f"{_NOTE}{one.volume}" + ("" if one.instance_id == uuid else f" {one.instance_id}")


def noted(notes: str, uuid: str) -> Seed | None:
    """The seed in the notes of a guest that was made with this UUID."""
    for line in notes.splitlines():
        if line.startswith(_NOTE):
            found, _, instance_id = line.removeprefix(_NOTE).strip().partition(" ")
            return Seed(found, instance_id or uuid)
    return None


def is_noted(words: Words) -> bool:
    """Whether a guest has a seed, which tells it things for as long as it is not written anew."""
    return noted(words.get("description", ""), "") is not None


def is_attached(one: Seed, words: Words) -> bool:
    """Whether a seed is in one of the guest's drives."""
    return any(drive.volume == one.volume for drive in drives(words))


def refuse_snippets(words: Words, template: int | None = None) -> None:
    """Nothing, when PVE's own CD can give way to a seed. Raises Refused (UNSUPPORTED) where it is made of snippets.

    They would be lost, and the instance id on it is a digest of them, which PVE tells nobody: with another one
    cloud-init would begin from scratch.
    """
    if "cicustom" in words and cloud_init_drive(words) is not None:
        whose = "the guest" if template is None else f"the template {template}"
        price = ", with which cloud-init begins from scratch at its next start" if template is None else ""
        raise Refused(
            Reason.UNSUPPORTED,
            f"cloudInit: the cloud-init of {whose} comes from snippets (cicustom: {words['cicustom']}), which a CD with"
            " user data or a hostname would replace: leave these to the snippets and out of the spec, or put what the"
            f" snippets say into the user data and take cicustom off {whose}{price}",
        )


def named(one: Seed, uuid: str, words: Words) -> Values:
    """The notes of a guest with the line of its seed, where they lack it."""
    notes = words.get("description", "").rstrip()
    if noted(notes, uuid) == one:
        return {}
    others = [line for line in notes.splitlines() if not line.startswith(_NOTE)]
    return {"description": "\n".join([*others, note(one, uuid)])}


def attached(one: Seed, words: Words) -> Values:
    """The drive of a guest that has none for its seed yet. Raises Refused."""
    if is_attached(one, words):
        return {}
    refuse_snippets(words)
    place = place_for_cd(words)
    if place is None:
        raise Refused(Reason.UNSUPPORTED, "cloudInit: the guest has no drive free for the cloud-init CD")
    return {place: f"{one.volume},media=cdrom"}


def dropped(words: Words) -> Values:
    """The notes without the line of a seed."""
    kept = [line for line in words.get("description", "").rstrip().splitlines() if not line.startswith(_NOTE)]
    return {"description": "\n".join(kept)}


def documents(spec: MachineSpec, instance_id: str, words: Words) -> Mapping[str, str]:
    """What is on it, by name; ``words`` are the guest's configuration, with the interfaces that it will have."""
    rendered = render(spec.cloud_init, instance_id=instance_id, name=spec.name)
    found = {"user-data": rendered.user_data, "meta-data": rendered.meta_data}
    if spec.networks:
        found["network-config"] = json.dumps(network_config(spec.networks, words))
    return found


def network_config(networks: Sequence[Nic], words: Words) -> dict[str, object]:
    """The interfaces in version 2 of cloud-init's network configuration, told apart by their MAC addresses."""
    ethernets: dict[str, object] = {}
    for wanted, key in zip(networks, nics(words), strict=False):
        address = wanted.mac or net(words[key]).mac
        if address:
            ethernets[wanted.name] = {"match": {"macaddress": address.lower()}, **guest_addresses(wanted)}
    return {"version": 2, "ethernets": ethernets}


def image(content: Mapping[str, str]) -> bytes:
    """The ISO image with these documents."""
    disc = PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=_LABEL)
    for name, text in content.items():
        written = text.encode()
        short = name.replace("-", "")[:8].upper()
        disc.add_fp(io.BytesIO(written), len(written), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    disc.write_fp(out)
    disc.close()
    return out.getvalue()
