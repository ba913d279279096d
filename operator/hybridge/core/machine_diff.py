"""Where a machine differs from its spec: the source of changes, of drift and of what is shown before it is done."""

from __future__ import annotations

from hybridge.core.machine import Machine, MachineSpec, Traits
from hybridge.core.plan import Action, Verb
from hybridge.core.units import format_bytes


def differences(spec: MachineSpec, machine: Machine, traits: Traits) -> tuple[Action, ...]:
    """What has to change besides power. ``disruptive``: not possible while the machine runs.

    What the spec leaves open and what the cloud does not show are not compared.
    """
    return (*_size(spec, machine, traits), *_disk(spec, machine), *_tags(spec, machine))


def _size(spec: MachineSpec, machine: Machine, traits: Traits) -> tuple[Action, ...]:
    wanted_type = spec.options.get("instanceType")
    if wanted_type is not None:
        if machine.instance_type in {None, wanted_type}:
            return ()
        return (Action(Verb.RESIZE, "instanceType", str(machine.instance_type), str(wanted_type), disruptive=True),)
    changes = []
    if _differs(spec.cpus, machine.cpus, traits):
        hot = machine.hot_add_cpus and (spec.cpus or 0) > (machine.cpus or 0)
        changes.append(Action(Verb.RESIZE, "cpus", str(machine.cpus), str(spec.cpus), disruptive=not hot))
    if _differs(spec.memory, machine.memory, traits):
        hot = machine.hot_add_memory and (spec.memory or 0) > (machine.memory or 0)
        before, after = format_bytes(machine.memory or 0), format_bytes(spec.memory or 0)
        changes.append(Action(Verb.RESIZE, "memory", before, after, disruptive=not hot))
    return tuple(changes)


def _differs(wanted: int | None, found: int | None, traits: Traits) -> bool:
    if wanted is None or found is None:
        return False
    return wanted != found if traits.exact_sizes else found < wanted


def _disk(spec: MachineSpec, machine: Machine) -> tuple[Action, ...]:
    if spec.root_disk is None or machine.root_disk is None or machine.root_disk >= spec.root_disk:
        return ()
    before, after = format_bytes(machine.root_disk), format_bytes(spec.root_disk)
    return (Action(Verb.GROW_DISK, "rootDisk", before, after),)


def _tags(spec: MachineSpec, machine: Machine) -> tuple[Action, ...]:
    if not machine.detailed:
        return ()
    return tuple(
        Action(Verb.RETAG, f"tags.{key}", machine.tags.get(key, ""), value)
        for key, value in sorted(spec.tags.items())
        if machine.tags.get(key) != value
    )
