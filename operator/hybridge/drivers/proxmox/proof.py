"""What counts as proof: that a guest is the one meant, and that there is none."""

from __future__ import annotations

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import Busy, CloudError, Disposition, NotProven
from hybridge.core.identity import Marker, read_notes
from hybridge.core.reasons import Reason
from hybridge.drivers.marked import same_owner
from hybridge.drivers.proxmox.answers import Member
from hybridge.drivers.proxmox.errors import Missing, Unlisted
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, smbios_uuid
from hybridge.drivers.proxmox.mapping import UNFINISHED, held


def marker_of(configuration: Configuration) -> Marker | None:
    """The marker in a guest's notes."""
    return read_notes(configuration.current.get("description", ""))


def is_being_made(configuration: Configuration) -> bool:
    """Whether a guest's notes are yet to be written: PVE does so when the first disk is there."""
    return configuration.lock in UNFINISHED and marker_of(configuration) is None


def read_meant(estate: Estate, vmid: str) -> tuple[str, Configuration]:
    """A fresh reading of a guest that is to be changed, and its node. Raises NotProven where there is none any more."""
    try:
        return estate.read(vmid)
    except Missing as missing:
        raise NotProven(missing.message) from missing


def claimed(estate: Estate, vmid: str, marker: Marker, taken: CloudError) -> tuple[str, Configuration]:
    """What has the VMID that a create wanted, if that was our own earlier call, and its node.

    Raises ``taken`` where it is a stranger or gone again, and Busy while it is under way.
    """
    try:
        node, configuration = estate.read(vmid)
    except Missing:
        estate.vmids.lose(int(vmid))
        raise taken from None
    if is_being_made(configuration):
        raise Busy(f"guest {vmid} is being made, and its notes are not written yet") from taken
    if not same_owner(marker_of(configuration), marker):
        raise taken
    return node, configuration


def compare(machine: CloudObject, marker: Marker | None, configuration: Configuration) -> None:
    """Nothing, when a fresh reading shows the guest that is meant, with this marker and free to be changed.

    Raises NotProven and Busy.
    """
    carried, uuid = marker_of(configuration), smbios_uuid(configuration.current)
    if is_being_made(configuration):
        raise Busy(f"guest {machine.id} is locked by a task ({configuration.lock})")
    if not same_owner(carried, marker):
        what = f"the marker of {carried.owner}" if carried else "no marker"
        raise NotProven(f"guest {machine.id} now carries {what}")
    if machine.uuid is not None and uuid != machine.uuid:
        raise NotProven(f"guest {machine.id} now has the UUID {uuid} instead of {machine.uuid}")
    if held(configuration.lock):
        raise Busy(f"guest {machine.id} is locked by a task ({configuration.lock})")


def confirm_absence(estate: Estate, vmid: str, missing: Missing) -> None:
    """Nothing, when a guest that was just looked for in vain does not exist: the cluster has quorum, its list is without
    the guest, and a node that would have shown the guest's configuration has none. Raises CloudError otherwise.

    The list names the guests of offline nodes too, but only those that the account may see; the node's answer, other
    than a refusal, shows that it would have seen this one.
    """
    if estate.row(vmid) is not None:
        raise unclear(f"the cluster's list has guest {vmid}, but its node has no configuration of it")
    members = estate.client.get("ClusterStatus", list[Member], "cluster", "status")
    if any(member.type == "cluster" and not member.quorate for member in members):
        raise unclear(f"the cluster has no quorum, so it cannot tell whether guest {vmid} exists")
    if not isinstance(missing, Unlisted):
        return
    local = next((member.name for member in members if member.type == "node" and member.local), None)
    if local is None:
        raise unclear("the cluster's status does not say which node answers")
    try:
        estate.read_at(local, vmid)
    except Missing:
        return
    raise unclear(f"guest {vmid} has just come to node {local}")


def unclear(message: str) -> CloudError:
    """The cloud cannot tell now; nothing was changed."""
    return CloudError(Reason.PROVIDER_DOWN, message, disposition=Disposition.WAIT)
