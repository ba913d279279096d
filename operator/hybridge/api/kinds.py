"""The kinds there are, one line each."""

from __future__ import annotations

from dataclasses import dataclass

from hybridge.api.fields import Model
from hybridge.api.firewall import Firewall, FirewallSpec, FirewallStatus
from hybridge.api.image import Image, ImageSpec, ImageStatus
from hybridge.api.network import Network, NetworkSpec, NetworkStatus
from hybridge.api.provider import Provider, ProviderSpec, ProviderStatus
from hybridge.api.snapshot import Snapshot, SnapshotSpec, SnapshotStatus
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineSpec, VirtualMachineStatus
from hybridge.api.volume import Volume, VolumeSpec, VolumeStatus


@dataclass(frozen=True, slots=True)
class Column:
    """A column that kubectl prints; ``wide`` ones only with ``-o wide``."""

    name: str
    path: str
    wide: bool = False
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Kind:
    """A custom resource. ``model`` is the whole object; ``columns`` are the kind's own, between SYNCED and AGE."""

    kind: str
    plural: str
    short: str
    namespaced: bool
    model: type[Model]
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]


_PROVIDER = Column("PROVIDER", ".spec.providerRef.name")
_ID = Column("ID", ".status.id")

VOLUME = Kind(
    "Volume", "volumes", "hvol", True, Volume, VolumeSpec, VolumeStatus,
    (Column("PHASE", ".status.phase"), Column("SIZE", ".status.size"), _PROVIDER, _ID,
     Column("CLASS", ".status.class", wide=True)),
)  # fmt: skip

NETWORK = Kind(
    "Network", "networks", "hnet", True, Network, NetworkSpec, NetworkStatus,
    (Column("PHASE", ".status.phase"), Column("CIDR", ".status.cidr"), _PROVIDER, _ID,
     Column("VLAN", ".status.vlan", wide=True, type="integer"), Column("NETWORK", ".status.networkID", wide=True)),
)  # fmt: skip

IMAGE = Kind(
    "Image", "images", "himg", True, Image, ImageSpec, ImageStatus,
    (Column("PHASE", ".status.phase"), Column("SIZE", ".status.size"), _PROVIDER, _ID,
     Column("NAME-IN-CLOUD", ".status.imageName", wide=True), Column("NEWER", ".status.newer.id", wide=True)),
)  # fmt: skip
FIREWALL = Kind(
    "Firewall", "firewalls", "hfw", True, Firewall, FirewallSpec, FirewallStatus,
    (Column("PHASE", ".status.phase"), Column("MACHINES", ".status.machines", type="integer"), _PROVIDER, _ID,
     Column("ENTRIES", ".status.entries", wide=True, type="integer")),
)  # fmt: skip
SNAPSHOT = Kind(
    "Snapshot", "snapshots", "hsnap", True, Snapshot, SnapshotSpec, SnapshotStatus,
    (Column("PHASE", ".status.phase"), Column("SOURCE", ".spec.sourceRef.name"), _PROVIDER, _ID,
     Column("CONSISTENCY", ".status.consistency", wide=True), Column("EXPIRES", ".status.expiresAt", wide=True),
     Column("DEPTH", ".status.depth", wide=True, type="integer"),
     Column("TAKEN", ".status.takenAt", wide=True, type="date")),
)  # fmt: skip

KINDS = (
    Kind(
        "Provider", "providers", "hprov", False, Provider, ProviderSpec, ProviderStatus,
        (Column("TYPE", ".status.type"), Column("IDENTITY", ".status.identity")),
    ),
    Kind(
        "VirtualMachine", "virtualmachines", "hvm", True, VirtualMachine, VirtualMachineSpec, VirtualMachineStatus,
        (Column("PHASE", ".status.phase"), _PROVIDER, _ID),
    ),
    VOLUME,
    NETWORK,
    IMAGE,
    FIREWALL,
    SNAPSHOT,
)  # fmt: skip
