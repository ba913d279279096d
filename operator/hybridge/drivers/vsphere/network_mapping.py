"""Port groups and Hybridge's networks. Pure: no request is made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import PREFIX, Marker, read_notes, replace_notes
from hybridge.core.machine import Known
from hybridge.core.managed import State
from hybridge.core.network import Network, NetworkSpec
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere.places import readable
from hybridge.drivers.vsphere.port_groups import DISTRIBUTED, STANDARD, PortGroup
from hybridge.drivers.vsphere.sdk import vim

SWITCH: Final = "vsphere.switch"
_OPTIONS: Final = frozenset({"switch", "cluster"})
#: What a network of standard switches has besides its first port group: one on every host of the cluster.
HOSTS: Final = "hosts"
#: The longest name that a vCenter takes for a port group.
_LONGEST: Final = 80
_DVS: Final = vim.dvs.VmwareDistributedVirtualSwitch


def normalize(spec: NetworkSpec) -> NetworkSpec:
    """Paths as they are told, no empty tags. Raises Refused for what vSphere does not have."""
    for name in sorted(key for key, value in spec.options.items() if value is not None and key not in _OPTIONS):
        raise Refused(Reason.UNSUPPORTED, f"spec.vsphere.{name} is not known")
    if len(spec.name) > _LONGEST:
        raise Refused(Reason.INVALID_SPEC, f"spec.name is longer than the {_LONGEST} characters of a port group's name")
    return replace(
        spec,
        tags={key: text for key, text in spec.tags.items() if text},
        options={key: str(value).strip("/") for key, value in spec.options.items() if value is not None},
        parts=(HOSTS,) if spec.options.get("cluster") else (),
    )


def network(
    found: PortGroup, switch: Known, attributes: Mapping[int, str], machines: Iterable[str], parts: tuple[str, ...] = ()
) -> Network:
    """The network that a port group is. ``switch``: all words for its switch; ``attributes``: names of custom ones."""
    words = {attributes[key]: text for key, text in found.attributes if key in attributes and text}
    settings = {"vlan": found.vlan, SWITCH: switch}
    return Network(
        found.id,
        readable(found.name),
        State.READY,
        marker=read_notes(found.description) if found.kind == DISTRIBUTED else Marker.read(words),
        tags={key: text for key, text in words.items() if not key.startswith(PREFIX)},
        unfit=_unfit(found),
        detailed=found.configured,
        attaches=found.id,
        settings={path: words for path, words in settings.items() if words},
        machines=tuple(sorted(machines)),
        parts=parts,
    )


def _unfit(found: PortGroup) -> str:
    if found.uplink:
        return "it is an uplink of its switch, and no network for machines"
    if found.segment:
        return "NSX keeps it: it can be observed, and NSX changes it"
    return "" if found.kind in {DISTRIBUTED, STANDARD} else "NSX keeps it: it can be observed, and NSX changes it"


def parameters(switch: str, spec: NetworkSpec) -> dict[str, object]:
    """Everything that the call needs."""
    found = {"switch": switch, "vlan": spec.vlan}
    return {key: value for key, value in found.items() if value is not None}


def standard_parameters(cluster: str, spec: NetworkSpec) -> dict[str, object]:
    """Everything that the calls on the hosts of a cluster need. ``named``: somebody has chosen the name."""
    found = {"cluster": cluster, "switch": spec.options["switch"], "vlan": spec.vlan, "named": spec.named}
    return {key: value for key, value in found.items() if value is not None}


def create_spec(intent: Intent, marker: Marker) -> Any:
    """The call's argument, marked."""
    given = intent.parameters
    vlan = given.get("vlan")
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name=intent.name,
        type="earlyBinding",
        autoExpand=True,
        description=replace_notes("", marker),
        defaultPortConfig=port_setting(int(str(vlan))) if vlan is not None else None,
    )


def change_spec(found: PortGroup, *, name: str | None = None, vlan: int | None = None) -> Any:
    """The change that gives a port group another name, or another VLAN, and leaves the rest."""
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        configVersion=found.version,
        name=name,
        defaultPortConfig=port_setting(vlan) if vlan is not None else None,
    )


def mark_spec(found: PortGroup, marker: Marker | None) -> Any:
    """The change that gives a port group another marker, or takes it away; what people wrote beside it stays.

    An empty description would mean that it stays as it is.
    """
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        configVersion=found.version, description=replace_notes(found.description, marker) or " "
    )


def port_setting(vlan: int) -> Any:
    """What all ports of a port group have: their VLAN."""
    return _DVS.VmwarePortConfigPolicy(vlan=_DVS.VlanIdSpec(vlanId=vlan, inherited=False))


def carries(one: Network, marker: Marker) -> bool:
    """Whether a network carries the marker of this object."""
    return one.marker is not None and one.marker.owner == marker.owner
