"""A machine that was just made is as its spec says, whatever valid spec it was: no drift, and no change that never ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from hybridge.core.difference import driver_field
from hybridge.core.machine import CloudInit, Machine, MachineSpec, Nic, Power
from hybridge.core.machine_diff import differences, wanted_settings
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, MIB, Bed, with_choice
from tests.contract.eye import Eye

MAC = "02:48:59:42:00:0A"
KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhvcnNlYmF0dGVyeXN0YXBsZWNvcnJlY3RrZXkx you@contract",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhvcnNlYmF0dGVyeXN0YXBsZWNvcnJlY3RrZXky",
)

#: Specs that can be valid on every cloud.
SPECS: dict[str, Callable[[Bed], MachineSpec]] = {
    "usual": lambda bed: bed.spec(),
    "stopped": lambda bed: bed.spec(power=Power.STOPPED),
    "smallest": lambda bed: bed.spec(cpus=1, memory=512 * MIB),
    "uneven": lambda bed: bed.spec(cpus=3, memory=3 * GIB + 1, root_disk=20 * GIB + 1),
    "tagged": lambda bed: bed.spec(tags={"team": "shop", "Cost-Center": "42", "empty": "", "owner": "Ann & Bob <a@b>"}),
    "longest name": lambda bed: bed.spec(name=bed.spec().name.ljust(63, "x")),
    "one network": lambda bed: bed.spec(networks=(Nic("nic0", bed.networks[0]),)),
    "another network": lambda bed: bed.spec(networks=(Nic("main", bed.networks[1]),)),
    "two networks": lambda bed: bed.spec(networks=(Nic("nic0", bed.networks[0]), Nic("nic1", bed.networks[1]))),
    "one network twice": lambda bed: bed.spec(networks=(Nic("a", bed.networks[0]), Nic("b", bed.networks[0]))),
    "cloud-init": lambda bed: bed.spec(cloud_init=CloudInit("web-1", KEYS, "#cloud-config\n")),
    "image by id": lambda bed: bed.spec(image=bed.image_id),
    "a place": lambda bed: bed.spec(placement={bed.place: bed.places[1]}),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_new_machine_differs_in_nothing(bed: Bed, driver: Driver, eye: Eye, name: str) -> None:
    made_as_wanted(bed, driver, eye, SPECS[name](bed))


@pytest.mark.parametrize("which", [0, 1])
def test_nor_with_any_one_field(bed: Bed, driver: Driver, eye: Eye, which: int) -> None:
    for path, values in bed.choices.items():
        made_as_wanted(bed, driver, eye, with_choice(bed.spec(networks=base(bed, path)), path, values[which]))


@pytest.mark.parametrize("seed", range(4))
def test_nor_with_many_fields(bed: Bed, driver: Driver, eye: Eye, seed: int) -> None:
    """The storage of the root disk may be one and the same thing as the storage of all disks."""
    dice = Random(seed)
    spec = bed.spec(tags={"seed": str(seed)}, root_disk=dice.choice([None, 21 * GIB]), networks=base(bed, "networks"))
    for path, values in bed.choices.items():
        twice = path == "rootDisk.class" and "storage" in spec.placement
        if path not in _EXCLUSIVE and not twice and dice.random() < 0.7:
            spec = with_choice(spec, path, dice.choice(values))

    made_as_wanted(bed, driver, eye, spec)


def test_nor_with_a_mac_address(bed: Bed, driver: Driver, eye: Eye) -> None:
    if not bed.takes_macs:
        pytest.skip("the cloud chooses MAC addresses itself")

    machine = made_as_wanted(bed, driver, eye, bed.spec(networks=(Nic("nic0", bed.networks[0], MAC),)))

    assert machine.ports is not None
    assert [port.mac for port in machine.ports] == [MAC.lower()]


def test_another_driver_sees_none_either(bed: Bed, driver: Driver, eye: Eye) -> None:
    """As after a restart: what is only remembered from the creation does not count."""
    spec = bed.spec(tags={"team": "shop"}, networks=base(bed, "networks"))
    for path, values in bed.choices.items():
        if path not in _EXCLUSIVE:
            spec = with_choice(spec, path, values[0])
    machine = made_as_wanted(bed, driver, eye, spec)

    with bed.connected() as restarted:
        other = Eye(bed, restarted)
        other.settle()
        seen = other.see(machine.id, fresh=False)

        wanted = restarted.machines.normalize(spec)
        assert differences(wanted, seen, restarted.machines.traits, named=True) == ()
        assert shown(seen) == shown(machine)


def test_its_start_makes_no_difference(bed: Bed, driver: Driver, eye: Eye) -> None:
    spec = bed.spec(power=Power.STOPPED, networks=base(bed, "networks"))
    machine = made_as_wanted(bed, driver, eye, spec)

    machine = eye.start(machine, replace(spec, power=Power.RUNNING))

    assert differences(driver.machines.normalize(spec), machine, driver.machines.traits, named=True) == ()


def made_as_wanted(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> Machine:
    """Creates a machine and does nothing more. All of its spec that can be seen is shown, and nothing differs."""
    marker, traits = bed.marker(), driver.machines.traits
    wanted = driver.machines.normalize(spec)

    machine = eye.create(wanted, marker)
    late = {driver_field(change.field) for change in differences(wanted, machine, traits)} & bed.later
    if late:
        machine = eye.configure(machine, wanted, late, marker)

    assert differences(wanted, machine, traits, named=True) == (), spec
    assert machine.name == spec.name
    assert machine.pending == {}
    assert wanted_settings(wanted, traits.block).keys() - bed.unseen <= machine.settings.keys()
    assert machine.ports is not None
    assert len(machine.ports) == max(1, len(spec.networks))
    return machine


def base(bed: Bed, path: str) -> tuple[Nic, ...]:
    """A first interface for a second one, else none: then the cloud or the Provider chooses."""
    return (Nic("nic0", bed.networks[0]),) if path == "networks" else ()


def shown(machine: Machine) -> tuple[object, ...]:
    return machine.ports, {**machine.settings}, machine.tags, machine.root_disk


#: Fields that say the same thing in another way than ``networks`` and ``places`` do.
_EXCLUSIVE = frozenset({"networks.first", "placement.cluster", "placement.zone"})
