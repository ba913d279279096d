"""What each cloud itself has, read without the operator and without its fault proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from lab.aws import AwsCloud, AwsMachine
from lab.bed import Lab
from lab.demo_objects import Row, short
from lab.proxmox import ProxmoxCloud, ProxmoxMachine
from lab.vsphere import VsphereCloud
from lab.vsphere_disks import VsphereDisk
from lab.vsphere_machine import VsphereMachine

_GIB = 2**30
_MACHINE, _VOLUME, _NETWORK, _FIREWALL = "VirtualMachine", "Volume", "Network", "Firewall"
_IMAGE = "Image"
#: What the operator marks what it has made with; the lab has networks and groups of its own.
_OWNER = "hybridge.io/owner"
#: Devices of which an instance starts.
_ROOTS = frozenset({"/dev/sda1", "/dev/xvda"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing; ``state`` is the cloud's own word, ``where`` its zone, node, host, or the machines that have it.

    ``on``: whether a machine runs; None for other things. ``ours``: whether the operator has made it; else it may be there
    without an object.
    """

    kind: str
    cloud: str
    id: str
    name: str
    state: str
    on: bool | None
    size: str
    where: str
    ours: bool = True


def seen(lab: Lab) -> list[Seen]:
    """All machines of all clouds, and all that machines use. LabError when a cloud cannot be read."""
    found: list[Seen] = []
    for cloud in lab.clouds.values():
        match cloud:
            case AwsCloud():
                found += [
                    *map(_aws, cloud.machines()),
                    *_aws_volumes(cloud),
                    *_aws_networks(cloud),
                    *_aws_firewalls(cloud),
                    *_aws_images(cloud),
                ]
            case ProxmoxCloud():
                found += [_proxmox(machine) for machine in cloud.machines() if not machine.template]
                found += [*_proxmox_volumes(cloud), *_proxmox_networks(cloud), *_proxmox_firewalls(cloud)]
                found += [_proxmox_image(machine) for machine in cloud.machines() if machine.template]
            case VsphereCloud():
                found += [_vsphere(machine) for machine in cloud.machines() if not machine.template]
                found += [*map(_vsphere_disk, cloud.disks.all()), *_vsphere_networks(cloud)]
                found += [_vsphere_image(machine) for machine in cloud.machines() if machine.template]
    return found


def cloud_table(things: Iterable[Seen]) -> Table:
    """The things, one a line."""
    columns = ("CLOUD", "KIND", "ID", "NAME IN THE CLOUD", "STATE", "SIZE", "WHERE")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for one in things:
        table.add_row(one.cloud, one.kind, short(one.id), short(one.name), one.state, one.size, one.where)
    return table


def differences(rows: Sequence[Row], things: Sequence[Seen]) -> list[str]:
    """Sentences about everything that the objects ask for and the clouds lack, have too much, or have otherwise."""
    found = []
    there = {(one.kind, one.cloud, one.id): one for one in things}
    for row in rows:
        if not row.namespace:
            continue
        one = there.pop((row.kind, row.provider, row.id), None)
        if one is None:
            found.append(f"{row.label} has no {row.kind} {row.id or '(no id)'} in {row.provider}")
        elif one.on not in {None, row.wanted_on}:
            found.append(f"{row.label} should be {'on' if row.wanted_on else 'off'}, and is {one.state}")
    found += [
        f"{one.cloud} has a {one.kind} {one.id} ({one.name}) that no object asks for"
        for one in there.values()
        if one.ours
    ]
    return found


def _aws(machine: AwsMachine) -> Seen:
    state = machine.state
    return Seen(_MACHINE, "aws", machine.id, machine.name, state, state == "running", machine.type, machine.zone)


def _proxmox(machine: ProxmoxMachine) -> Seen:
    size = f"{machine.cpus} CPUs, {machine.memory / _GIB:g} GiB"
    on = machine.status == "running"
    return Seen(_MACHINE, "proxmox", str(machine.vmid), machine.name, machine.status, on, size, machine.node)


def _vsphere(machine: VsphereMachine) -> Seen:
    size = f"{machine.cpus} CPUs, {machine.memory / 1024:g} GiB"
    on = machine.power == "poweredOn"
    return Seen(_MACHINE, "vsphere", machine.moid, machine.name, machine.power, on, size, machine.host)


def _aws_volumes(cloud: AwsCloud) -> Iterator[Seen]:
    """All but those of which instances start."""
    for one in cloud.client().describe_volumes()["Volumes"]:
        places = {where["InstanceId"]: where["Device"] for where in one["Attachments"]}
        if one["State"] != "deleting" and not _ROOTS & set(places.values()):
            name = next((tag["Value"] for tag in one.get("Tags", []) if tag["Key"] == "Name"), "")
            size = f"{one['Size']} GiB"
            where = " ".join(places) or one["AvailabilityZone"]
            yield Seen(_VOLUME, "aws", one["VolumeId"], name, one["State"], None, size, where)


def _proxmox_volumes(cloud: ProxmoxCloud) -> Iterator[Seen]:
    """All but the images of guests that there are."""
    machines = cloud.machines()
    guests = {machine.vmid for machine in machines}
    users = {str(word).partition(",")[0]: str(one.vmid) for one in machines for word in one.config.values()}
    for one in cloud.volumes():
        if one.vmid not in guests:
            known = f"{one.node}/{one.volid}" if one.node else one.volid
            user = users.get(one.volid, "")
            name, size = one.volid.rpartition("/")[2].rpartition(":")[2], f"{one.size / _GIB:g} GiB"
            yield Seen(_VOLUME, "proxmox", known, name, "in-use" if user else "available", None, size, user)


def _aws_networks(cloud: AwsCloud) -> Iterator[Seen]:
    """The VPCs that are marked, and marked subnets of others'."""
    ec2 = cloud.client()
    vpcs = {one["VpcId"]: one for one in ec2.describe_vpcs()["Vpcs"] if _is_ours(one)}
    subnets = [one for one in ec2.describe_subnets()["Subnets"] if _is_ours(one) and one["VpcId"] not in vpcs]
    for known, one in {**vpcs, **{one["SubnetId"]: one for one in subnets}}.items():
        name = next((tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name"), "")
        yield Seen(_NETWORK, "aws", known, name, one["State"], None, one["CidrBlock"], one.get("AvailabilityZone", ""))


def _is_ours(found: Mapping[str, Any]) -> bool:
    return any(tag["Key"] == _OWNER for tag in found.get("Tags", []))


def _aws_images(cloud: AwsCloud) -> Iterator[Seen]:
    """Those that the account can see, whoever has published them."""
    for one in cloud.client().describe_images()["Images"]:
        disks = (disk.get("Ebs", {}).get("VolumeSize", 0) for disk in one["BlockDeviceMappings"])
        yield Seen(
            _IMAGE, "aws", one["ImageId"], one["Name"], one["State"], None, f"{sum(disks)} GiB", "", _is_ours(one)
        )


def _proxmox_image(template: ProxmoxMachine) -> Seen:
    ours = _OWNER in template.description
    return Seen(_IMAGE, "proxmox", str(template.vmid), template.name, "template", None, "", template.node, ours)


def _vsphere_image(template: VsphereMachine) -> Seen:
    ours = _OWNER in template.annotation
    return Seen(_IMAGE, "vsphere", template.moid, template.name, "template", None, "", template.host, ours)


def _aws_firewalls(cloud: AwsCloud) -> Iterator[Seen]:
    """The security groups that are marked."""
    ec2 = cloud.client()
    nics = [nic for nic in ec2.describe_network_interfaces()["NetworkInterfaces"] if "Attachment" in nic]
    for one in ec2.describe_security_groups()["SecurityGroups"]:
        if _is_ours(one):
            known, rules = one["GroupId"], len(one["IpPermissions"]) + len(one["IpPermissionsEgress"])
            groups = [(nic["Attachment"].get("InstanceId", ""), nic["Groups"]) for nic in nics]
            users = {machine for machine, some in groups if any(group["GroupId"] == known for group in some)}
            state = "in-use" if users else "available"
            yield Seen(
                _FIREWALL, "aws", known, one["GroupName"], state, None, f"{rules} rules", " ".join(sorted(users))
            )


def _proxmox_networks(cloud: ProxmoxCloud) -> Iterator[Seen]:
    """The vnets that are marked."""
    for vnet, row in cloud.sdn.vnets().items():
        if _OWNER in (alias := str({**row, **row.get("pending", {})}.get("alias", ""))):
            state, tag = str(row.get("state", "active")), f"VLAN {row['tag']}" if row.get("tag") else ""
            yield Seen(_NETWORK, "proxmox", vnet, alias.partition(" ")[0], state, None, tag, str(row.get("zone", "")))


def _proxmox_firewalls(cloud: ProxmoxCloud) -> Iterator[Seen]:
    """All security groups of the datacenter."""
    users = cloud.firewalls.machines()
    for group, comment in cloud.firewalls.groups().items():
        state, size = "in-use" if group in users else "available", f"{len(cloud.firewalls.rules(group))} rules"
        where = " ".join(map(str, users.get(group, ())))
        yield Seen(_FIREWALL, "proxmox", group, comment.partition(" ")[0], state, None, size, where)


def _vsphere_disk(disk: VsphereDisk) -> Seen:
    state, size = "attached" if disk.machine else "detached", f"{disk.size / _GIB:g} GiB"
    return Seen(_VOLUME, "vsphere", disk.id, disk.name, state, None, size, disk.machine or "")


def _vsphere_networks(cloud: VsphereCloud) -> Iterator[Seen]:
    """The port groups that are marked."""
    for one in cloud.port_groups.all():
        if _OWNER in one.description:
            vlan = f"VLAN {one.vlan}" if one.vlan else ""
            yield Seen(_NETWORK, "vsphere", one.id, one.name, "active", None, vlan, "")
