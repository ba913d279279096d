"""Which objects and namespaces are meant: label selectors, and grants to namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hybridge.api.fields import Model, Rule, atomic, note, pairs, text, unique
from hybridge.core.names import fits


class Operator(StrEnum):
    """How a requirement compares a label."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(Model, frozen=True, kw_only=True):
    """One requirement of a label selector."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values)",
            "In and NotIn need values; Exists and DoesNotExist take none",
            path=".values",
        ),
    )

    key: Annotated[str, text("The key of the label.", 317)]
    operator: Annotated[Operator, note("How the label is compared with the values.")]
    values: Annotated[
        tuple[Annotated[str, text("One value of the label.", 63, least=0)], ...],
        atomic("The values that In and NotIn compare with.", 64),
    ] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` meet this requirement (Kubernetes semantics: NotIn is met by an absent label)."""
        present = self.key in labels
        match self.operator:
            case Operator.EXISTS:
                return present
            case Operator.DOES_NOT_EXIST:
                return not present
            case Operator.IN:
                return present and labels[self.key] in self.values
            case Operator.NOT_IN:
                return not present or labels[self.key] not in self.values


class LabelSelector(Model, frozen=True, kw_only=True):
    """A label selector as in Kubernetes: all parts have to match; an empty one matches everything."""

    match_labels: Annotated[
        Mapping[str, Annotated[str, text("The value that the label must have.", 63, least=0)]],
        pairs("Labels with the values that they must have.", 32),
    ] = msgspec.field(default_factory=dict)
    match_expressions: Annotated[tuple[Requirement, ...], atomic("Requirements that all have to be met.", 32)] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` are selected."""
        return self.match_labels.items() <= labels.items() and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


class NamespaceGrant(Model, frozen=True, kw_only=True):
    """The namespaces that may use an object. Names and selector both grant; with neither, none is granted."""

    names: Annotated[
        tuple[Annotated[str, text("A name of a namespace, in which * stands for any characters.", 63)], ...],
        unique('Names of namespaces, in which * stands for any characters; ["*"] grants all.', 256),
    ] = ()
    selector: Annotated[
        LabelSelector | None, note("Grants the namespaces whose labels match; an empty selector grants all.")
    ] = None

    def allows(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the namespace of this name and these labels is granted."""
        return any(fits(name, namespace) for name in self.names) or (
            self.selector is not None and self.selector.matches(labels)
        )
