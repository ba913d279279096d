"""IAM in the lab: who may do what, as a policy document says. Only what the shipped policy uses (no NotAction and such).

Source: IAM User Guide, "Policy evaluation logic"; Service Authorization Reference, "Actions, resources, and condition
keys for Amazon EC2".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from lab import permissions

#: An account that may describe everything and change nothing.
READONLY = {"Statement": [{"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:Get*"], "Resource": "*"}]}
#: The policies of the accounts that have one; the others may do everything.
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "operator": permissions.aws(),
    "limited": permissions.aws(),
    "readonly": READONLY,
}


@dataclass(frozen=True, slots=True)
class Need:
    """An action that has to be allowed on a resource; ``context`` are the condition keys of the request."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: Mapping[str, Any], need: Need) -> bool:
    """Whether a statement allows it and none denies it."""
    effects = {statement["Effect"] for statement in policy["Statement"] if _applies(statement, need)}
    return "Allow" in effects and "Deny" not in effects


def mentions(policy: Mapping[str, Any], action: str) -> bool:
    """Whether a statement is about this action at all, whatever the resource."""
    return any(_is_about(statement, action) for statement in policy["Statement"])


def _applies(statement: Mapping[str, Any], need: Need) -> bool:
    return (
        _is_about(statement, need.action)
        and any(fnmatchcase(need.resource, pattern) for pattern in _listed(statement["Resource"]))
        and all(_holds(test, keys, need.context) for test, keys in statement.get("Condition", {}).items())
    )


def _is_about(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in permissions.actions_of(statement))


def _holds(test: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """One condition block: every key of it has one of its values. A key that the request does not have never does."""
    tests: Mapping[str, Callable[[str, str], bool]] = {"StringLike": fnmatchcase, "StringEquals": operator.eq}
    matches = tests[test]
    return all(
        key in context and any(matches(context[key], wanted) for wanted in _listed(values))
        for key, values in keys.items()
    )


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
