"""What a Firewall wants, in the core's words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hybridge.api.firewall import Firewall, FirewallRule
from hybridge.api.managed_desired import managed
from hybridge.core.firewall import FirewallSpec, Ports, Rule


def firewall_spec(
    firewall: Firewall,
    members: Collection[str],
    peers: Mapping[str, Collection[str]],
    network: str | None = None,
) -> FirewallSpec:
    """What the user wants, as the machines are now.

    ``members``: the cloud's ids of the machines that ``spec.selector`` chooses. ``peers``: what the selectors of rules
    choose, as CIDRs or ids of groups, by the names of the rules; who is not there is nobody. ``network``: the cloud's id of
    what ``spec.networkRef`` names.
    """
    spec = firewall.spec
    return FirewallSpec(
        **managed(firewall.metadata, spec),
        network=network,
        rules=tuple(_rule(rule, peers.get(rule.name, ())) for rule in spec.rules),
        members=tuple(sorted(members)),
    )


def _rule(rule: FirewallRule, chosen: Collection[str]) -> Rule:
    return Rule(
        rule.name,
        rule.direction,
        rule.protocol,
        tuple(sorted(rule.cidrs if rule.machines is None else chosen)),
        tuple(sorted(Ports(one.from_, one.from_ if one.to is None else one.to) for one in rule.ports)),
    )
