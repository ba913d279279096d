"""Security groups of the lab's EC2, in what moto leaves out.

What an interface has, or a rule of another group names, is not deleted; an interface has so many groups, of its own VPC;
lists have pages, and what is new may not be shown yet. Requests are served one at a time.
Source: EC2 API Reference; Amazon VPC User Guide, "Amazon VPC quotas".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupBackend
from moto.ec2.responses.security_groups import SecurityGroups

from lab.aws_rules import Birth, Refusal, Tuning
from lab.aws_wrap import around, install

_PAGE = 1000
#: Groups of an interface.
MOST = 5
_MISSING = "InvalidGroup.NotFound"


class Groups:
    """The wrapped methods. ``sees_all`` says whether the request being served sees what is hidden from others."""

    def __init__(self, tuning: Tuning, sees_all: Callable[[], bool]) -> None:
        self._tuning = tuning
        self._sees_all = sees_all
        self._requests = 0
        self._born: dict[str, Birth] = {}

    def install(self) -> None:
        """Wrap moto's methods."""
        install(self)

    def settle(self) -> None:
        """Called before each request."""
        self._requests += 1

    def denied(self, one: str) -> str | None:
        """What EC2 says of it while it is hidden."""
        return _MISSING if self._hidden(one) else None

    def _hidden(self, one: str) -> bool:
        birth = self._born.get(one)
        now = time.monotonic()
        return birth is not None and not self._sees_all() and birth.hidden(now, self._tuning, self._requests)

    @around(SecurityGroupBackend, "create_security_group")
    def _create(self, original: Callable[..., SecurityGroup], backend: Any, *given: Any, **wanted: Any) -> Any:
        made: Any = original(backend, *given, **wanted)
        self._born[made.id] = Birth(len(self._born), time.monotonic())
        return made

    @around(SecurityGroups, "describe_security_groups")
    def _describe(self, original: Callable[..., ActionResult], response: SecurityGroups) -> ActionResult:
        wanted = response.params.get("GroupIds", [])
        for one in wanted:
            if self._hidden(one):
                raise Refusal(_MISSING, f"The security group '{one}' does not exist")
        answer: Any = original(response).result
        found = [one for one in answer["SecurityGroups"] if not self._hidden(one.id)]
        start = int(response.params.get("NextToken") or 0)
        end = start + min(int(response.params.get("MaxResults") or _PAGE), _PAGE)
        page: dict[str, Any] = {"SecurityGroups": found[start:end]}
        if end < len(found):
            page["NextToken"] = str(end)
        return ActionResult(page)

    @staticmethod
    @around(SecurityGroupBackend, "delete_security_group")
    def _delete(
        original: Callable[..., None], backend: Any, name: str | None = None, group_id: str | None = None
    ) -> None:
        used = any(group.id == group_id for nic in backend.enis.values() for group in nic.group_set)
        named = any(
            pair.get("GroupId") == group_id
            for groups in backend.groups.values()
            for one in groups.values()
            if one.id != group_id
            for rule in (*one.ingress_rules, *one.egress_rules)
            for pair in [attrgetter("source_group")(rule) or {}]
        )
        if group_id and (used or named):
            raise Refusal("DependencyViolation", f"resource {group_id} has a dependent object")
        original(backend, name, group_id)

    @staticmethod
    @around(NetworkInterfaceBackend, "modify_network_interface_attribute")
    def _regroup(original: Callable[..., None], backend: Any, eni_id: str, groups: list[str], *given: Any) -> None:
        if len(groups) > MOST:
            raise Refusal(
                "SecurityGroupsPerInterfaceLimitExceeded",
                "The maximum number of security groups per interface has been reached.",
            )
        interface = backend.enis.get(eni_id)
        for group in groups if interface is not None else ():
            known = backend.get_security_group_from_id(group)
            if known is not None and known.vpc_id != interface.subnet.vpc_id:
                raise Refusal(
                    "InvalidParameter", f"Security group {group} and interface {eni_id} belong to different networks."
                )
        original(backend, eni_id, groups, *given)
