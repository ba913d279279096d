"""Changes of guests on Proxmox VE: what waits for a start, and what stays as it is."""

from __future__ import annotations

import time
from dataclasses import replace

from hybridge.core.machine import Nic, Power
from hybridge.core.machine_diff import differences
from tests.integration.drivers.proxmox.bench import Bench, Lab, marker


def test_what_waited_for_a_start_is_in_effect_after_a_persons_restart(lab: Lab, bench: Bench) -> None:
    spec = bench.spec(options={"bios": "seabios"})
    machine, _ = bench.make(spec, marker())
    guest = lab.guest(machine.id)
    guest.pending["bios"] = "ovmf"
    assert bench.look(machine.id, refresh=True).pending == {"proxmox.bios": "ovmf"}

    guest.apply_pending()
    guest.started_at = time.time()
    bench.requests.clear()
    seen = bench.look(machine.id)

    assert (seen.settings["proxmox.bios"], seen.pending) == (("ovmf",), {})
    assert bench.requests["ReadGuest"] == 1


def test_an_interface_without_hotplug_is_told_to_wait(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec()
    machine, _ = bench.make(spec, owner)
    lab.guest(machine.id).config["hotplug"] = "disk,usb"
    elsewhere = replace(spec, networks=(Nic("nic0", "vmbr0"),))

    bench.driver.machines.configure(machine, elsewhere, {"networks"}, None, owner)
    seen = bench.look(machine.id, refresh=True)

    assert seen.pending == {"networks[0]": "vmbr0"}
    (change,) = differences(elsewhere, seen, bench.driver.machines.traits)
    assert change.disruptive


def test_interfaces_keep_what_the_spec_says_nothing_of(lab: Lab, bench: Bench) -> None:
    owner, spec = marker(), bench.spec(power=Power.STOPPED)
    machine, _ = bench.make(spec, owner)
    guest = lab.guest(machine.id)
    guest.config["net0"] = "e1000=BC:24:11:AA:00:01,bridge=vmbr1,firewall=1,tag=9"
    guest.config["net3"] = "virtio=BC:24:11:AA:00:02,bridge=vmbr1"

    wanted = replace(spec, networks=(*spec.networks, Nic("nic1", "vmbr0"), Nic("nic2", "vmbr0")))
    bench.driver.machines.configure(bench.look(machine.id, refresh=True), wanted, {"networks"}, None, owner)

    nets = {key: guest.config[key] for key in sorted(guest.config) if key.startswith("net")}
    assert nets["net0"] == "e1000=BC:24:11:AA:00:01,bridge=vmbr1,firewall=1,tag=9"
    assert nets["net3"] == "virtio=BC:24:11:AA:00:02,bridge=vmbr0"
    assert list(nets) == ["net0", "net3", "net4"]


def test_a_machine_is_given_its_addresses_its_router_and_its_name_servers(lab: Lab, bench: Bench) -> None:
    nic = Nic("nic0", "vmbr0", addresses=("10.0.0.5/24",), gateways=("10.0.0.1",), nameservers=("10.0.0.2", "9.9.9.9"))

    machine, _ = bench.make(bench.spec(networks=(nic,)), marker())

    config = lab.guest(machine.id).config
    assert (config["ipconfig0"], config["nameserver"]) == ("ip=10.0.0.5/24,gw=10.0.0.1", "10.0.0.2 9.9.9.9")
