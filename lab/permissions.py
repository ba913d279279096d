"""The roles that ``docs/permissions`` ships, as the lab's accounts hold them: what is documented is what is tested."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs" / "permissions"

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right and the object that it is granted on; on AWS that is the Sid of its statement."""

    place: str
    right: str


def proxmox(text: str | None = None) -> tuple[Grant, ...]:
    """What the ``pveum`` commands of a page grant, by default of the shipped one."""
    roles: dict[str, list[str]] = {}
    grants: list[Grant] = []
    for words in _commands(text or (DOCS / "proxmox.md").read_text(), "pveum"):
        match words:
            case ["role", "add", name, "--privs", privileges]:
                roles[name] = privileges.split()
            case ["acl", "modify", path, "--users", _, "--roles", name, *_]:
                grants += (Grant(path, privilege) for privilege in roles[name])
    return tuple(grants)


def also_on(grants: Iterable[Grant], like: str, *places: str) -> tuple[Grant, ...]:
    """The grants, and those of one place for others of its kind too, as the page says for storages."""
    kept = tuple(grants)
    return (*kept, *(Grant(place, grant.right) for place in places for grant in kept if grant.place == like))


def vsphere(text: str | None = None) -> tuple[Grant, ...]:
    """What the ``govc`` commands of a page grant, by default of the shipped one; what everybody holds left out."""
    roles: dict[str, list[str]] = {"ReadOnly": ["System.Anonymous", "System.Read", "System.View"]}
    grants: list[Grant] = []
    for words in _commands(text or (DOCS / "vsphere.md").read_text(), "govc"):
        match words:
            case ["role.create", name, *privileges]:
                roles[name] = privileges
            case ["permissions.set", "-principal", _, "-role", name, *_, path]:
                grants += (Grant(path, privilege) for privilege in roles[name])
    return tuple(grants)


def aws() -> Mapping[str, Any]:
    """The shipped policy."""
    policy: Mapping[str, Any] = json.loads((DOCS / "aws.json").read_text())
    return policy


def aws_grants(policy: Mapping[str, Any]) -> tuple[Grant, ...]:
    """The actions of a policy by statement."""
    return tuple(
        Grant(statement["Sid"], action) for statement in policy["Statement"] for action in actions_of(statement)
    )


def aws_without(policy: Mapping[str, Any], grant: Grant) -> dict[str, Any]:
    """A policy that lacks one action of one statement."""
    statements = [
        {
            **statement,
            "Action": [action for action in actions_of(statement) if Grant(statement["Sid"], action) != grant],
        }
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": [statement for statement in statements if statement["Action"]]}


def actions_of(statement: Mapping[str, Any]) -> Sequence[str]:
    """A statement's actions; a policy may name one without a list."""
    actions: str | Sequence[str] = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def by_place(grants: Iterable[Grant]) -> dict[str, list[str]]:
    """The rights on each object."""
    found: dict[str, list[str]] = {}
    for grant in grants:
        found.setdefault(grant.place, []).append(grant.right)
    return found


def _commands(text: str, program: str) -> Iterator[list[str]]:
    """The words of each command of this program in the shell blocks of a page, without its name."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == [program]:
                yield words[1:]
