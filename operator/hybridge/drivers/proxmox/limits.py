"""What PVE can show back of a spec, and what it cannot do at all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.guest import MIB
from hybridge.drivers.proxmox.tags import encode

_OPTIONS = frozenset({"bios", "machine", "cpuType", "agent", "pool", "fullClone", "isoStorage", "vlan"})
_PLACES = frozenset({"node", "storage"})


def normalize(spec: MachineSpec) -> MachineSpec:
    """The spec with sizes in whole MiB and words as PVE has them. Raises Refused."""
    check_words("proxmox", spec.options, _OPTIONS)
    check_words("placement", spec.placement, _PLACES)
    for key, value in spec.tags.items():
        encode(key, value)
    if spec.root_disk_class and spec.placement.get("storage", spec.root_disk_class) != spec.root_disk_class:
        raise Refused(
            Reason.INVALID_SPEC, "rootDisk.class and placement.storage both name the storage of the disk, and differ"
        )
    options = {key: value for key, value in spec.options.items() if value not in (None, "")}
    if "cpuType" in options:
        options["cpuType"] = str(options["cpuType"]).removeprefix("cputype=")
    if "machine" in options:
        options["machine"] = str(options["machine"]).removeprefix("type=")
    keys = tuple(key.strip() for key in spec.cloud_init.ssh_keys if key.strip())
    return replace(
        spec,
        memory=_whole(spec.memory),
        root_disk=_whole(spec.root_disk),
        options=options,
        cloud_init=replace(spec.cloud_init, ssh_keys=keys),
    )


def check_words(block: str, words: Mapping[str, object], known: Collection[str]) -> None:
    """Nothing, when PVE has all that a block of a spec names. Raises Refused."""
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise Refused(
            Reason.UNSUPPORTED, f"{block}: Proxmox VE has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )


def _whole(size: int | None) -> int | None:
    return None if size is None else -(-size // MIB) * MIB
