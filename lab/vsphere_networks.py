"""Port groups of the lab's vCenter, as a person sees and changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.process import LabError
from lab.vsphere_sdk import vim
from lab.vsphere_session import VsphereSession

_GROUP: Final = vim.dvs.DistributedVirtualPortgroup
_SWITCH: Final = vim.dvs.VmwareDistributedVirtualSwitch


@dataclass(frozen=True, slots=True)
class VspherePortGroup:
    """One port group as the vCenter itself holds it. ``attributes``: its custom attributes by name."""

    id: str
    name: str
    description: str = ""
    vlan: int | None = None
    distributed: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)


class PortGroups:
    """Networks of machines: on the distributed switch, and those that hosts have on their own."""

    #: The distributed switch.
    switch: Final = "DVS0"

    def __init__(self, session: VsphereSession) -> None:
        self._session = session

    def all(self) -> list[VspherePortGroup]:
        """All of them."""
        with self._session.lock:
            paths = ["name", "customValue", "config.description", "config.defaultPortConfig"]
            read = self._session.properties(_GROUP, paths)
            plain = self._session.properties(vim.Network, ["name", "customValue"])
            names = {one.key: one.name for one in self._session.content.customFieldsManager.field}
        return [_described(moid, values, names, distributed=moid in read) for moid, values in {**plain, **read}.items()]

    def group(self, moid: str) -> VspherePortGroup:
        """One of them; LabError when there is none."""
        for found in self.all():
            if found.id == moid:
                return found
        raise LabError(f"vSphere has no port group {moid}")

    def create(self, name: str, *, vlan: int = 0, description: str = "") -> str:
        """Make a port group on the distributed switch; its id."""
        with self._session.lock:
            switch = self._session.named(vim.DistributedVirtualSwitch, self.switch)
            spec = _GROUP.ConfigSpec(
                name=name, type="earlyBinding", description=description, defaultPortConfig=_setting(vlan)
            )
            return self._session.made(lambda: switch.CreateDVPortgroup_Task(spec))

    def destroy(self, moid: str) -> None:
        """Delete one in which no machine is."""
        self._session.task(lambda: self._session.managed(_GROUP, moid).Destroy_Task())

    def rename(self, moid: str, name: str) -> None:
        """Give one another name."""
        self._change(moid, lambda version: _GROUP.ConfigSpec(configVersion=version, name=name))

    def set_vlan(self, moid: str, vlan: int) -> None:
        """Put one into another VLAN."""
        self._change(moid, lambda version: _GROUP.ConfigSpec(configVersion=version, defaultPortConfig=_setting(vlan)))

    def describe(self, moid: str, text: str) -> None:
        """Write another description."""
        self._change(moid, lambda version: _GROUP.ConfigSpec(configVersion=version, description=text or " "))

    def tag(self, moid: str, name: str, text: str) -> None:
        """Give one a custom attribute."""
        with self._session.lock:
            manager = self._session.content.customFieldsManager
            keys = {one.name: one.key for one in manager.field if one.managedObjectType in {None, _GROUP}}
            key = keys[name] if name in keys else manager.AddCustomFieldDef(name, _GROUP).key
            manager.SetField(self._session.managed(_GROUP, moid), key, text)

    # ------------------------------------------------- on standard switches

    def on_hosts(self, name: str) -> dict[str, int]:
        """The hosts that have a port group of this name on a standard switch of their own, and in which VLAN."""
        with self._session.lock:
            read = self._session.properties(vim.HostSystem, ["name", "config.network.portgroup"])
        return {
            values["name"]: one.spec.vlanId
            for values in read.values()
            for one in values.get("config.network.portgroup", ())
            if one.spec.name == name
        }

    def add(self, host: str, name: str, *, vlan: int = 0, switch: str = "vSwitch0") -> None:
        """Make one on a standard switch of a host."""
        self._system(host, lambda system: system.AddPortGroup(_standard(name, vlan, switch)))

    def remove(self, host: str, name: str) -> None:
        """Take one off a standard switch of a host."""
        self._system(host, lambda system: system.RemovePortGroup(name))

    def set_standard_vlan(self, host: str, name: str, vlan: int, *, switch: str = "vSwitch0") -> None:
        """Put one on a standard switch of a host into another VLAN."""
        self._system(host, lambda system: system.UpdatePortGroup(name, _standard(name, vlan, switch)))

    def tidy_standard(self) -> None:
        """Take off all hosts what has come to their standard switches since they were there."""
        with self._session.lock:
            read = self._session.properties(vim.HostSystem, ["name", "config.network.portgroup"])
        for values in read.values():
            for one in values.get("config.network.portgroup", ()):
                if one.spec.name not in {"VM Network", "Management Network"}:
                    self.remove(values["name"], one.spec.name)

    def undefine(self) -> None:
        """Forget all custom attributes of networks of standard switches."""
        with self._session.lock:
            manager = self._session.content.customFieldsManager
            for one in list(manager.field):
                if one.managedObjectType == vim.Network:
                    manager.RemoveCustomFieldDef(one.key)

    def _system(self, host: str, act: Callable[[Any], None]) -> None:
        with self._session.lock:
            act(self._session.named(vim.HostSystem, host).configManager.networkSystem)

    def reconfigure(self, moid: str, spec: Any) -> None:
        """Apply a ``ConfigSpec`` of port groups. LabError when the vCenter refuses it."""
        self._session.task(lambda: self._session.managed(_GROUP, moid).ReconfigureDVPortgroup_Task(spec))

    def _change(self, moid: str, spec: Callable[[str], Any]) -> None:
        with self._session.lock:
            path = "config.configVersion"
            version = self._session.properties(_GROUP, [path])[moid][path]
            self.reconfigure(moid, spec(version))


def _setting(vlan: int) -> Any:
    return _SWITCH.VmwarePortConfigPolicy(vlan=_SWITCH.VlanIdSpec(vlanId=vlan, inherited=False))


def _standard(name: str, vlan: int, switch: str) -> Any:
    return vim.host.PortGroup.Specification(name=name, vlanId=vlan, vswitchName=switch, policy=vim.host.NetworkPolicy())


def _described(
    moid: str, values: Mapping[str, Any], names: Mapping[int, str], *, distributed: bool
) -> VspherePortGroup:
    vlan = getattr(values.get("config.defaultPortConfig"), "vlan", None)
    number = getattr(vlan, "vlanId", None)
    return VspherePortGroup(
        id=moid,
        name=values["name"],
        description=values.get("config.description", ""),
        vlan=number if isinstance(number, int) else None,
        distributed=distributed,
        attributes={names[one.key]: one.value for one in values.get("customValue", ()) if one.value},
    )
