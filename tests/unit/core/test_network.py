"""Networks: where they differ from their specs, and how they go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.lifecycle import Drift
from hybridge.core.machine import Change
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.network_plan import differences, plan
from hybridge.core.plan import Action, Do, Refuse, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from tests.unit.core.kinds import NETWORK, Whatever, seen

TRAITS = NetworkTraits(block="aws", changes={"aws.internet": Change.ONLINE, "vlan": Change.STOPPED})
FOUND = Network(
    "vpc-1",
    "frontend",
    attaches="subnet-1",
    settings={"cidr": ("10.0.1.0/24",), "vlan": ("12",), "aws.internet": ("false",), "aws.zone": ("a",)},
    parts=("subnet",),
)
ANOTHER = "it takes another network"

CASES: dict[str, tuple[NetworkSpec, list[Action]]] = {
    "nothing is set": (NetworkSpec("frontend"), []),
    "all is as wanted": (
        NetworkSpec("frontend", cidr="10.0.1.0/24", vlan=12, options={"zone": "a"}, parts=("subnet",)),
        [],
    ),
    "a way to the internet": (
        NetworkSpec("frontend", options={"internet": True}),
        [Action(Verb.RECONFIGURE, "aws.internet", "false", "true")],
    ),
    "another VLAN": (
        NetworkSpec("frontend", vlan=13),
        [Action(Verb.RECONFIGURE, "vlan", "12", "13", disruptive=True)],
    ),
    "what takes another network": (
        NetworkSpec("frontend", cidr="10.0.2.0/24"),
        [Action(Verb.REPLACE, "cidr", "10.0.1.0/24", "10.0.2.0/24", disruptive=True, reason=ANOTHER)],
    ),
    "parts are missing": (
        NetworkSpec("frontend", parts=("subnet", "gateway", "route")),
        [Action(Verb.COMPLETE, "parts.gateway", "", "gateway"), Action(Verb.COMPLETE, "parts.route", "", "route")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_difference_is_told_as_what_it_is(name: str) -> None:
    spec, expected = CASES[name]
    assert list(differences(spec, FOUND, TRAITS)) == expected


def situation(spec: NetworkSpec, found: Network = FOUND, *, deleting: bool = False, **sight: Whatever) -> Whatever:
    return seen(NETWORK, spec, found, TRAITS, deleting=deleting, **sight)


def test_a_network_that_is_only_half_made_is_completed_before_anything_else() -> None:
    half = Network("vpc-1", "frontend")
    spec = NetworkSpec("frontend", tags={"a": "b"}, cidr="10.0.1.0/24", parts=("subnet", "route"))
    step = plan(situation(spec, half)).step
    assert isinstance(step, Do)
    assert [action.field for action in step.actions] == ["parts.subnet", "parts.route"]


def test_a_network_that_a_person_has_renamed_is_drift() -> None:
    made = situation(NetworkSpec("frontend"), replace(FOUND, name="mine"))
    made = replace(made, record=replace(made.record, reached=True))
    corrected = plan(made)
    assert isinstance(corrected.step, Do)
    assert [(one.field, one.before) for one in corrected.drift] == [("name", "mine")]
    told = plan(replace(made, spec=NetworkSpec("frontend", drift=Drift.REPORT)))
    assert (told.step, len(told.drift)) == (Rest(), 1)


def test_what_cuts_off_machines_waits_for_them_or_for_leave() -> None:
    found = replace(FOUND, machines=("m-1", "m-9"))
    made = situation(NetworkSpec("frontend", vlan=13), found, owners={"m-1": "VirtualMachine shop/web"})
    step = plan(made).step
    assert step == Wait(
        Reason.HAS_DEPENDANTS,
        "vpc-1 cannot be changed so while it is used by VirtualMachine shop/web, m-9",
        patient=True,
    )
    assert isinstance(plan(replace(made, spec=replace(made.spec, disruption=True))).step, Do)
    assert isinstance(plan(situation(NetworkSpec("frontend", vlan=13))).step, Do)


def test_a_network_goes_when_no_machine_is_in_it() -> None:
    owners = {"m-1": "VirtualMachine shop/web"}
    used = plan(situation(NetworkSpec("frontend"), deleting=True, users=("VirtualMachine shop/web",))).step
    assert used == Wait(Reason.HAS_DEPENDANTS, "used by VirtualMachine shop/web", patient=True)
    leaving = replace(FOUND, machines=("m-1",))
    step = plan(situation(NetworkSpec("frontend"), leaving, deleting=True, owners=owners)).step
    assert step == Wait(Reason.HAS_DEPENDANTS, "vpc-1 is used by VirtualMachine shop/web (m-1)")
    foreign = replace(FOUND, machines=("m-9",))
    refused = plan(situation(NetworkSpec("frontend"), foreign, deleting=True, owners=owners)).step
    assert isinstance(refused, Refuse)
    assert "m-9" in refused.message
    gone = plan(situation(NetworkSpec("frontend"), deleting=True)).step
    assert isinstance(gone, Do)
    assert gone.verb is Verb.DELETE
