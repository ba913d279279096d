"""Network cards of the lab's machines, as a person changes them."""

from __future__ import annotations

from typing import Any

from lab.vsphere_sdk import vim
from lab.vsphere_session import VsphereSession


class NetworkCards:
    """The network cards of machines, in the order in which a guest finds them."""

    def __init__(self, session: VsphereSession) -> None:
        self._session = session

    def connect(self, moid: str, number: int, network: str) -> None:
        """Put a card of a machine, counted from 0, on another network."""
        with self._session.lock:
            card = self._of(moid)[number]
            card.backing = self.backing(network)
            change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=card)
            self._session.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def add(self, moid: str, network: str) -> None:
        """Give a machine one more card, on this network."""
        with self._session.lock:
            card = vim.vm.device.VirtualVmxnet3(key=-1, backing=self.backing(network))
            change = vim.vm.device.VirtualDeviceSpec(operation="add", device=card)
            self._session.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def remove(self, moid: str) -> None:
        """Take the last card of a machine away."""
        with self._session.lock:
            change = vim.vm.device.VirtualDeviceSpec(operation="remove", device=self._of(moid)[-1])
            self._session.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def backing(self, name: str) -> Any:
        """What a card has to be given to be on a network: a standard one or a port group."""
        kinds = vim.vm.device.VirtualEthernetCard
        for values in self._session.properties(vim.dvs.DistributedVirtualPortgroup, ["name", "key"]).values():
            if values["name"] == name:
                (switch,) = self._session.properties(vim.DistributedVirtualSwitch, ["uuid"]).values()
                port = vim.dvs.PortConnection(portgroupKey=values["key"], switchUuid=switch["uuid"])
                return kinds.DistributedVirtualPortBackingInfo(port=port)
        return kinds.NetworkBackingInfo(deviceName=name, network=self._session.named(vim.Network, name))

    def _of(self, moid: str) -> list[Any]:
        path = "config.hardware.device"
        devices = self._session.properties(vim.VirtualMachine, [path])[moid][path]
        cards = [device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard)]
        return sorted(cards, key=lambda card: int(card.key))
