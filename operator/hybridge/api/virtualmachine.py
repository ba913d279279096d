"""The VirtualMachine: a machine in one of the clouds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from hybridge.api.fields import (
    CIDR,
    HOSTNAME,
    IP,
    LABEL,
    MAC,
    NAME,
    Model,
    Rule,
    at_most_one,
    atomic,
    duration,
    exactly_one,
    int_or_string,
    kept,
    keyed,
    note,
    number,
    quantity,
    text,
    unique,
)
from hybridge.api.machine_options import AWSOptions, ProxmoxOptions, VSphereOptions
from hybridge.api.managed import BOUND, NAMED, ManagedObject, ManagedSpec, ManagedStatus, grows, required
from hybridge.api.shared import (
    API_VERSION,
    LocalRef,
    ObjectMeta,
    Ref,
    SecretKeyRef,
)
from hybridge.core.machine import Power, PowerOff, RestartPhase, RevertPhase


class Image(Model, frozen=True, kw_only=True):
    """What the machine starts from."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("id", "imageRef", message="exactly one of id and imageRef must be set"),
    )

    id: Annotated[
        int | str | None, int_or_string("The id or name in the cloud: an AMI, a template's VMID or name.", 255)
    ] = None
    image_ref: Annotated[Ref | None, note("An Image of this namespace, or of another that grants this one.")] = None


class RootDisk(Model, frozen=True, kw_only=True):
    """The disk that the machine starts from."""

    size: Annotated[
        int | str | None,
        quantity("Its size. It grows while the machine runs, and never shrinks. Default: the image's.", "1Mi", "64Ti"),
    ] = None
    class_: Annotated[
        str | None, text("Its kind: a volume type (AWS), a storage (Proxmox), a storage policy (vSphere).", 255)
    ] = None


class VolumeAttachment(Model, frozen=True, kw_only=True):
    """A Volume that the machine has."""

    name: Annotated[str, text("A name for this entry, unique in the machine.", 63, LABEL)]
    volume_ref: Annotated[LocalRef, note("The Volume.")]


class NetworkInterface(Model, frozen=True, kw_only=True):
    """A network interface."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("id", "networkRef", message="exactly one of id and networkRef must be set"),
        Rule(
            "(!has(self.gateways) && !has(self.nameservers)) || has(self.addresses)",
            "gateways and nameservers need addresses: without these the network assigns all of them",
        ),
    )

    name: Annotated[str, text("A name for this entry, unique in the machine.", 63, LABEL)]
    id: Annotated[
        str | None,
        text("The network in the cloud: a subnet's id (AWS), a bridge (Proxmox), a port group (vSphere).", 255),
    ] = None
    network_ref: Annotated[Ref | None, note("A Network of this namespace, or of another that grants this one.")] = None
    mac: Annotated[str | None, text("The MAC address. Default: chosen by the cloud.", 17, MAC)] = None
    addresses: Annotated[
        tuple[Annotated[str, text("An address with the length of its network, such as 10.0.0.5/24.", 64, CIDR)], ...],
        atomic("Fixed addresses. Default: the network assigns them.", 16),
    ] = ()
    gateways: Annotated[
        tuple[Annotated[str, text("The IP address of a router, such as 10.0.0.1.", 45, IP)], ...],
        atomic("The routers of what is not in the network, one of IPv4 and one of IPv6. EC2 has its own.", 2),
    ] = ()
    nameservers: Annotated[
        tuple[Annotated[str, text("The IP address of a name server.", 45, IP)], ...],
        atomic("The name servers of the machine. EC2 has its own.", 8),
    ] = ()


class WantedPower(StrEnum):
    """The power states that can be asked for."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class PowerOffOptions(Model, frozen=True, kw_only=True):
    """How the machine is stopped."""

    mode: Annotated[
        PowerOff,
        note(
            "TrySoft, the default: the guest is asked, and cut off after the timeout. Soft: only asked. Hard: cut off."
        ),
    ] = PowerOff.TRY_SOFT
    timeout: Annotated[str, duration("How long the guest has to stop. Default: 120s.", "1s", "1h")] = "120s"


class UserData(Model, frozen=True, kw_only=True):
    """Where the user data is."""

    secret_ref: Annotated[SecretKeyRef, note("A key of a Secret in this namespace.")]


class CloudInitOptions(Model, frozen=True, kw_only=True):
    """What the guest's cloud-init reads. What it does only once, with the first start, it does not repeat."""

    user_data: Annotated[
        UserData | None,
        note("User data for cloud-init, in whatever format it reads. Another version of it needs a power cycle."),
    ] = None
    ssh_keys: Annotated[
        tuple[
            Annotated[
                str,
                text(
                    "A public key in the format of authorized_keys.",
                    4096,
                    Rule(
                        "self.matches('^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$')",
                        "must be a public key such as ssh-ed25519 AAAA… me@example",
                    ),
                ),
            ],
            ...,
        ],
        unique("Public keys that may log in as the image's default user. Read with the first start.", 32),
    ] = ()
    hostname: Annotated[str | None, text("The guest's host name. Default: the machine's name.", 253, HOSTNAME)] = None


class Placement(Model, frozen=True, kw_only=True):
    """Where the machine goes. What is absent comes from the Provider's defaults."""

    zone: Annotated[str | None, text("The availability zone (AWS).", 255)] = None
    node: Annotated[str | None, text("The node (Proxmox) or host (vSphere).", 255)] = None
    cluster: Annotated[str | None, text("The compute cluster (vSphere).", 255)] = None
    storage: Annotated[str | None, text("The storage (Proxmox) or datastore (vSphere) of the disks.", 255)] = None
    folder: Annotated[str | None, text("The folder (vSphere).", 255)] = None
    resource_pool: Annotated[str | None, text("The resource pool (vSphere).", 255)] = None
    anti_affinity_group: Annotated[
        str | None, text("Machines of the same group are kept on different hosts.", 63, LABEL)
    ] = None


class RevertTo(Model, frozen=True, kw_only=True):
    """A Snapshot to go back to: what was written since is gone then."""

    snapshot: Annotated[str, text("The name of a Snapshot of this machine.", 253, NAME)]
    token: Annotated[
        str,
        text("A new value stops the machine and reverts it once. The one that it is made with does nothing.", 64),
    ]


class VirtualMachineSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the machine should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        required("cpus"),
        required("memory"),
        required("image"),
        NAMED,
        kept("image", "image cannot be changed or removed: make another machine"),
        at_most_one("aws", "proxmox", "vsphere", message="at most one of aws, proxmox and vsphere can be set"),
    )

    cpus: Annotated[int | None, number("The number of virtual CPUs.", 1, 1024)] = None
    memory: Annotated[int | str | None, quantity("The memory, such as 4Gi.", "16Mi", "64Ti")] = None
    image: Annotated[Image | None, note("What the machine starts from. Cannot be changed.")] = None
    root_disk: Annotated[RootDisk | None, note("The disk that the machine starts from.")] = None
    volumes: Annotated[tuple[VolumeAttachment, ...], keyed("Volumes that the machine has.", 32, "name")] = ()
    networks: Annotated[
        tuple[NetworkInterface, ...],
        keyed("Network interfaces, in order. Default: one in the Provider's default network.", 10, "name"),
    ] = ()
    power_state: Annotated[
        WantedPower | None,
        note("Whether the machine runs. Default: Running when it is made; an import stays as it is."),
    ] = None
    power_off: Annotated[PowerOffOptions, note("How the machine is stopped.")] = PowerOffOptions()
    restart_token: Annotated[str | None, text("A new value restarts the machine once.", 64)] = None
    cloud_init: Annotated[CloudInitOptions, note("What the guest's cloud-init reads.")] = CloudInitOptions()
    placement: Annotated[Placement, note("Where the machine goes. Default: the Provider's defaults.")] = Placement()
    revert_to: Annotated[RevertTo | None, note("A Snapshot to go back to.")] = None
    aws: Annotated[AWSOptions | None, note("What only AWS has.")] = None
    proxmox: Annotated[ProxmoxOptions | None, note("What only Proxmox has.")] = None
    vsphere: Annotated[VSphereOptions | None, note("What only vSphere has.")] = None


class Phase(StrEnum):
    """The machine's state in one word, for people."""

    PENDING = "Pending"
    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    UPDATING = "Updating"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class AddressStatus(Model, frozen=True, kw_only=True):
    """An address that the machine has."""

    type: Annotated[str, text("InternalIP, ExternalIP or Hostname.", 32)]
    address: Annotated[str, text("The address.", 253)]


class RestartStatus(Model, frozen=True, kw_only=True):
    """The last restart that ``spec.restartToken`` asked for, written down before it begins."""

    token: Annotated[str, text("The token that asked for it.", 64, least=0)]
    phase: Annotated[RestartPhase, note("Stopping, Starting or Done.")]


class RevertStatus(Model, frozen=True, kw_only=True):
    """The last revert that ``spec.revertTo`` asked for, written down before it begins."""

    token: Annotated[str, text("The token that asked for it.", 64)]
    snapshot: Annotated[str, text("The name of the Snapshot.", 253)]
    phase: Annotated[RevertPhase, note("Stopping, Reverting, Starting, Done, or Refused by the cloud.")]
    ran: Annotated[bool, note("Whether the machine ran when it began, and has not been started since.")] = False
    message: Annotated[str | None, text("Why the cloud does not do it.", 1024)] = None


class GivenStatus(Model, frozen=True, kw_only=True):
    """What cloud-init in the guest was given last, by the machine's creation or by a change since."""

    user_data: Annotated[str | None, text("The version of the Secret with the user data.", 640)] = None
    ssh_keys: Annotated[str | None, text("How many public keys, and their digest.", 64)] = None
    hostname: Annotated[str | None, text("The host name.", 253)] = None


class PlacedStatus(Model, frozen=True, kw_only=True):
    """Where the machine was put when it was made."""

    host: Annotated[str | None, text("The node or host.", 255)] = None
    zone: Annotated[str | None, text("The availability zone.", 255)] = None
    reason: Annotated[str | None, text("How the place was chosen.", 512)] = None


class VirtualMachineStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the machine is."""

    phase: Annotated[Phase | None, note("The machine's state in one word, for people.")] = None
    power_state: Annotated[Power | None, note("The power state that the cloud reports.")] = None
    addresses: Annotated[tuple[AddressStatus, ...], atomic("The addresses that the machine has.", 64)] = ()
    cpus: Annotated[int | None, number("The number of virtual CPUs.", 0, 2**31 - 1)] = None
    memory: Annotated[int | str | None, quantity("The memory.", "0", "8Ei")] = None
    instance_type: Annotated[str | None, text("The instance type, where the cloud has types.", 64)] = None
    host: Annotated[str | None, text("The node or host on which the machine is.", 255)] = None
    zone: Annotated[str | None, text("The availability zone in which the machine is.", 255)] = None
    placement: Annotated[PlacedStatus | None, note("Where the machine was put when it was made, and why.")] = None
    guest_agent: Annotated[bool | None, note("Whether the guest's agent or tools run, where the cloud can tell.")] = (
        None
    )
    restart: Annotated[RestartStatus | None, note("The last restart that a token asked for.")] = None
    revert: Annotated[RevertStatus | None, note("The last revert that a token asked for.")] = None
    cloud_init: Annotated[GivenStatus | None, note("What cloud-init in the guest was given last.")] = None
    restart_required: Annotated[bool, note("Whether a change waits for the next power cycle.")] = False


class VirtualMachine(ManagedObject, frozen=True, kw_only=True):
    """A machine in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        BOUND,
        grows(
            "rootDisk.size",
            "rootDisk.size can grow, but neither shrink nor be removed, unless the cloud has refused it",
        ),
    )

    metadata: ObjectMeta
    spec: VirtualMachineSpec
    status: VirtualMachineStatus = VirtualMachineStatus()
    api_version: str = API_VERSION
    kind: str = "VirtualMachine"
