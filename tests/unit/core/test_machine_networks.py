"""Interfaces of a machine whose Networks are not there, or may not be used: what is held, and what goes on."""

from __future__ import annotations

from dataclasses import replace

from hybridge.core.machine import Machine, MachineSpec, Nic, Port, Power, Restart, Traits
from hybridge.core.machine_plan import plan
from hybridge.core.machine_situation import Situation
from hybridge.core.plan import Action, Do, Refuse, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from tests.unit.core.situations import proven

MACHINE = Machine("i-1", "web", Power.RUNNING, ports=(Port(("front",)),))
FRONT, BACK, UNKNOWN = Nic("nic0", "front"), Nic("nic1", "back"), Nic("nic1", "")
NOT_THERE = Wait(Reason.DEPENDENCY_NOT_READY, "Network shop/back does not exist", patient=True)
NOT_GRANTED = Refuse(Reason.NOT_PERMITTED, "Network net/front does not grant namespace shop")


def seen(machine: Machine, *nics: Nic, unconnected: dict[str, Wait | Refuse], **spec: object) -> Situation:
    wanted = replace(MachineSpec("web", networks=nics), **spec)  # type: ignore[arg-type]
    return replace(proven(wanted, machine, Traits()), unconnected=unconnected)


def test_no_interface_is_changed_while_one_of_them_cannot_be() -> None:
    wrong = replace(MACHINE, ports=(Port(("other",)),))
    made = plan(seen(wrong, FRONT, UNKNOWN, unconnected={"nic1": NOT_THERE}))
    assert made.step == NOT_THERE
    assert [one.field for one in made.actions] == ["networks.nic0", "networks.nic1"]
    assert plan(seen(wrong, FRONT, BACK, unconnected={})).step == Do(
        (
            Action(Verb.CONNECT, "networks.nic0", "other", "front"),
            Action(Verb.CONNECT, "networks.nic1", "", "back"),
        )
    )


def test_one_that_is_where_it_belongs_waits_for_nothing() -> None:
    assert plan(seen(MACHINE, FRONT, unconnected={"nic0": NOT_THERE})).step == Rest()


def test_all_else_goes_on() -> None:
    made = seen(MACHINE, replace(FRONT, network=""), unconnected={"nic0": NOT_GRANTED}, tags={"a": "b"})
    assert plan(made).step == Do((Action(Verb.RETAG, "tags.a", "", "b"),))
    stopped = replace(MACHINE, tags={"a": "b"}, power=Power.STOPPED)
    again = plan(seen(stopped, replace(FRONT, network=""), unconnected={"nic0": NOT_GRANTED}, tags={"a": "b"})).step
    assert isinstance(again, Do)
    assert again.verb is Verb.SET_POWER


def test_what_is_left_as_it_is_is_told_in_the_end() -> None:
    made = seen(MACHINE, replace(FRONT, network=""), unconnected={"nic0": NOT_GRANTED})
    assert plan(made).step == NOT_GRANTED
    restarted = replace(made, spec=replace(made.spec, restart_token="2"))
    restarted = replace(restarted, record=replace(restarted.record, restart=Restart("1")))
    assert isinstance(plan(restarted).step, Do)


def test_a_machine_is_not_started_without_an_interface_that_it_shall_have() -> None:
    stopped = replace(MACHINE, power=Power.STOPPED)
    assert plan(seen(stopped, FRONT, UNKNOWN, unconnected={"nic1": NOT_THERE})).step == NOT_THERE
