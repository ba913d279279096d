"""The Network: a segment that machines attach to."""

from __future__ import annotations

from typing import Annotated, ClassVar

from hybridge.api.fields import (
    Model,
    Rule,
    at_most_one,
    exactly_one,
    kept,
    note,
    number,
    text,
    unique,
)
from hybridge.api.managed import BOUND, IMPORTED, NAMED, ManagedObject, ManagedSpec, ManagedStatus
from hybridge.api.selectors import NamespaceGrant
from hybridge.api.shared import API_VERSION, ObjectMeta
from hybridge.core.managed import Phase

_RANGE = Rule(
    "!isCIDR(self) || cidr(self) == cidr(self).masked()",
    "must be the range of a network such as 10.0.0.0/24: after its length there are only zeros",
)
_IS_RANGE = Rule("isCIDR(self)", "must be the range of a network such as 10.0.0.0/24")


class AWSNetworkOptions(Model, frozen=True, kw_only=True):
    """What only EC2 has: the Network is a subnet."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("vpcID", "vpcCIDR", message="exactly one of vpcID and vpcCIDR must be set"),
    )

    vpc_id: Annotated[
        str | None,
        text(
            "The VPC that exists already, in which the subnet is made. Cannot be changed.",
            64,
            Rule("self.startsWith('vpc-')", "must be the id of a VPC such as vpc-0abc"),
        ),
    ] = None
    vpc_cidr: Annotated[
        str | None,
        text("The range of a VPC that is made for this Network alone. Cannot be changed.", 18, _IS_RANGE, _RANGE),
    ] = None
    zone: Annotated[
        str | None, text("The availability zone. Default: the Provider's, or EC2 chooses. Cannot be changed.", 255)
    ] = None
    internet: Annotated[
        bool | None, note("Whether machines reach the internet through a gateway. Default: as the VPC has it.")
    ] = None
    public_addresses: Annotated[
        bool | None, note("Whether new machines get a public address of their own. Default: false.")
    ] = None


class ProxmoxNetworkOptions(Model, frozen=True, kw_only=True):
    """What only Proxmox VE has: the Network is a bridge or a vnet."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("bridge", "vnet", message="exactly one of bridge and vnet must be set"),
        Rule(
            "has(self.vnet) == has(self.sdnZone)",
            "vnet and sdnZone are set together: a vnet is in a zone",
            path=".sdnZone",
        ),
    )

    bridge: Annotated[
        str | None, text("A bridge that exists already. It is only looked at, and never changed.", 64)
    ] = None
    sdn_zone: Annotated[
        str | None, text("The SDN zone, which exists already, in which the vnet is made. Cannot be changed.", 64)
    ] = None
    vnet: Annotated[
        str | None,
        text(
            "The name of the vnet that is made. Cannot be changed.",
            8,
            Rule(
                "self.matches('^[a-z][a-z0-9]*$')",
                "must be a letter and at most seven lower-case letters and digits more, as SDN wants it",
            ),
        ),
    ] = None


class VSphereNetworkOptions(Model, frozen=True, kw_only=True):
    """What only vSphere has: the Network is a port group."""

    switch: Annotated[
        str, text("The distributed or standard switch on which the port group is made. Cannot be changed.", 255)
    ]
    cluster: Annotated[
        str | None,
        text("The cluster on all of whose hosts the port group is made, where the switch is a standard one.", 255),
    ] = None


class NetworkSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the network should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        NAMED,
        Rule(
            f"({IMPORTED}) || has(self.aws) || has(self.proxmox) || has(self.vsphere)",
            "one of aws, proxmox and vsphere is required unless lifecycle.import is set",
            reason="FieldValueRequired",
        ),
        at_most_one("aws", "proxmox", "vsphere", message="at most one of aws, proxmox and vsphere can be set"),
        Rule(
            f"({IMPORTED}) || !has(self.aws) || has(self.cidr)",
            "cidr is required on AWS unless lifecycle.import is set",
            path=".cidr",
            reason="FieldValueRequired",
        ),
        Rule(
            f"!({IMPORTED}) || !has(self.proxmox) || !has(self.proxmox.bridge)",
            "proxmox.bridge and lifecycle.import exclude each other: either says which bridge it is",
            path=".proxmox",
        ),
        kept("cidr", "cidr cannot be changed or removed: make another Network"),
        *(
            kept(path, f"{path} cannot be changed or removed: make another Network")
            for path in (
                "aws.vpcID",
                "aws.vpcCIDR",
                "aws.zone",
                "proxmox.bridge",
                "proxmox.sdnZone",
                "proxmox.vnet",
                "vsphere.switch",
            )
        ),
    )

    cidr: Annotated[
        str | None,
        text(
            "The range of its addresses, such as 10.0.1.0/24. Needed on AWS; elsewhere it is for people. Cannot be changed.",
            43,
            _IS_RANGE,
            _RANGE,
        ),
    ] = None
    vlan: Annotated[int | None, number("The VLAN tag (Proxmox, vSphere).", 1, 4094)] = None
    allowed_namespaces: Annotated[
        NamespaceGrant, note("The other namespaces whose machines may use it. Default: none.")
    ] = NamespaceGrant()
    aws: Annotated[AWSNetworkOptions | None, note("What only AWS has.")] = None
    proxmox: Annotated[ProxmoxNetworkOptions | None, note("What only Proxmox has.")] = None
    vsphere: Annotated[VSphereNetworkOptions | None, note("What only vSphere has.")] = None


class NetworkStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the network is."""

    phase: Annotated[Phase | None, note("How the network is, in one word for people.")] = None
    network_id: Annotated[
        str | None, text("The word by which machines are put into it: a subnet, bridge, vnet or port group.", 255)
    ] = None
    cidr: Annotated[str | None, text("The range of its addresses, where the cloud has it.", 43)] = None
    vlan: Annotated[int | None, number("The VLAN tag.", 0, 4095)] = None
    parts: Annotated[
        tuple[Annotated[str, text("The name of a part.", 64)], ...],
        unique("What there is of it besides what has its id.", 16),
    ] = ()
    machines: Annotated[int | None, number("How many machines are in it.", 0, 2**31 - 1)] = None


class Network(ManagedObject, frozen=True, kw_only=True):
    """A segment that machines attach to, in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (BOUND,)

    metadata: ObjectMeta
    spec: NetworkSpec
    status: NetworkStatus = NetworkStatus()
    api_version: str = API_VERSION
    kind: str = "Network"
