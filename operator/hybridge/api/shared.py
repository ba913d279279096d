"""What every managed kind has: metadata, lifecycle, conditions, and the records of work in its status."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hybridge.api.fields import (
    LABEL,
    NAME,
    Model,
    Rule,
    atomic,
    exactly_one,
    free_form,
    moment,
    note,
    number,
    pairs,
    text,
)
from hybridge.core.lifecycle import Drift
from hybridge.core.printable import printable

GROUP = "hybridge.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/finalizer"
PAUSED = f"{GROUP}/paused"
SYNC_NOW = f"{GROUP}/sync-now"

#: Largest number of entries in ``status.plan`` and ``status.drift``, and of characters in a value of theirs.
MOST_ENTRIES = 32
MOST_VALUE = 256
#: Largest number of characters in the message of a condition.
MOST_MESSAGE = 8192

Name = Annotated[str, text("The name of the object.", 253, NAME)]


class ObjectMeta(Model, frozen=True, kw_only=True):
    """The part of an object's metadata that Hybridge reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)


class Management(StrEnum):
    """Whether the cloud object is written."""

    MANAGED = "Managed"
    OBSERVED = "Observed"


class OnDelete(StrEnum):
    """What becomes of the cloud object when its Kubernetes object is deleted."""

    DELETE = "Delete"
    DETACH = "Detach"


class OnLost(StrEnum):
    """What is done when the cloud object is proven gone though nobody asked."""

    REPORT = "Report"
    RECREATE = "Recreate"


class Disruption(StrEnum):
    """Whether a change may power-cycle or replace the cloud object."""

    NEVER = "Never"
    ALLOW = "Allow"


class ImportFilter(Model, frozen=True, kw_only=True):
    """How to find the one cloud object to import."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.name) || (has(self.tags) && self.tags.size() > 0)", "needs a name or tags"),
    )

    name: Annotated[str | None, text("The exact name in the cloud.", 255)] = None
    tags: Annotated[
        Mapping[str, Annotated[str, text("The value that the tag must have.", 256, least=0)]],
        pairs("Tags that the cloud object must have.", 32),
    ] = msgspec.field(default_factory=dict)


class Import(Model, frozen=True, kw_only=True):
    """Which existing cloud object to take."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("id", "filter", message="exactly one of id and filter must be set"),
    )

    id: Annotated[str | None, text("The id in the cloud: i-0abc…, 101, vm-42.", 128)] = None
    filter: Annotated[
        ImportFilter | None,
        note("Takes the one object that matches. No match: it waits. More than one: it refuses and lists them."),
    ] = None


class Lifecycle(Model, frozen=True, kw_only=True):
    """What Hybridge may do with the cloud object, and when."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.management) || self.management != 'Observed' || has(self.__import__)",
            "Observed needs lifecycle.import: an object that does not exist cannot be observed",
            path=".management",
        ),
    )

    management: Annotated[
        Management,
        note("Managed, the default: kept as this spec says. Observed: never written, whatever happens; needs import."),
    ] = Management.MANAGED
    import_: Annotated[
        Import | None,
        note("Takes an existing cloud object instead of making one. Cannot be changed once an object is bound."),
    ] = None
    on_delete: Annotated[
        OnDelete,
        note(
            "Delete, the default: the cloud object goes with this one."
            " Detach: the marker is removed and the rest is left as it is."
        ),
    ] = OnDelete.DELETE
    deletion_protection: Annotated[bool, note("Refuses the deletion of this object. Default: false.")] = False
    drift: Annotated[
        Drift,
        note("What happens to changes that others make in the cloud: Correct, the default, Report, or Ignore."),
    ] = Drift.CORRECT
    on_lost: Annotated[
        OnLost,
        note(
            "What happens when the cloud object is proven gone though nobody asked:"
            " Report, the default, says so; Recreate makes a new one."
        ),
    ] = OnLost.REPORT
    disruption: Annotated[
        Disruption,
        note("Whether a change may power-cycle or replace the cloud object. Default: Never."),
    ] = Disruption.NEVER


class ProviderRef(Model, frozen=True, kw_only=True):
    """Names a Provider."""

    name: Annotated[str, text("The name of the Provider.", 253, NAME)]


class LocalRef(Model, frozen=True, kw_only=True):
    """Names an object of the same namespace."""

    name: Name


class Ref(Model, frozen=True, kw_only=True):
    """Names an object, in the own namespace or in another that grants it."""

    name: Name
    namespace: Annotated[
        str | None, text("The namespace of the object, which must grant this one. Default: the own.", 63, LABEL)
    ] = None


class SecretRef(Model, frozen=True, kw_only=True):
    """Names a Secret anywhere."""

    namespace: Annotated[str, text("The namespace of the Secret.", 63, LABEL)]
    name: Annotated[str, text("The name of the Secret.", 253, NAME)]


class SecretKeyRef(Model, frozen=True, kw_only=True):
    """Names one key of a Secret in the own namespace."""

    name: Annotated[str, text("The name of the Secret.", 253, NAME)]
    key: Annotated[str, text("The key within the Secret.", 253)]


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model, frozen=True, kw_only=True):
    """A condition as in ``metav1.Condition``."""

    type: Annotated[str, text("Ready, Synced, Drifted, Reconciling or Stalled.", 64)]
    status: Annotated[ConditionStatus, note("True, False or Unknown.")]
    reason: Annotated[str, text("One CamelCase word that says why.", 64)]
    last_transition_time: Annotated[str, moment("When the status last changed.")]
    message: Annotated[str, text("What a person should know.", MOST_MESSAGE, least=0)] = ""
    observed_generation: Annotated[int | None, number("The generation of the spec that this is about.", -1, 2**53)] = (
        None
    )


class TaskStatus(Model, frozen=True, kw_only=True):
    """A long operation that runs in the cloud."""

    id: Annotated[str, text("The cloud's own id of the task.", 512)]
    operation: Annotated[str, text("What it does, such as Clone.", 64)]
    started_at: Annotated[str, moment("When it was started.")]
    progress: Annotated[int | None, number("How much is done, in percent.", 0, 100)] = None


class PlanEntry(Model, frozen=True, kw_only=True):
    """One step that is not yet done."""

    action: Annotated[str, text("What will be done, such as Resize.", 64)]
    field: Annotated[str | None, text("The field that it changes.", 128)] = None
    from_: Annotated[str | None, text("The value before.", MOST_VALUE, least=0)] = None
    to: Annotated[str | None, text("The value after.", MOST_VALUE, least=0)] = None
    disruptive: Annotated[bool, note("Whether it power-cycles or replaces the cloud object.")] = False
    reason: Annotated[str | None, text("Why it is not done yet.", MOST_VALUE, least=0)] = None


class DriftEntry(Model, frozen=True, kw_only=True):
    """One field in which the cloud differs from the spec."""

    field: Annotated[str, text("The field that differs.", 128)]
    want: Annotated[str | None, text("What the spec says.", MOST_VALUE, least=0)] = None
    found: Annotated[str | None, text("What the cloud shows.", MOST_VALUE, least=0)] = None
    since: Annotated[str | None, moment("When the difference was first seen.")] = None


class SecretVersionStatus(Model, frozen=True, kw_only=True):
    """Which version of a Secret was used; nothing of its content."""

    name: Annotated[str, text("The name of the Secret.", 253)]
    uid: Annotated[str, text("The uid of the Secret.", 64)]
    resource_version: Annotated[str, text("The resourceVersion of the Secret.", 64)]


class IntentStatus(Model, frozen=True, kw_only=True):
    """The record of one attempt to create the cloud object, written before the cloud is asked."""

    attempt: Annotated[int, number("Counts the attempts.", 0, 2**31 - 1)]
    token: Annotated[str, text("The idempotency token of the attempt; empty for what exists already.", 128, least=0)]
    name: Annotated[str, text("The name that the cloud object gets.", 255, least=0)]
    uuid: Annotated[str, text("The SMBIOS or instance UUID that the cloud object gets, where it has one.", 64, least=0)]
    provider_identity: Annotated[str, text("The account or cluster in which it is made.", 512)]
    started_at: Annotated[str, moment("When the attempt began.")]
    repeated_at: Annotated[str | None, moment("When its request was last repeated.")] = None
    id: Annotated[str | None, text("The id in the cloud, where Hybridge chooses it.", 128)] = None
    parameters: Annotated[Mapping[str, object], free_form("The exact parameters of the call, without secrets.")] = (
        msgspec.field(default_factory=dict)
    )
    secrets: Annotated[
        tuple[SecretVersionStatus, ...], atomic("The versions of the Secrets that the attempt uses.", 16)
    ] = ()
    rejected: Annotated[bool, note("Whether the cloud proved that the attempt was without effect.")] = False


def clip(value: str, most: int = MOST_VALUE) -> str:
    """``value`` as a person can read it, cut to what a field of at most ``most`` characters takes, with an ellipsis where
    something is missing.
    """
    return printable(value if len(value) <= most else f"{value[: most - 1]}…")
