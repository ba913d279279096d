"""Firewalls: what they allow and to whom they apply, and that nothing is cut off on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.core.firewall import (
    Direction,
    Entry,
    Firewall,
    FirewallSpec,
    FirewallTraits,
    Ports,
    Protocol,
    Rule,
    missing,
    surplus,
)
from hybridge.core.firewall_plan import differences, plan, wanted
from hybridge.core.lifecycle import Drift
from hybridge.core.plan import Action, Do, Refuse, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from tests.unit.core.kinds import FIREWALL, OUT, SSH, WEB, Whatever, seen

OWNERS = {"m-1": "VirtualMachine shop/web-1", "m-2": "VirtualMachine shop/web-2"}
HTTP = Rule("http", Direction.INGRESS, Protocol.TCP, ("10.0.0.0/8",), (Ports(80, 81),))
FOUND = Firewall("sg-1", "web", entries=(*HTTP.entries, *OUT.entries), members=("m-1", "m-9"))

CASES: dict[str, tuple[FirewallSpec, list[Action]]] = {
    "all is as wanted": (FirewallSpec("web", rules=(OUT, HTTP), members=("m-1",)), []),
    "a rule is missing": (
        FirewallSpec("web", rules=(HTTP, OUT, WEB), members=("m-1",)),
        [
            Action(
                Verb.ADD_RULE,
                "rules.web",
                "",
                "Ingress TCP 443 from 10.0.0.0/8, Ingress TCP 443 from ::/0, Ingress TCP 80 from 10.0.0.0/8,"
                " Ingress TCP 80 from ::/0",
            )
        ],
    ),
    "two rules that allow the same": (
        FirewallSpec("web", rules=(HTTP, OUT, SSH, replace(SSH, name="again")), members=("m-1",)),
        [Action(Verb.ADD_RULE, "rules.ssh", "", "Ingress TCP 22 from 10.0.0.0/8")],
    ),
    "a rule is changed, and machines": (
        FirewallSpec("web", rules=(SSH, OUT), members=("m-2",)),
        [
            Action(Verb.ADD_RULE, "rules.ssh", "", "Ingress TCP 22 from 10.0.0.0/8"),
            Action(Verb.ADD_MEMBER, "members[m-2]", "", "m-2"),
            Action(Verb.REMOVE_MEMBER, "members[m-1]", "m-1", ""),
            Action(
                Verb.REMOVE_RULE,
                "rules[Ingress TCP 80-81 from 10.0.0.0/8]",
                "Ingress TCP 80-81 from 10.0.0.0/8",
                "",
            ),
        ],
    ),
    "nothing is to be allowed": (
        FirewallSpec("web", rules=(HTTP, replace(OUT, peers=())), members=("m-1",)),
        [Action(Verb.REMOVE_RULE, "rules[Egress Any to 0.0.0.0/0]", "Egress Any to 0.0.0.0/0", "")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_difference_is_told_as_what_it_is(name: str) -> None:
    spec, expected = CASES[name]
    assert list(differences(spec, FOUND, OWNERS)) == expected


def situation(spec: FirewallSpec, found: Firewall = FOUND, *, deleting: bool = False, **sight: Whatever) -> Whatever:
    return seen(FIREWALL, spec, found, FirewallTraits(), deleting=deleting, **{"owners": OWNERS, **sight})


def brought_about(spec: FirewallSpec, firewall: Firewall, step: Do) -> Firewall:
    """The firewall after a step, as a driver takes it: by the fields of its actions."""
    fields = {action.field for action in step.actions}
    if step.verb is Verb.ADD_RULE:
        new = [entry for field, entries in missing(spec, firewall).items() if field in fields for entry in entries]
        return replace(firewall, entries=(*firewall.entries, *new))
    if step.verb is Verb.REMOVE_RULE:
        old = {entry for field, entries in surplus(spec, firewall).items() if field in fields for entry in entries}
        return replace(firewall, entries=tuple(one for one in firewall.entries if one not in old))
    joined = tuple(action.after for action in step.actions if action.verb is Verb.ADD_MEMBER)
    left = {action.before for action in step.actions if action.verb is Verb.REMOVE_MEMBER}
    members = tuple(one for one in (*firewall.members, *joined) if one not in left)
    return replace(firewall, members=members)


rules = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(Direction),
        st.sampled_from(Protocol),
        st.lists(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0"]), max_size=2).map(tuple),
        st.lists(st.sampled_from([Ports(80, 80), Ports(443, 444)]), max_size=2).map(tuple),
    ),
    max_size=3,
    unique_by=lambda rule: rule.name,
).map(tuple)
machines = st.lists(st.sampled_from(["m-1", "m-2"]), unique=True).map(tuple)


@settings(max_examples=3 * settings().max_examples)
@given(rules, rules, machines, machines)
def test_nothing_that_stays_allowed_is_ever_cut_off(
    before: tuple[Rule, ...], after: tuple[Rule, ...], were: tuple[str, ...], are: tuple[str, ...]
) -> None:
    def entries(of: tuple[Rule, ...]) -> set[Entry]:
        return {entry for rule in of for entry in rule.entries}

    spec = FirewallSpec("web", rules=after, members=are)
    firewall = replace(FOUND, entries=tuple(entries(before)), members=were)
    kept = entries(before) & entries(after)
    for _ in range(5):
        step = plan(situation(spec, firewall)).step
        if not isinstance(step, Do):
            break
        joining = {*firewall.members}
        firewall = brought_about(spec, firewall, step)
        assert kept <= set(firewall.entries)
        # Who comes under it finds all that is wanted.
        assert {*firewall.members} <= joining or entries(after) <= set(firewall.entries)
        # What is taken away goes last.
        assert step.verb is not Verb.REMOVE_RULE or {*firewall.members} == {*are}
    assert plan(situation(spec, firewall)).step == Rest()
    assert set(firewall.entries) == entries(after)
    assert {*firewall.members} == {*are}


def reported(spec: FirewallSpec, found: Firewall = FOUND, *, met: FirewallSpec | None = None) -> Whatever:
    made = situation(replace(spec, drift=Drift.REPORT), found)
    return replace(made, record=replace(made.record, reached=True, met=wanted(met or spec)))


SPEC = FirewallSpec("web", rules=(HTTP, OUT), members=("m-1",))


def test_what_a_person_allows_besides_is_told_and_left_where_that_is_asked_for() -> None:
    opened = replace(FOUND, entries=(*FOUND.entries, *SSH.entries))
    decided = plan(reported(SPEC, opened))
    assert decided.step == Rest()
    assert [action.field for action in decided.drift] == ["rules[Ingress TCP 22 from 10.0.0.0/8]"]


def test_a_machine_that_comes_is_no_drift() -> None:
    more = replace(SPEC, members=("m-1", "m-2"))
    decided = plan(reported(more, met=SPEC))
    assert isinstance(decided.step, Do)
    assert [action.field for action in decided.step.actions] == ["members[m-2]"]
    taken_by_hand = plan(reported(more))
    assert taken_by_hand.step == Rest()
    assert [action.field for action in taken_by_hand.drift] == ["members[m-2]"]


def test_an_address_that_changes_is_no_drift() -> None:
    moved = replace(SPEC, rules=(replace(HTTP, peers=("10.1.0.0/16",)), OUT))
    decided = plan(reported(moved, met=SPEC))
    assert isinstance(decided.step, Do)
    assert decided.step.verb is Verb.ADD_RULE
    assert [action.verb for action in decided.actions] == [Verb.ADD_RULE, Verb.REMOVE_RULE]


def test_a_machine_of_somebody_else_is_left_under_it() -> None:
    assert plan(situation(SPEC)).step == Rest()


def test_a_firewall_is_taken_from_its_machines_before_it_goes() -> None:
    own = replace(FOUND, members=("m-2", "m-1"))
    decided = plan(situation(SPEC, own, deleting=True))
    assert isinstance(decided.step, Do)
    assert [action.before for action in decided.step.actions] == ["m-1", "m-2"]
    assert [action.verb for action in decided.actions] == [Verb.REMOVE_MEMBER, Verb.REMOVE_MEMBER, Verb.DELETE]
    last = plan(situation(SPEC, replace(FOUND, members=()), deleting=True)).step
    assert isinstance(last, Do)
    assert last.verb is Verb.DELETE


def test_a_firewall_that_somebody_elses_machine_has_stays() -> None:
    step = plan(situation(SPEC, deleting=True)).step
    assert isinstance(step, Refuse)
    assert (step.reason, "m-9" in step.message) == (Reason.HAS_DEPENDANTS, True)


def test_a_firewall_that_is_let_go_stays_at_its_machines() -> None:
    step = plan(situation(replace(SPEC, detach=True), deleting=True)).step
    assert isinstance(step, Do)
    assert step.verb is Verb.DETACH
    locked = plan(situation(SPEC, replace(FOUND, lock="apply"), deleting=True)).step
    assert isinstance(locked, Wait)
