"""Proxmox VE's answers, classified once. PVE says what is wrong in words: in the HTTP reason or in ``message``.

Source: the ``die`` and ``raise`` statements of qemu-server, pve-storage, pve-guest-common and pve-access-control; the
statuses 595 to 599 are AnyEvent::HTTP's, given when the node that was asked cannot reach the node that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

from hybridge.core.errors import Busy, CloudError, Disposition, IdTaken, Refused, Throttled, Unclear, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers import wire


class Missing(Refused):
    """PVE positively says that the guest, task or volume that was named does not exist at that place."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.NOT_FOUND, message)


class Unlisted(Missing):
    """The list of guests lacks the one that was looked for; no node was asked."""


class NoStorage(Refused):
    """The cluster has no storage of the name that was given."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.NOT_FOUND, message)


class AlreadySo(Refused):
    """The guest is already in the power state that was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.REJECTED, message)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is an error. ``fields`` are PVE's words for single parameters; ``changing``: not a mere read."""

    operation: str
    status: int
    words: str
    fields: Mapping[str, str] = field(default_factory=dict)
    changing: bool = False
    retry_after: float | None = None


def _refused(reason: Reason) -> Callable[[str], CloudError]:
    return partial(Refused, reason)


def _waits(reason: Reason) -> Callable[[str], CloudError]:
    """Nothing was changed, and it may pass by itself: again at the pace of sweeps."""
    return partial(CloudError, reason, disposition=Disposition.WAIT)


#: PVE refuses a pool that there is not as if it were hidden.
_NO_POOL = re.compile(r"pool '[^']*' does not exist")
_INVALID, _UNSUPPORTED = _refused(Reason.INVALID_SPEC), _refused(Reason.UNSUPPORTED)


def _held_back(message: str) -> CloudError:
    """PVE has written the change down, but the running guest does not take it: that shows in the next reading."""
    return CloudError(Reason.RESTART_REQUIRED, message, disposition=Disposition.WAIT, took_effect_possible=True)


#: The first pattern found in the words says what they mean. But for one, nothing was changed in these cases.
_WORDS: tuple[tuple[re.Pattern[str], Callable[[str], CloudError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"config file already exists|(?:VM|CT) \d+ already exists|unable to create VM \d+\b.*File exists", IdTaken),
        (r"disk image '[^']*' already exists|Logical Volume \"[^\"]*\" already exists", IdTaken),
        (r"Security group '[^']*' (?:does )?already exists?", IdTaken),
        (r"snapshot name '[^']*' already used", IdTaken),
        (r"sdn vnet object ID '[^']*' already defined", IdTaken),
        (r"dataset already exists|\brbd\b.*\(17\) File exists", IdTaken),
        (r"volume_size_info on '[^']*' failed|dataset does not exist|/lvs\b.* failed: exit code 5", Missing),
        (r"Configuration file '[^']*' does not exist|unable to find configuration file", Missing),
        (r"no such task|unable to (?:parse|open) (?:worker upid|task log)", Missing),
        (r"snapshot '[^']*' does not exist", Missing),
        (r"no such security group|Security group '[^']*' does not exist", Missing),
        (r"(?:volume|image|sdn vnet) '[^']*' does not exist|no such (?:volume|file)", Missing),
        (r"storage '[^']*' does not exist", NoStorage),
        (r"already running|VM \d+ (?:is )?not running", AlreadySo),
        (r"target is local node|is already a pool member", AlreadySo),
        (r"hotplug problem", _held_back),
        (r"cannot (?:clone|move) TPM state while VM is running", _refused(Reason.RESTART_REQUIRED)),
        (r"protection mode enabled", _refused(Reason.DELETION_PROTECTED)),
        (r"checksum mismatch: got", _INVALID),
        (r"checksum miss?match|detected modified configuration", Busy),
        (r"can't lock file|got no worker upid|is locked \(|unable to acquire|trying to acquire.*lock", Busy),
        (r"is running - destroy failed|unexpected state change", Busy),
        (r"invalid lock token|got lock request timeout", Busy),
        (r"no quorum|cluster not ready", _waits(Reason.PROVIDER_DOWN)),
        (r"no space left|not enough (?:free )?(?:space|memory)|out of space|quota exceeded", _waits(Reason.CAPACITY)),
        (r"insufficient (?:free )?(?:space|extents)|cannot (?:set up guest|allocate) memory", _waits(Reason.CAPACITY)),
        (r"vcpus allowed per VM", _refused(Reason.CAPACITY)),
        (r"storage '[^']*' is (?:not (?:online|available)|disabled)", _waits(Reason.CAPACITY)),
        (r"is still in use|there is a replication job|if subnets exists?", _refused(Reason.HAS_DEPENDANTS)),
        (_NO_POOL.pattern, _refused(Reason.NOT_FOUND)),
        (r"permission check failed|only root (?:can|may)|only be used by root", _refused(Reason.NOT_PERMITTED)),
        (r"shrinking disks|not supported|not allowed for linked clones|uses local (?:storage|devices)", _UNSUPPORTED),
        (r"owned by other VM", _UNSUPPORTED),
        (r"local cdrom image|content type '[^']*' is not available|not a replication target", _UNSUPPORTED),
        (r"snapshot feature is not available", _UNSUPPORTED),
        (r"virtualisation configured, but not available", _UNSUPPORTED),
        (r"can't clone to non-shared storage|you can't ", _UNSUPPORTED),
        (r"balloon value too large|invalid bootorder|please set the machine type|is not compatible with", _INVALID),
        (r"no storage ID specified|unable to parse volume|cannot set aw-bits|supports only \d+ or", _INVALID),
        (r"does not exist|no such cluster node|hostname lookup", _refused(Reason.NOT_FOUND)),
    )
)

_STATUSES: Mapping[int, Callable[[str], CloudError]] = {
    400: _refused(Reason.INVALID_SPEC),
    401: _refused(Reason.AUTHENTICATION_FAILED),
    403: _refused(Reason.NOT_PERMITTED),
    404: _refused(Reason.NOT_FOUND),
    501: _refused(Reason.UNSUPPORTED),
}
_GATEWAYS = {502, 503, 504}
_NODE_NOT_REACHED = 595
_NODE_FAILED = range(596, 600)


def classify(answer: Answer) -> CloudError:
    """What an error answer means, with PVE's own words kept."""
    said = "; ".join(f"{name}: {' '.join(text.split())}" for name, text in sorted(answer.fields.items()))
    words = " ".join(answer.words.split()) or f"HTTP {answer.status}"
    message = f"{answer.operation}: {words}{f' ({said})' if said else ''}"
    if answer.status == 429:
        return Throttled(message, retry_after=answer.retry_after)
    if answer.status in _GATEWAYS:
        return Unreachable(f"{message} (HTTP {answer.status})", took_effect_possible=answer.changing)
    if answer.status == _NODE_NOT_REACHED or answer.status in _NODE_FAILED:
        # Only one node is away: that must not count against the endpoint, which answers.
        effect = answer.changing and answer.status != _NODE_NOT_REACHED
        return CloudError(
            Reason.PROVIDER_DOWN,
            f"{message}: the node cannot be reached from the endpoint",
            disposition=Disposition.WAIT,
            took_effect_possible=effect,
        )
    if answer.status in {400, 404, 500} or _NO_POOL.search(message):
        for pattern, meaning in _WORDS:
            if pattern.search(message):
                return meaning(message)
    meaning_of_status = _STATUSES.get(answer.status)
    if meaning_of_status is not None:
        return meaning_of_status(message)
    return CloudError(Reason.CLOUD_ERROR, message, took_effect_possible=answer.changing)


def unreadable(operation: str, error: Exception, *, changing: bool) -> Unclear:
    """An answer of success that is none."""
    words = f"{operation}: the answer was not understood: {error}"
    return Unclear(words, took_effect_possible=changing)


def reason_of(words: str) -> Reason | None:
    """The reason that the words of a failed task give, where they are known."""
    return next((meaning(words).reason for pattern, meaning in _WORDS if pattern.search(words)), None)


def transport(operation: str, error: requests.RequestException, *, changing: bool) -> tuple[str, CloudError]:
    """A code for the meter and the meaning of a request that got no answer."""
    causes = list(wire.causes(error))
    words = f"{operation}: {wire.words(error)}"
    if wire.is_untrusted(error):
        return "tls", Refused(Reason.TLS_NOT_VERIFIED, words)
    if any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in causes):
        return "unreachable", Unreachable(words)
    if isinstance(error, requests.Timeout) or any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return "timeout", Unreachable(words, took_effect_possible=changing)
    return "reset", Unreachable(words, took_effect_possible=changing)
