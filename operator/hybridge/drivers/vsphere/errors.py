"""A vCenter's answers, classified once.

Source: the faults of the vSphere Web Services API reference. A fault is found in the table by its own name or by that
of the nearest type that it extends, so new faults are classified too.
"""

from __future__ import annotations

from collections.abc import Callable

import urllib3.exceptions

from hybridge.core.errors import Busy, CloudError, Disposition, IdTaken, Refused, Throttled, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers import wire
from hybridge.drivers.vsphere.sdk import ancestry, fault_name

#: Calls that change nothing in the cloud beyond our own session. Whatever is not named here may have taken effect.
READS = frozenset(
    {
        "CancelWaitForUpdates",
        "ContinueRetrievePropertiesEx",
        "CreateContainerView",
        "CreateFilter",
        "CreatePropertyCollector",
        "FindAllByUuid",
        "FindChild",
        "HasPrivilegeOnEntities",
        "ListVStorageObject",
        "Login",
        "Logout",
        "PbmQueryAssociatedProfiles",
        "PbmQueryProfile",
        "PbmRetrieveContent",
        "PbmRetrieveServiceContent",
        "RetrieveContent",
        "RetrievePropertiesEx",
        "RetrieveServiceContent",
        "RetrieveSnapshotInfo",
        "RetrieveVStorageObject",
        "VslmListVStorageObjectForSpec",
        "WaitForUpdatesEx",
    }
)

_Make = Callable[[str], CloudError]


def _refused(reason: Reason) -> _Make:
    return lambda words: Refused(reason, words)


def _waits(reason: Reason) -> _Make:
    return lambda words: CloudError(reason, words, disposition=Disposition.WAIT)


_FAULTS: dict[str, _Make] = {
    "InvalidLogin": _refused(Reason.AUTHENTICATION_FAILED),
    "NotAuthenticated": lambda words: CloudError(Reason.AUTHENTICATION_FAILED, words),
    "SecurityError": _refused(Reason.NOT_PERMITTED),
    "RestrictedByAdministrator": _refused(Reason.NOT_PERMITTED),
    "MethodDisabled": _refused(Reason.NOT_PERMITTED),
    "DuplicateName": IdTaken,
    "AlreadyExists": IdTaken,
    "InsufficientResourcesFault": _waits(Reason.CAPACITY),
    "InsufficientStorageIops": _waits(Reason.CAPACITY),
    "NoDiskSpace": _waits(Reason.CAPACITY),
    "NoCompatibleHost": _waits(Reason.CAPACITY),
    "NoCompatibleDatastore": _waits(Reason.CAPACITY),
    "NoActiveHostInCluster": _waits(Reason.CAPACITY),
    "DisallowedOperationOnFailoverHost": _waits(Reason.CAPACITY),
    "HostNotConnected": _waits(Reason.CLOUD_ERROR),
    "InaccessibleDatastore": _waits(Reason.CAPACITY),
    "ResourceNotAvailable": _waits(Reason.CAPACITY),
    "InvalidHostState": _waits(Reason.CAPACITY),
    "NumVirtualCpusExceedsLimit": _refused(Reason.INVALID_SPEC),
    "OutOfBounds": _refused(Reason.INVALID_SPEC),
    "InvalidResourcePoolStructureFault": _refused(Reason.INVALID_SPEC),
    "NotEnoughLicenses": _waits(Reason.QUOTA),
    "LimitExceeded": _waits(Reason.QUOTA),
    "CpuHotPlugNotSupported": _refused(Reason.RESTART_REQUIRED),
    "MemoryHotPlugNotSupported": _refused(Reason.RESTART_REQUIRED),
    "TaskInProgress": Busy,
    "ConcurrentAccess": Busy,
    "FileLocked": Busy,
    "ResourceInUse": Busy,
    "InvalidState": Busy,
    "InvalidArgument": _refused(Reason.INVALID_SPEC),
    "InvalidName": _refused(Reason.INVALID_SPEC),
    "InvalidFolder": _refused(Reason.INVALID_SPEC),
    "InvalidDatastore": _refused(Reason.INVALID_SPEC),
    "VmConfigFault": _refused(Reason.INVALID_SPEC),
    "NotSupported": _refused(Reason.UNSUPPORTED),
    "MethodNotFound": _refused(Reason.UNSUPPORTED),
    "MigrationFault": _refused(Reason.UNSUPPORTED),
    "NotFound": _refused(Reason.NOT_FOUND),
    "ManagedObjectNotFound": _refused(Reason.NOT_FOUND),
    "RequestCanceled": Busy,
}


def classify(fault: object, operation: str) -> CloudError:
    """The error that a fault means. ``operation`` is the name of the call that it answers.

    What the table does not know (SystemError, HostCommunication…) may have come after a part of the work was done.
    """
    words = describe(fault)
    make = next((_FAULTS[name] for name in ancestry(fault) if name in _FAULTS), None)
    if make is not None:
        return make(words)
    return CloudError(Reason.CLOUD_ERROR, words, took_effect_possible=operation not in READS)


def describe(fault: object) -> str:
    """The cloud's own words, after the fault's name, with what a person needs to act: the privilege, the object."""
    name = fault_name(fault)
    words = str(getattr(fault, "msg", None) or "").strip()
    privilege = getattr(fault, "privilegeId", None)
    if privilege:
        words = f"{words or 'permission denied'} (privilege {privilege} on {_object(getattr(fault, 'object', None))})"
    elif name == "DuplicateName":
        words = f"{words or 'the name exists'} (it belongs to {_object(getattr(fault, 'object', None))})"
    elif source := getattr(fault, "source", None) or getattr(fault, "details", None):
        words = f"{words or 'the method is disabled'} (by {source})"
    elif prop := getattr(fault, "invalidProperty", None) or getattr(fault, "property", None):
        words = f"{words or 'refused'} ({prop})"
    details = [str(entry.message) for entry in getattr(fault, "faultMessage", None) or () if entry.message]
    return ": ".join(part for part in (name, words, *details[:2]) if part)


def _object(reference: object) -> str:
    """A managed object's id; ``unknown`` when the fault names none."""
    return str(reference).strip("'").rpartition(":")[2] if reference is not None else "unknown"


def caused_by(error: CloudError, name: str) -> bool:
    """Whether the error is what ``classify`` made of this fault, or of one that extends it."""
    return error.__cause__ is not None and name in ancestry(error.__cause__)


def status(code: int, operation: str, retry_after: str | None, *, changes: bool | None = None) -> CloudError:
    """The error that an HTTP status means of which the vCenter says no more; it comes from a proxy in front of it.

    ``changes``: whether the call could change something; None: as ``READS`` has it, here and below.
    """
    words = f"HTTP {code} for {operation}"
    if code == 429:
        return Throttled(words, retry_after=float(retry_after) if retry_after and retry_after.isdecimal() else None)
    if code >= 500:
        return Unreachable(words, took_effect_possible=_may_change(operation, changes))
    return CloudError(Reason.CLOUD_ERROR, f"{words}: is this the endpoint of a vCenter?", disposition=Disposition.STOP)


def transport(error: urllib3.exceptions.HTTPError, operation: str, *, changes: bool | None = None) -> CloudError:
    """The error that a failed exchange means: nothing took effect where no connection came about."""
    words = f"{operation}: {wire.words(error)}"
    if wire.is_untrusted(error):
        return Refused(Reason.TLS_NOT_VERIFIED, words)
    if isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return Unreachable(words)
    return Unreachable(words, took_effect_possible=_may_change(operation, changes))


def unreadable(operation: str, why: str, *, changes: bool | None = None) -> Unreachable:
    """The error that an answer means which is none."""
    words = f"the answer to {operation} cannot be read: {why}"
    return Unreachable(words, took_effect_possible=_may_change(operation, changes))


def _may_change(operation: str, changes: bool | None) -> bool:
    return operation not in READS if changes is None else changes


class Unauthenticated(Refused):
    """The Automation API does not know the session, or the login."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.AUTHENTICATION_FAILED, message)


#: What the errors of the Automation API mean (its package com.vmware.vapi.std.errors).
_ANSWERS: dict[str, _Make] = {
    "UNAUTHENTICATED": Unauthenticated,
    "UNAUTHORIZED": _refused(Reason.NOT_PERMITTED),
    "NOT_FOUND": _refused(Reason.NOT_FOUND),
    "ALREADY_EXISTS": IdTaken,
    "INVALID_ARGUMENT": _refused(Reason.INVALID_SPEC),
    "UNSUPPORTED": _refused(Reason.UNSUPPORTED),
    "OPERATION_NOT_FOUND": _refused(Reason.UNSUPPORTED),
    "RESOURCE_BUSY": Busy,
    "RESOURCE_IN_USE": Busy,
    "CONCURRENT_CHANGE": Busy,
    "NOT_ALLOWED_IN_CURRENT_STATE": Busy,
    "RESOURCE_INACCESSIBLE": _waits(Reason.CAPACITY),
    "UNABLE_TO_ALLOCATE_RESOURCE": _waits(Reason.CAPACITY),
}
#: The same of statuses, where an answer names no error of the API. A path that a vCenter does not have is one of a release
#: that it is older than.
_STATUSES = {401: "UNAUTHENTICATED", 403: "UNAUTHORIZED", 404: "OPERATION_NOT_FOUND"}


def answered(code: int, told: object, operation: str, retry_after: str | None, *, changes: bool) -> CloudError:
    """The error that an answer of the Automation API means; ``told``: its JSON."""
    kind = str(told.get("error_type", "")) if isinstance(told, dict) else ""
    known = kind or _STATUSES.get(code, "")
    words = f"{operation}: {spoken(told) or f'HTTP {code}'}"
    if known in _ANSWERS and code != 429:
        return _ANSWERS[known](f"{known}: {words}")
    if kind:
        return CloudError(Reason.CLOUD_ERROR, f"{kind}: {words}", took_effect_possible=changes)
    return status(code, operation, retry_after, changes=changes)


def spoken(told: object) -> str:
    """The words for people in a message of the Automation API, or in an error, which has several."""
    if not isinstance(told, dict):
        return ""
    messages = told.get("messages")
    if isinstance(messages, list):
        return "; ".join(text for one in messages if (text := spoken(one)))
    return str(told.get("localized") or told.get("default_message") or "").strip()


def code(error: CloudError) -> str:
    """A word for the metrics: the fault's name where there is one, else the reason."""
    return fault_name(error.__cause__) if error.__cause__ is not None else str(error.reason)
