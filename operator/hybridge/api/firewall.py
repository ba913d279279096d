"""The Firewall: rules for the machines that a selector chooses."""

from __future__ import annotations

from typing import Annotated, ClassVar

from hybridge.api.fields import LABEL, Model, Rule, atomic, exactly_one, kept, keyed, note, number, text, unique
from hybridge.api.managed import BOUND, NAMED, ManagedObject, ManagedSpec, ManagedStatus
from hybridge.api.selectors import LabelSelector
from hybridge.api.shared import API_VERSION, ObjectMeta, Ref
from hybridge.core.firewall import Direction, Protocol
from hybridge.core.managed import Phase


class PortRange(Model, frozen=True, kw_only=True):
    """Ports, both ends included."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.to) || self.to >= self.from", "to must not be less than from", path=".to"),
    )

    from_: Annotated[int, number("The first port.", 1, 65535)]
    to: Annotated[int | None, number("The last port. Default: the first.", 1, 65535)] = None


class FirewallRule(Model, frozen=True, kw_only=True):
    """Something that is allowed; what no rule allows is not."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("cidrs", "machines", message="exactly one of cidrs and machines must be set"),
        Rule(
            "!has(self.ports) || self.protocol in ['TCP', 'UDP']",
            "only TCP and UDP have ports",
            path=".ports",
        ),
    )

    name: Annotated[str, text("A name for this entry, unique in the firewall.", 63, LABEL)]
    direction: Annotated[Direction, note("Ingress: to the machines. Egress: from them.")]
    protocol: Annotated[Protocol, note("TCP, UDP, ICMP or Any.")]
    ports: Annotated[
        tuple[PortRange, ...], atomic("The ports of the machines, or of the others with Egress. Default: all.", 16)
    ] = ()
    cidrs: Annotated[
        tuple[
            Annotated[
                str,
                text(
                    "A range of addresses.",
                    43,
                    Rule("isCIDR(self)", "must be a range of addresses such as 10.0.0.0/8 or 192.0.2.7/32"),
                    Rule(
                        "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                        "must be a range of addresses: after its length there are only zeros",
                    ),
                ),
            ],
            ...,
        ],
        unique("The others, by their addresses; 0.0.0.0/0 and ::/0 are everybody.", 64),
    ] = ()
    machines: Annotated[
        LabelSelector | None,
        note(
            "The others, by the labels of VirtualMachines of this namespace, whatever their Provider, with the addresses"
            " that they have now."
        ),
    ] = None


class FirewallSpec(ManagedSpec, frozen=True, kw_only=True):
    """What the firewall should be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        NAMED,
        kept("networkRef", "networkRef cannot be changed or removed: make another Firewall"),
    )

    selector: Annotated[
        LabelSelector | None,
        note(
            "The machines to which it applies, by the labels of VirtualMachines of this namespace that have the same"
            " Provider. Default: none. A new machine comes under it within seconds of its creation, not at once."
        ),
    ] = None
    network_ref: Annotated[
        Ref | None,
        note(
            "The Network in whose VPC it is (AWS). Default: the VPC of the Provider's default network. Cannot be changed."
        ),
    ] = None
    rules: Annotated[tuple[FirewallRule, ...], keyed("What is allowed. Default: nothing is.", 64, "name")] = ()


class MetStatus(Model, frozen=True, kw_only=True):
    """What was wanted when the spec was last met, in short."""

    rules: Annotated[str, text("A digest of all that is allowed.", 64)]
    members: Annotated[str, text("A digest of all machines to which it applies.", 64)]


class LeftOutStatus(Model, frozen=True, kw_only=True):
    """A machine that the selector chooses, and to which the firewall does not apply."""

    name: Annotated[str, text("The name of the VirtualMachine.", 253)]
    reason: Annotated[str, text("Why not.", 512)]


class FirewallStatus(ManagedStatus, frozen=True, kw_only=True):
    """What the firewall is."""

    phase: Annotated[Phase | None, note("How the firewall is, in one word for people.")] = None
    entries: Annotated[int | None, number("How many things it allows, as the cloud counts.", 0, 2**31 - 1)] = None
    machines: Annotated[int | None, number("To how many machines it applies.", 0, 2**31 - 1)] = None
    left_out: Annotated[
        tuple[LeftOutStatus, ...],
        atomic("Machines that the selector chooses, and to which it does not apply, such as another Provider's.", 32),
    ] = ()
    met: Annotated[
        MetStatus | None,
        note("What was wanted when the spec was last met: machines come and go while it says the same."),
    ] = None


class Firewall(ManagedObject, frozen=True, kw_only=True):
    """Rules for machines, in one of the clouds."""

    RULES: ClassVar[tuple[Rule, ...]] = (BOUND,)

    metadata: ObjectMeta
    spec: FirewallSpec
    status: FirewallStatus = FirewallStatus()
    api_version: str = API_VERSION
    kind: str = "Firewall"
