"""The network interfaces of a guest, and their addresses, in the words of its configuration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from hybridge.core.machine import Nic
from hybridge.drivers.proxmox.guest import Net, Values, Words, net, nics


def interfaces(wanted: Sequence[Nic], bridges: Sequence[str], words: Words, uuid: str, vlan: str | None) -> Values:
    """The network interfaces, in order; those that the guest has beyond them go. A MAC that exists is kept.

    A tag belongs to the bridge, and everything else to the interface: it stays when only the bridge changes. ``vlan``: that
    of interfaces which do not say theirs.
    """
    values: Values = {}
    keys = nics(words)
    for index, (nic, bridge) in enumerate(zip(wanted, bridges, strict=True)):
        key = keys[index] if index < len(keys) else _next_key(keys, index)
        present = net(words[key]) if key in words else Net()
        address = (nic.mac or present.mac or _made_up_mac(uuid, index)).upper()
        stays = present.bridge == bridge
        tag = vlan or (present.tag if stays else None) if nic.vlan is None else nic.vlan or None
        rest = present.rest if stays else {name: text for name, text in present.rest.items() if name != "trunks"}
        interface = replace(present, mac=address, bridge=bridge, tag=tag, rest=rest)
        if interface != present:
            values[key] = str(interface)
    surplus = keys[len(wanted) :]
    if surplus:
        values["delete"] = ",".join(surplus)
    return values


def tagged(words: Words, vlan: str | None) -> Values:
    """The interfaces that the guest has, all with this VLAN tag; nothing when there is no wish."""
    if vlan is None:
        return {}
    present = {key: net(words[key]) for key in nics(words)}
    return {key: str(replace(one, tag=vlan)) for key, one in present.items() if one.tag != vlan}


def addresses(networks: Sequence[Nic], words: Words, *, fresh: bool) -> Values:
    """The addresses of the interfaces in PVE's cloud-init settings, which go by the numbers of the interfaces.

    ``fresh``: the guest is new, so that what the spec leaves open is not anybody's choice.
    """
    keys = nics(words)
    values: Values = {}
    for index, nic in enumerate(networks):
        number = (keys[index] if index < len(keys) else _next_key(keys, index)).removeprefix("net")
        open_ = index < len(keys) and not nic.addresses and not fresh
        wanted = _ipconfig(nic)
        if not open_ and words.get(f"ipconfig{number}") != wanted:
            values[f"ipconfig{number}"] = wanted
    gone = [f"ipconfig{key.removeprefix('net')}" for key in keys[len(networks) :]] if networks else []
    gone = [key for key in gone if key in words]
    if gone:
        values["delete"] = ",".join(gone)
    return values


def name_servers(networks: Sequence[Nic]) -> str:
    """PVE keeps one list for the whole guest."""
    return " ".join(dict.fromkeys(server for nic in networks for server in nic.nameservers))


def _ipconfig(nic: Nic) -> str:
    """The first address of each family and its router; without any, the network assigns one."""
    if not nic.addresses:
        return "ip=dhcp"
    named = {"ip": _first(nic.addresses, 4), "gw": _first(nic.gateways, 4)}
    named |= {"ip6": _first(nic.addresses, 6), "gw6": _first(nic.gateways, 6)}
    return ",".join(f"{key}={address}" for key, address in named.items() if address)


def _first(addresses: Sequence[str], family: int) -> str | None:
    return next((address for address in addresses if (":" in address) is (family == 6)), None)


def _made_up_mac(uuid: str, index: int) -> str:
    """A MAC under Proxmox's own prefix, the same for each repetition of one attempt."""
    rest = sha256(f"{uuid}/{index}".encode()).hexdigest()[:6]
    return ":".join(["bc", "24", "11", rest[:2], rest[2:4], rest[4:]])


def _next_key(keys: Sequence[str], index: int) -> str:
    """The key of an interface beyond those that there are, so that their order is that of the spec."""
    after = int(keys[-1].removeprefix("net")) + 1 if keys else 0
    return f"net{after + index - len(keys)}"
