"""Whom a grant to namespaces lets in, however a tenant names or labels things."""

from __future__ import annotations

import pytest

from hybridge.api.selectors import LabelSelector, NamespaceGrant, Operator, Requirement


@pytest.mark.parametrize(
    ("names", "namespace", "allowed"),
    [
        (("team-*",), "team-a", True),
        (("team-*",), "team-", True),
        (("team-*",), "team", False),
        (("team-*",), "teams-a", False),
        (("team-*",), "my-team-a", False),
        (("team-*",), "Team-a", False),
        (("team-*",), "TEAM-A", False),
        (("team-*",), "te\u0430m-a", False),  # a Cyrillic letter
        (("team-*",), "team\u2010a", False),  # a hyphen that is none
        (("team",), "team", True),
        (("team",), "team-a", False),
        (("team",), " team", False),
        (("team",), "team\n", False),
        (("shop",), "s*p", False),
        (("*",), "anything", True),
        (("*-prod",), "shop-prod", True),
        (("*-prod",), "shop-prod-evil", False),
        ((), "team-a", False),
        ((), "", False),
        (("",), "", True),
    ],
)
def test_a_name_is_matched_whole_and_exactly(names: tuple[str, ...], namespace: str, allowed: bool) -> None:
    assert NamespaceGrant(names=names).allows(namespace, {}) is allowed


@pytest.mark.parametrize("pattern", ["team-?", "team-[ab]", "team-[!b]"])
def test_only_the_star_is_special(pattern: str) -> None:
    assert not NamespaceGrant(names=(pattern,)).allows("team-a", {})


@pytest.mark.parametrize(
    ("labels", "allowed"),
    [
        ({"tier": "gold"}, True),
        ({"tier": "gold", "other": "x"}, True),
        ({"tier": "Gold"}, False),
        ({"tier": "gold "}, False),
        ({"Tier": "gold"}, False),
        ({"tier": "*"}, False),
        ({}, False),
    ],
)
def test_labels_are_compared_exactly(labels: dict[str, str], allowed: bool) -> None:
    grant = NamespaceGrant(selector=LabelSelector(match_labels={"tier": "gold"}))

    assert grant.allows("somewhere", labels) is allowed


def test_names_and_selector_both_grant_and_neither_takes_away() -> None:
    grant = NamespaceGrant(names=("shop",), selector=LabelSelector(match_labels={"tier": "gold"}))

    assert grant.allows("shop", {})
    assert grant.allows("other", {"tier": "gold"})
    assert not grant.allows("other", {})


def test_an_expression_that_excludes_a_label_lets_in_who_does_not_have_it() -> None:
    """As in Kubernetes. Who may label namespaces decides; the API server does not let tenants do it."""
    excluded = Requirement(key="quarantine", operator=Operator.DOES_NOT_EXIST)
    grant = NamespaceGrant(selector=LabelSelector(match_expressions=(excluded,)))

    assert grant.allows("shop", {})
    assert not grant.allows("shop", {"quarantine": "true"})
