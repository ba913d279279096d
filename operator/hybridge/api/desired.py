"""Between VirtualMachines and the core: what is wanted, and the records of work. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hybridge.api.managed_desired import managed, options, size, words
from hybridge.api.network_desired import Segment
from hybridge.api.shared import clip
from hybridge.api.virtualmachine import (
    GivenStatus,
    NetworkInterface,
    PlacedStatus,
    RestartStatus,
    RevertStatus,
    RevertTo,
    VirtualMachine,
    VirtualMachineSpec,
)
from hybridge.core.cloudinit import HOSTNAME, SSH_KEYS, USER_DATA
from hybridge.core.machine import (
    CloudInit,
    MachineSpec,
    Nic,
    Power,
    Restart,
    Revert,
    RevertWish,
    VolumeUse,
)
from hybridge.core.place import Placed
from hybridge.core.units import parse_duration

_NONE: Mapping[str, str] = {}
_NOWHERE: Mapping[str, Segment] = {}


def machine_spec(
    machine: VirtualMachine,
    cloud: str,
    *,
    user_data: str | None = None,
    volumes: Mapping[str, str] = _NONE,
    networks: Mapping[str, Segment] = _NOWHERE,
    image: str | None = None,
) -> MachineSpec:
    """What the user wants, in the core's words.

    ``cloud`` is the type of the Provider, which picks the block of options; ``user_data`` is the content of the Secret
    that ``spec.cloudInit.userData`` names; ``volumes`` and ``networks`` are what the cloud calls what ``spec.volumes`` and
    ``spec.networks`` name, by the names of the entries, as far as that is known; ``image`` is the id of what ``spec.image``
    names. An interface whose network is not known leaves it open. ValueError when a quantity or duration cannot be read
    (the CRD refuses those).
    """
    spec, disk = machine.spec, machine.spec.root_disk
    placement = dict(words(spec.placement))
    group = placement.pop("antiAffinityGroup", None)
    return MachineSpec(
        **managed(machine.metadata, spec),
        image=str(spec.image.id) if spec.image and spec.image.id is not None else image,
        cpus=spec.cpus,
        memory=size(spec.memory),
        root_disk=size(disk.size) if disk else None,
        root_disk_class=disk.class_ if disk else None,
        networks=tuple(_nic(network, networks.get(network.name)) for network in spec.networks),
        volumes=tuple(VolumeUse(one.name, one.volume_ref.name, volumes.get(one.name)) for one in spec.volumes),
        power=_power(spec),
        power_off=spec.power_off.mode,
        power_off_timeout=parse_duration(spec.power_off.timeout),
        placement={key: str(value) for key, value in placement.items()},
        options=options(spec, cloud),
        cloud_init=CloudInit(spec.cloud_init.hostname, spec.cloud_init.ssh_keys, user_data),
        restart_token=spec.restart_token,
        revert=RevertWish(spec.revert_to.snapshot, spec.revert_to.token) if spec.revert_to else None,
        group=None if group is None else str(group),
    )


def restart_status(restart: Restart) -> RestartStatus:
    """The record of a restart as it stands in ``status.restart``."""
    return RestartStatus(token=restart.token, phase=restart.phase)


def restart(status: RestartStatus) -> Restart:
    """The restart that ``status.restart`` records."""
    return Restart(status.token, status.phase)


def revert_status(revert: Revert) -> RevertStatus:
    """The record of a revert as it stands in ``status.revert``."""
    return RevertStatus(
        token=revert.token,
        snapshot=revert.snapshot,
        phase=revert.phase,
        ran=revert.ran,
        message=revert.message or None,
    )


def revert(status: RevertStatus) -> Revert:
    """The revert that ``status.revert`` records."""
    return Revert(status.token, status.snapshot, status.phase, status.ran, status.message or "")


def reverted_status(wanted: RevertTo) -> RevertStatus:
    """The record of one of which nothing is left to be done."""
    return revert_status(Revert(wanted.token, wanted.snapshot))


def given_status(given: Mapping[str, str]) -> GivenStatus:
    """What cloud-init was given, by path, as it stands in ``status.cloudInit``."""
    return GivenStatus(user_data=given.get(USER_DATA), ssh_keys=given.get(SSH_KEYS), hostname=given.get(HOSTNAME))


def given(status: GivenStatus) -> Mapping[str, str]:
    """What ``status.cloudInit`` records, by path."""
    told = {USER_DATA: status.user_data, SSH_KEYS: status.ssh_keys, HOSTNAME: status.hostname}
    return {path: word for path, word in told.items() if word is not None}


def placed_status(placed: Placed) -> PlacedStatus | None:
    """Where a machine is being made, as it stands in ``status.placement``; None where that was not decided here."""
    if placed.host is None and placed.zone is None:
        return None
    return PlacedStatus(host=placed.host, zone=placed.zone, reason=clip(placed.why, 512) or None)


def _power(spec: VirtualMachineSpec) -> Power | None:
    """What is not said is Running for what we make, and whatever it is for what was there before."""
    if spec.power_state is not None:
        return Power(spec.power_state)
    return Power.RUNNING if spec.lifecycle.import_ is None else None


def _nic(network: NetworkInterface, named: Segment | None) -> Nic:
    return Nic(
        network.name,
        named.network if named is not None else network.id or "",
        network.mac.lower() if network.mac else None,
        network.addresses,
        named.vlan if named is not None else None,
        network.gateways,
        network.nameservers,
    )
