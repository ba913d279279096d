"""The Provider: one cloud account, cluster or vCenter, and who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hybridge.api.fields import (
    HTTPS,
    IMMUTABLE,
    LABEL,
    URL,
    Model,
    Rule,
    atomic,
    duration,
    exactly_one,
    keyed,
    moment,
    note,
    number,
    quantity,
    text,
    unique,
)
from hybridge.api.selectors import NamespaceGrant
from hybridge.api.shared import API_VERSION, Condition, ObjectMeta, SecretRef

_CLOUDS = ("aws", "proxmox", "vsphere")


class AssumeRole(Model, frozen=True, kw_only=True):
    """A role to assume with the credentials."""

    arn: Annotated[
        str,
        text(
            "The ARN of the role.",
            2048,
            Rule("self.matches('^arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+$')", "must be the ARN of an IAM role"),
        ),
    ]
    external_id: Annotated[str | None, text("The external id that the role's trust policy asks for.", 1224)] = None


class AWS(Model, frozen=True, kw_only=True):
    """An AWS account in one region."""

    region: Annotated[
        str,
        text(
            "The region, such as eu-central-1. Cannot be changed.",
            32,
            IMMUTABLE,
            Rule("self.matches('^[a-z]{2,}(-[a-z]+)+-[0-9]+$')", "must be a region such as eu-central-1"),
        ),
    ]
    endpoint: Annotated[str | None, text("Another endpoint than the region's own.", 512, URL)] = None
    assume_role: Annotated[AssumeRole | None, note("A role to assume with the credentials.")] = None
    instance_families: Annotated[
        tuple[Annotated[str, text("An instance family, such as m7i.", 32)], ...],
        atomic("The families from which types are chosen where a machine names none.", 64),
    ] = ()


class VMIDRange(Model, frozen=True, kw_only=True):
    """The VMIDs that Hybridge may give to new guests."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule("self.from <= self.to", "from must not be greater than to"),)

    from_: Annotated[int, number("The first VMID.", 100, 999_999_999)]
    to: Annotated[int, number("The last VMID.", 100, 999_999_999)]


class Proxmox(Model, frozen=True, kw_only=True):
    """A Proxmox VE cluster or single node."""

    endpoint: Annotated[str, text("The URL of its API, such as https://pve.example:8006.", 512, HTTPS)]
    vm_id_range: Annotated[
        VMIDRange | None, note("The VMIDs that Hybridge may give to new guests; nobody else should use them.")
    ] = None


class VSphere(Model, frozen=True, kw_only=True):
    """One datacenter of a vCenter."""

    endpoint: Annotated[str, text("The URL of the vCenter, such as https://vc.example.", 512, HTTPS)]
    datacenter: Annotated[str, text("The name or path of the datacenter. Cannot be changed.", 255, IMMUTABLE)]


class WorkloadIdentity(Model, frozen=True, kw_only=True):
    """The identity of the operator's own workload (AWS: IRSA, pod identity or instance profile)."""


class Credentials(Model, frozen=True, kw_only=True):
    """How to log in."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "secretRef", "workloadIdentity", message="exactly one of secretRef and workloadIdentity must be set"
        ),
    )

    secret_ref: Annotated[
        SecretRef | None,
        note(
            "The Secret with accessKeyID and secretAccessKey (AWS), tokenID and tokenSecret (Proxmox),"
            " or username and password (Proxmox, vSphere)."
        ),
    ] = None
    workload_identity: Annotated[
        WorkloadIdentity | None, note("Log in as the operator's own workload. Only for AWS.")
    ] = None


class TLS(Model, frozen=True, kw_only=True):
    """How the endpoint's certificate is verified. By default: by the public certificate authorities."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.insecureSkipVerify) || !self.insecureSkipVerify || !(has(self.caBundle) || has(self.fingerprint))",
            "insecureSkipVerify switches verification off: remove it, or remove caBundle and fingerprint",
            path=".insecureSkipVerify",
        ),
    )

    ca_bundle: Annotated[
        str | None,
        text(
            "Certificates in PEM that are trusted for this endpoint.",
            131_072,
            Rule(
                "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')",
                "must hold certificates in PEM, and no private key",
            ),
        ),
    ] = None
    fingerprint: Annotated[
        str | None,
        text(
            "The SHA-256 of the server's certificate; it replaces verification by an authority.",
            128,
            Rule(
                "self.matches('^sha256:([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$')",
                "must be sha256: and 64 hexadecimal digits",
            ),
        ),
    ] = None
    insecure_skip_verify: Annotated[
        bool, note("Accept any certificate. Anybody on the way can then read the credentials. Default: false.")
    ] = False

    @property
    def fingerprint_hex(self) -> str | None:
        """The fingerprint as 64 lower-case hexadecimal digits."""
        return self.fingerprint and self.fingerprint.removeprefix("sha256:").replace(":", "").lower()


class Imports(StrEnum):
    """What tenants may import."""

    NONE = "None"
    OBSERVED = "Observed"
    MANAGED = "Managed"


_Named = Annotated[str, text("A name or id in the cloud.", 255)]


class Restrict(Model, frozen=True, kw_only=True):
    """What tenants may name. An absent list allows any."""

    network_ids: Annotated[
        tuple[_Named, ...] | None,
        unique("Networks that machines may attach to; vmbr0.20 is VLAN 20 of a bridge (spec.proxmox.vlan).", 256),
    ] = None
    folders: Annotated[tuple[_Named, ...] | None, unique("Folders in which machines may be.", 256)] = None
    resource_pools: Annotated[
        tuple[_Named, ...] | None,
        unique("Resource pools that machines may use; a cluster or host named alone stands for all of it.", 256),
    ] = None
    storages: Annotated[
        tuple[_Named, ...] | None,
        unique(
            "Storages or datastores for disks, and on vSphere the storage policies too, which decide on the datastores: "
            "names of both stand in this one list.",
            256,
        ),
    ] = None
    zones: Annotated[tuple[_Named, ...] | None, unique("Zones in which machines may be.", 256)] = None
    nodes: Annotated[tuple[_Named, ...] | None, unique("Nodes or hosts on which machines may be.", 256)] = None
    iam_instance_profiles: Annotated[
        tuple[Annotated[str, text("A name or ARN.", 2048)], ...] | None,
        unique("AWS: instance profiles whose roles machines may have, spelled as machines name them.", 64),
    ] = None
    security_group_ids: Annotated[
        tuple[_Named, ...] | None, unique("AWS: security groups that machines may name.", 256)
    ] = None
    image_sources: Annotated[
        tuple[Annotated[str, text("Such as https://images.example/linux/ or s3://images/linux/.", 2048)], ...] | None,
        unique(
            "From where the cloud may fetch Images: how URLs begin, and s3:// with bucket and key, up to a slash.", 64
        ),
    ] = None


class Limits(Model, frozen=True, kw_only=True):
    """How hard the cloud may be worked."""

    requests_per_second: Annotated[
        int | None, number("Requests a second. Default: 20 for AWS, else 50.", 1, 10_000)
    ] = None
    burst: Annotated[int | None, number("Requests that may come at once. Default: 100.", 1, 10_000)] = None
    concurrent_tasks: Annotated[int, number("Calls and tasks that run at the same time. Default: 8.", 1, 256)] = 8


class Defaults(Model, frozen=True, kw_only=True):
    """Where machines go that do not say where."""

    zone: Annotated[str | None, text("The availability zone.", 255)] = None
    node: Annotated[str | None, text("The node or host.", 255)] = None
    cluster: Annotated[str | None, text("The compute cluster.", 255)] = None
    folder: Annotated[str | None, text("The folder.", 255)] = None
    resource_pool: Annotated[str | None, text("The resource pool.", 255)] = None
    storage: Annotated[str | None, text("The storage or datastore for disks.", 255)] = None
    network: Annotated[str | None, text("The network of machines that name none.", 255)] = None


class ProviderSpec(Model, frozen=True, kw_only=True):
    """One cloud account, cluster or vCenter, and who may use it."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one(*_CLOUDS, message="exactly one of aws, proxmox and vsphere must be set"),
        Rule(
            " && ".join(f"has(self.{cloud}) == has(oldSelf.{cloud})" for cloud in _CLOUDS),
            "the cloud of a Provider cannot be changed: make another Provider",
        ),
        Rule(
            "!has(self.credentials.workloadIdentity) || has(self.aws)",
            "only AWS has a workloadIdentity: give a secretRef",
            path=".credentials.workloadIdentity",
        ),
    )

    aws: Annotated[AWS | None, note("The Provider is an AWS account in one region.")] = None
    proxmox: Annotated[Proxmox | None, note("The Provider is a Proxmox VE cluster or node.")] = None
    vsphere: Annotated[VSphere | None, note("The Provider is one datacenter of a vCenter.")] = None
    credentials: Annotated[Credentials, note("How to log in. A changed Secret takes effect by itself.")]
    tls: Annotated[TLS, note("How the endpoint's certificate is verified.")] = TLS()
    allowed_namespaces: Annotated[NamespaceGrant, note("The namespaces that may use this Provider. Default: none.")] = (
        NamespaceGrant()
    )
    imports: Annotated[
        Imports,
        note("What tenants may import: None, Observed, the default, or Managed."),
    ] = Imports.OBSERVED
    restrict: Annotated[Restrict, note("What tenants may name. Default: anything.")] = Restrict()
    limits: Annotated[Limits, note("How hard the cloud may be worked.")] = Limits()
    sweep_interval: Annotated[str, duration("How often the whole cloud is looked at. Default: 30s.", "1s", "24h")] = (
        "30s"
    )
    defaults: Annotated[Defaults, note("Where machines go that do not say where.")] = Defaults()
    paused: Annotated[bool, note("Stops all changes in this cloud; it is still looked at. Default: false.")] = False

    @property
    def type(self) -> str:
        """``aws``, ``proxmox`` or ``vsphere``; empty when none is set."""
        return next((cloud for cloud in _CLOUDS if getattr(self, cloud) is not None), "")

    @property
    def cloud(self) -> Mapping[str, object]:
        """The block of the cloud as JSON values, keyed as in the custom resource."""
        if not self.type:
            return {}
        block: Mapping[str, object] = msgspec.json.decode(msgspec.json.encode(getattr(self, self.type)))
        return block


#: How many orphans are named; all are counted.
MOST_ORPHANS = 32


class InventoryStatus(Model, frozen=True, kw_only=True, omit_defaults=False):
    """What the Provider holds. None of something is a figure, too, and is written."""

    virtual_machines: Annotated[int, number("Machines that Hybridge owns.", 0, 2**31 - 1)] = 0
    volumes: Annotated[int, number("Volumes that Hybridge owns.", 0, 2**31 - 1)] = 0
    networks: Annotated[int, number("Networks that Hybridge owns.", 0, 2**31 - 1)] = 0
    images: Annotated[int, number("Images that Hybridge owns.", 0, 2**31 - 1)] = 0
    firewalls: Annotated[int, number("Firewalls that Hybridge owns.", 0, 2**31 - 1)] = 0
    snapshots: Annotated[int, number("Snapshots that Hybridge owns.", 0, 2**31 - 1)] = 0
    unmanaged: Annotated[int, number("Machines that nobody here owns.", 0, 2**31 - 1)] = 0
    orphans: Annotated[
        int, number("What carries the marker of an object that is not there, of any kind.", 0, 2**31 - 1)
    ] = 0


class OrphanStatus(Model, frozen=True, kw_only=True):
    """What carries this cluster's marker of an object that is not there; nothing is done to it.

    It is taken over again by an object of that kind, namespace and name.
    """

    id: Annotated[str, text("The cloud's own id.", 128)]
    kind: Annotated[str, text("The kind of the object.", 64, least=0)] = ""
    namespace: Annotated[str, text("The namespace of the object.", 63, least=0)] = ""
    name: Annotated[str, text("The name of the object.", 253, least=0)] = ""


class StorageStatus(Model, frozen=True, kw_only=True):
    """How full a storage is."""

    name: Annotated[str, text("The name of the storage or datastore.", 255)]
    total: Annotated[int | str | None, quantity("Its size.", "0", "8Ei")] = None
    used: Annotated[int | str | None, quantity("What is used of it.", "0", "8Ei")] = None


class CapacityStatus(Model, frozen=True, kw_only=True):
    """What the cloud could hold, where it says so."""

    cpus: Annotated[int | None, number("Virtual CPUs.", 0, 2**31 - 1)] = None
    memory: Annotated[int | str | None, quantity("Memory.", "0", "8Ei")] = None
    storage: Annotated[tuple[StorageStatus, ...], keyed("Storages or datastores.", 256, "name")] = ()


class SweepStatus(Model, frozen=True, kw_only=True):
    """The last look at the whole cloud."""

    time: Annotated[str, moment("When it ended.")]
    duration: Annotated[str, text("How long it took.", 32)] = "0s"
    requests: Annotated[int, number("Requests that it cost.", 0, 2**31 - 1)] = 0


class ProviderStatus(Model, frozen=True, kw_only=True):
    """What was last found of the cloud."""

    observed_generation: Annotated[int, number("The generation of the spec that was last acted on.", -1, 2**53)] = -1
    conditions: Annotated[tuple[Condition, ...], keyed("How it stands, by type.", 8, "type")] = ()
    type: Annotated[str | None, text("aws, proxmox or vsphere.", 16, LABEL)] = None
    identity: Annotated[
        str | None, text("The account or cluster itself, independent of its endpoint; it must never change.", 512)
    ] = None
    version: Annotated[str | None, text("The version of the cloud's software.", 128, least=0)] = None
    capabilities: Annotated[
        tuple[Annotated[str, text("One capability.", 64)], ...], unique("What this cloud can do.", 64)
    ] = ()
    inventory: Annotated[InventoryStatus | None, note("What the Provider holds.")] = None
    orphans: Annotated[
        tuple[OrphanStatus, ...],
        atomic("What has no object any more; the object of that name takes it over again.", MOST_ORPHANS),
    ] = ()
    capacity: Annotated[CapacityStatus | None, note("What the cloud could hold, where it says so.")] = None
    last_sweep: Annotated[SweepStatus | None, note("The last look at the whole cloud.")] = None


class Provider(Model, frozen=True, kw_only=True):
    """One cloud account, cluster or vCenter: endpoint, credentials, TLS, who may use it, limits and defaults."""

    metadata: ObjectMeta
    spec: ProviderSpec
    status: ProviderStatus = ProviderStatus()
    api_version: str = API_VERSION
    kind: str = "Provider"
