"""What the specs and statuses of all managed kinds begin with, and the rules about that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from hybridge.api.fields import (
    CLOUD_NAME,
    IMMUTABLE,
    Model,
    Rule,
    atomic,
    duration,
    given,
    keyed,
    moment,
    note,
    number,
    pairs,
    settled,
    text,
    unless,
)
from hybridge.api.shared import (
    MOST_ENTRIES,
    Condition,
    DriftEntry,
    IntentStatus,
    Lifecycle,
    ObjectMeta,
    PlanEntry,
    ProviderRef,
    TaskStatus,
)

#: In the rules of a spec: it stands for what exists already.
IMPORTED = "has(self.lifecycle) && has(self.lifecycle.__import__)"

#: A rule of every managed spec.
NAMED = settled("name", "name cannot be set, changed or removed after the cloud object was made")
#: A rule of every managed object.
BOUND = Rule(
    "!has(oldSelf.status) || !(has(oldSelf.status.id) || has(oldSelf.status.intent))"
    " || ((has(self.spec.lifecycle) && has(self.spec.lifecycle.__import__))"
    " == (has(oldSelf.spec.lifecycle) && has(oldSelf.spec.lifecycle.__import__))"
    " && (!has(self.spec.lifecycle) || !has(self.spec.lifecycle.__import__)"
    " || self.spec.lifecycle.__import__ == oldSelf.spec.lifecycle.__import__))",
    "lifecycle.import cannot be changed once a cloud object is bound",
    path=".spec.lifecycle",
)


def required(field: str) -> Rule:
    """A rule of a spec: what is made needs the field; what exists has it already."""
    return Rule(
        f"({IMPORTED}) || has(self.{field})",
        f"{field} is required unless lifecycle.import is set",
        path=f".{field}",
        reason="FieldValueRequired",
    )


def grows(path: str, message: str) -> Rule:
    """A rule of an object: a quantity of its spec, by its dotted path, neither shrinks nor is removed.

    What the cloud has refused, or failed to do, can be taken back: nobody is bound to a size that is not to be had.
    """
    # That there is a spec needs no question.
    absent = " || ".join(unless(f"spec.{path}", "oldSelf")[1:])
    present = " && ".join(given(f"spec.{path}", "self")[1:])
    new, old = f"string(self.spec.{path})", f"string(oldSelf.spec.{path})"
    return Rule(
        "(has(oldSelf.status) && has(oldSelf.status.observedGeneration) && has(oldSelf.status.conditions)"
        " && (!has(oldSelf.status.metGeneration) || oldSelf.status.metGeneration < oldSelf.status.observedGeneration)"
        " && oldSelf.status.conditions.exists(one, (one.type == 'Stalled' && one.status == 'True')"
        " || (one.type == 'Synced' && one.reason == 'TaskFailed')))"
        f" || {absent} || ({present} && (!isQuantity({new}) || !isQuantity({old})"
        f" || quantity({new}).compareTo(quantity({old})) >= 0))",
        message,
        path=f".spec.{path.partition('.')[0]}",
    )


class ManagedSpec(Model, frozen=True, kw_only=True):
    """What every managed kind's spec has."""

    name: Annotated[
        str | None,
        text("The name in the cloud. Default: the object's name and the start of its uid.", 63, CLOUD_NAME),
    ] = None
    provider_ref: Annotated[ProviderRef, note("The Provider in which it is. Cannot be changed.", IMMUTABLE)]
    lifecycle: Annotated[Lifecycle, note("What Hybridge may do with the cloud object, and when.")] = Lifecycle()
    sync_interval: Annotated[
        str,
        duration("The greatest age of the details that bulk sweeps do not show. Default: 10m.", "10s", "168h"),
    ] = "10m"
    tags: Annotated[
        Mapping[str, Annotated[str, text("The value of the tag.", 256, least=0)]],
        pairs(
            "Tags that it has in the cloud; others are left as they are. Nothing but machines and images keeps tags on "
            "Proxmox VE, and snapshots do not on vSphere: there they are without effect.",
            40,
            Rule(
                "self.all(key, !key.startsWith('hybridge.io/') && !key.startsWith('aws:'))",
                "tags that start with hybridge.io/ or aws: are reserved",
            ),
            Rule(
                "self.all(key, !(key + self[key]).matches('\\\\p{C}'))",
                "keys and values of tags have no characters that cannot be printed",
            ),
            Rule("self.all(key, key.size() >= 1 && key.size() <= 128)", "keys of tags have 1 to 128 characters"),
        ),
    ] = msgspec.field(default_factory=dict)


class ManagedStatus(Model, frozen=True, kw_only=True):
    """What every managed kind's status has."""

    observed_generation: Annotated[int, number("The generation of the spec that was last acted on.", -1, 2**53)] = -1
    met_generation: Annotated[int | None, number("The newest generation of the spec that was met.", 0, 2**53)] = None
    conditions: Annotated[tuple[Condition, ...], keyed("How it stands, by type.", 8, "type")] = ()
    id: Annotated[str | None, text("The cloud's own id.", 128)] = None
    intent: Annotated[IntentStatus | None, note("The record of the attempt to make it.")] = None
    task: Annotated[TaskStatus | None, note("A long operation that runs in the cloud.")] = None
    plan: Annotated[tuple[PlanEntry, ...], atomic("What is not yet done.", MOST_ENTRIES)] = ()
    drift: Annotated[tuple[DriftEntry, ...], atomic("Where the cloud differs from the spec.", MOST_ENTRIES)] = ()
    drifted: Annotated[
        Mapping[str, Annotated[str, text("A digest of the wanted value.", 64)]],
        pairs("Fields that came to differ from a spec that was met, and what was wanted of them then.", 64),
    ] = msgspec.field(default_factory=dict)
    created_at: Annotated[str | None, moment("When it was made, or taken over.")] = None
    last_sync_time: Annotated[str | None, moment("When the status last changed.")] = None


class ManagedObject(Model, frozen=True, kw_only=True):
    """An object of any managed kind."""

    metadata: ObjectMeta
    spec: ManagedSpec
    status: ManagedStatus = ManagedStatus()
