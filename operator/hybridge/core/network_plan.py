"""The plan for a network: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import planned, unless_used, unused
from hybridge.core.difference import counts_name, name_change, setting_changes, setting_texts, tag_changes
from hybridge.core.network import Network, NetworkSpec, NetworkTraits
from hybridge.core.plan import Action, Plan, Verb

_NOUN = "network"


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[NetworkSpec, Network]):
    """A network's."""

    noun: ClassVar[str] = _NOUN

    traits: NetworkTraits


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    return planned(
        situation,
        lambda found: differences(situation.spec, found, situation.traits, named=counts_name(situation)),
        lambda found: unused(situation, found, found.machines),
        lambda found: None if situation.spec.disruption else unless_used(situation, found, found.machines),
    )


def differences(
    spec: NetworkSpec, network: Network, traits: NetworkTraits, *, named: bool = False
) -> tuple[Action, ...]:
    """What has to change. ``disruptive``: it cuts off the machines that are in it. ``named``: its name counts.

    What is missing of its parts is made first: a network that is only half made is completed, not made anew.
    """
    wanted = {
        **setting_texts({"cidr": spec.cidr, "vlan": spec.vlan}),
        **setting_texts(spec.options, traits.block),
    }
    return (
        *_parts(spec, network),
        *name_change(spec, network, named=named),
        *tag_changes(spec.tags, network),
        *setting_changes(wanted, network.settings, traits.changes, _NOUN),
    )


def _parts(spec: NetworkSpec, network: Network) -> Iterator[Action]:
    for part in spec.parts:
        if part not in network.parts:
            yield Action(Verb.COMPLETE, f"parts.{part}", "", part)
