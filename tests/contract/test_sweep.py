"""Sweeps: the whole cloud in few requests, and every change behind the operator's back."""

from __future__ import annotations

from hybridge.core.machine import Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from lab.faultproxy import Rule
from tests.contract.bed import GIB, Bed, Requests
from tests.contract.eye import Eye, error_of
from tests.sweeps import machines


def test_everything_is_listed(bed: Bed, eye: Eye) -> None:
    marker = bed.marker()
    machine, stranger = eye.make(bed.spec(), marker), bed.stranger("unmanaged")

    with bed.connected() as fresh:
        whole = Eye(bed, fresh)
        whole.settle()
        whole.until(lambda: stranger in whole.machines, "the stranger")

    assert machines(whole.sweeps[0]).full
    assert bed.machines().keys() <= whole.machines.keys()
    assert whole.machines[machine.id].marker == marker
    assert whole.machines[stranger].marker is None
    templates = {shown.id for shown in bed.machines().values() if shown.template}
    assert {seen.id for seen in whole.machines.values() if seen.template} == templates


def test_a_machine_is_shown_whole(bed: Bed, eye: Eye) -> None:
    marker, spec = bed.marker(), bed.spec(tags={"team": "shop"}, root_disk=20 * GIB)
    made = eye.make(spec, marker)

    with bed.connected() as fresh:
        whole = Eye(bed, fresh)
        whole.settle()
        seen = whole.see(made.id, lambda machine: bool(machine.addresses), fresh=False)

    assert (seen.name, seen.power, seen.marker, seen.uuid) == (spec.name, Power.RUNNING, marker, made.uuid)
    assert (seen.cpus, seen.memory, seen.root_disk) == (2, 4 * GIB, 20 * GIB)
    assert seen.tags["team"] == "shop"
    assert seen.detailed
    assert seen.lock is None


def test_power_changed_by_a_person_is_seen(bed: Bed, eye: Eye) -> None:
    machine = eye.make(bed.spec(), bed.marker())
    with bed.connected() as other:
        watcher = Eye(bed, other)
        watcher.settle()

        bed.power(machine.id, on=False)
        watcher.see(machine.id, lambda seen: seen.power is Power.STOPPED, fresh=False)
        bed.power(machine.id, on=True)
        watcher.see(machine.id, lambda seen: seen.power is Power.RUNNING, fresh=False)


def test_size_changed_by_a_person_is_seen(bed: Bed, eye: Eye) -> None:
    machine = eye.make(bed.spec(power=Power.STOPPED), bed.marker())

    bed.resize(machine.id)

    eye.see(machine.id, lambda seen: seen.cpus == 4)


def test_a_marker_that_comes_is_seen(bed: Bed, driver: Driver, eye: Eye) -> None:
    eye.settle()
    marker = bed.marker()
    stranger = bed.stranger("to-be-adopted")
    seen = eye.see(stranger)
    with bed.connected() as other:
        Eye(bed, other).finish(other.machines.mark(seen, marker))

    ages = {stranger: 0.0}
    eye.until(lambda: eye.machines[stranger].marker == marker, "the marker", max_age=ages)


def test_a_stranger_that_comes_and_goes_is_seen(bed: Bed, eye: Eye) -> None:
    eye.settle()

    stranger = bed.stranger("short-lived")
    eye.until(lambda: stranger in eye.machines, "a stranger")
    bed.destroy(stranger)
    eye.until(lambda: eye.is_gone(stranger), "no stranger")


def test_a_settled_sweep_costs_little(bed: Bed, driver: Driver, eye: Eye, requests: Requests) -> None:
    for number in range(4):
        bed.stranger(f"crowd-{number}")
    eye.make(bed.spec(), bed.marker())
    eye.settle()
    for _ in range(3):
        eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * bed.sweep_cost
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_a_throttled_sweep_says_so_and_recovers(bed: Bed, driver: Driver, eye: Eye) -> None:
    machine = eye.make(bed.spec(), bed.marker())
    bed.proxy.inject(Rule(bed.calls.list, bed.throttle, times=1))

    errors = [error_of(eye.look) for _ in range(2)]

    assert Reason.THROTTLED in {error.reason for error in errors if error}
    assert eye.see(machine.id).id == machine.id


def test_two_drivers_see_the_same(bed: Bed, eye: Eye) -> None:
    machine = eye.make(bed.spec(tags={"team": "shop"}), bed.marker())
    with bed.connected() as other:
        second = Eye(bed, other)
        second.settle()

        assert second.see(machine.id, lambda seen: bool(seen.addresses)) == eye.see(
            machine.id, lambda seen: bool(seen.addresses)
        )
