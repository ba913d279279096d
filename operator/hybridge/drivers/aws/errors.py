"""EC2's and STS's answers, classified once. Codes: EC2 API Reference, "Error codes for the Amazon EC2 API"."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from hybridge.core.errors import Busy, CloudError, Disposition, Refused, Throttled, TokenMismatch, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers import wire


def _refused(reason: Reason) -> Callable[[str], CloudError]:
    return partial(Refused, reason)


def _waits(reason: Reason) -> Callable[[str], CloudError]:
    """Nothing was changed, and room may come back by itself: again at the pace of sweeps."""
    return partial(CloudError, reason, disposition=Disposition.WAIT)


#: Seconds after which it is asked again whether EBS changes a volume that it has changed lately; it may take hours.
MODIFICATION_PAUSE = 900.0


def _rests(message: str) -> CloudError:
    """EBS changes a volume only so often, and says no more than that: nothing was changed, and later it may be."""
    return CloudError(Reason.LOCKED, message, retry_after=MODIFICATION_PAUSE)


#: The first pattern that matches a code says what it means. In none of these cases was anything changed.
_CODES: tuple[tuple[str, Callable[[str], CloudError]], ...] = (
    ("RequestLimitExceeded", Throttled),
    ("*Throttl*", Throttled),
    ("TooManyRequestsException", Throttled),
    ("SnapshotCreationPerVolumeRateExceeded", Throttled),
    ("BandwidthLimitExceeded", Throttled),
    ("SlowDown", Throttled),
    ("IdempotentParameterMismatch", TokenMismatch),
    ("IdempotentInstanceTerminated", TokenMismatch),
    ("OptInRequired", _refused(Reason.NOT_PERMITTED)),
    ("PendingVerification", _refused(Reason.NOT_PERMITTED)),
    ("Blocked", _refused(Reason.NOT_PERMITTED)),
    ("AccountDisabled", _refused(Reason.NOT_PERMITTED)),
    ("OperationNotPermitted", _refused(Reason.NOT_PERMITTED)),
    ("AuthFailure", _refused(Reason.AUTHENTICATION_FAILED)),
    ("InvalidClientTokenId", _refused(Reason.AUTHENTICATION_FAILED)),
    ("InvalidAccessKeyId", _refused(Reason.AUTHENTICATION_FAILED)),
    ("UnrecognizedClient*", _refused(Reason.AUTHENTICATION_FAILED)),
    ("SignatureDoesNotMatch", _refused(Reason.AUTHENTICATION_FAILED)),
    ("IncompleteSignature", _refused(Reason.AUTHENTICATION_FAILED)),
    ("MissingAuthenticationToken*", _refused(Reason.AUTHENTICATION_FAILED)),
    ("ExpiredToken*", _refused(Reason.AUTHENTICATION_FAILED)),
    ("RequestExpired", _refused(Reason.AUTHENTICATION_FAILED)),
    ("InvalidIdentityToken*", _refused(Reason.AUTHENTICATION_FAILED)),
    ("Insufficient*", _waits(Reason.CAPACITY)),
    ("*CapacityExceeded", _waits(Reason.CAPACITY)),
    ("UnfulfillableCapacity", _waits(Reason.CAPACITY)),
    ("TagLimitExceeded", _refused(Reason.INVALID_SPEC)),
    ("*LimitExceeded", _waits(Reason.QUOTA)),
    ("MaxSpotInstanceCountExceeded", _waits(Reason.QUOTA)),
    ("ResourceCountExceeded", _waits(Reason.QUOTA)),
    ("LimitExceeded*", _waits(Reason.QUOTA)),
    ("ServiceQuotaExceeded*", _waits(Reason.QUOTA)),
    ("DependencyViolation", _refused(Reason.HAS_DEPENDANTS)),
    ("*.Duplicate", _refused(Reason.NAME_TAKEN)),
    ("*AlreadyExists*", _refused(Reason.NAME_TAKEN)),
    ("InvalidIPAddress.InUse", _refused(Reason.INVALID_SPEC)),
    ("*InUse", Busy),
    ("InvalidState", Busy),
    ("IncorrectInstanceState", Busy),
    ("IncorrectModificationState", Busy),
    ("IncorrectState*", Busy),
    ("VolumeModificationRateExceeded", _rests),
    ("ConcurrentTagAccess", Busy),
    ("Resource.AlreadyAssociated", Busy),
    ("*InProgress*", Busy),
    ("InvalidAMIID.*", _refused(Reason.IMAGE_NOT_FOUND)),
    ("Gateway.NotAttached", _refused(Reason.NOT_FOUND)),
    ("*NotFound", _refused(Reason.NOT_FOUND)),
    ("*NotFoundException", _refused(Reason.NOT_FOUND)),
    ("Unsupported*", _refused(Reason.UNSUPPORTED)),
    ("Incompatible*", _refused(Reason.UNSUPPORTED)),
    ("NonEBSInstance", _refused(Reason.UNSUPPORTED)),
    ("Invalid*", _refused(Reason.INVALID_SPEC)),
    ("Missing*", _refused(Reason.INVALID_SPEC)),
    ("VPC*NotSpecified", _refused(Reason.INVALID_SPEC)),
    ("Default*DoesNotExist", _refused(Reason.INVALID_SPEC)),
    ("Unknown*", _refused(Reason.INVALID_SPEC)),
    ("Validation*", _refused(Reason.INVALID_SPEC)),
)

#: What ``OperationNotPermitted`` means for a call: EC2's own protection of an instance.
_PROTECTIONS = {
    "TerminateInstances": (Reason.DELETION_PROTECTED, "termination"),
    "StopInstances": (Reason.NOT_PERMITTED, "stop"),
}

#: Calls for which a volume that some instance has is a person's to free, or another object's.
_NEED_A_FREE_VOLUME = frozenset({"AttachVolume", "DeleteVolume"})

#: What EC2 says with ``InvalidParameterValue`` of what somebody else was faster to take.
_TAKEN = ("currently in use", "already in use")

_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.UnauthorizedSSOTokenError,
    boto.NoAuthTokenError,
)

#: Failures that came before the request could have left. botocore's own HTTP fetches credentials and nothing else.
_NOT_SENT = (NewConnectionError, ConnectTimeoutError, boto.HTTPClientError, boto.ConnectionError)

_ENCODED = re.compile(r"\s*Encoded authorization failure message:\s*\S+")
_ACTION = re.compile(r"not authorized to perform:\s*([\w-]+:\w+)")


def mutating(operation: str) -> bool:
    """Whether a call may change EC2."""
    return not operation.startswith(("Describe", "Get", "AssumeRole"))


def code(failure: Exception) -> str:
    """The name of a failure for metrics: the cloud's own code, else the class of the error."""
    if isinstance(failure, boto.ClientError):
        return failure.response.get("Error", {}).get("Code", "") or str(_status(failure))
    return type(failure).__name__


def classify(operation: str, failure: Exception, caller: str = "") -> CloudError:
    """What a failed ``operation`` means; ``caller`` is the ARN of who called, once known."""
    if isinstance(failure, boto.ClientError):
        return _answer(operation, failure, caller)
    if isinstance(failure, _CREDENTIALS):
        return Refused(Reason.AUTHENTICATION_FAILED, f"no credentials: {failure}")
    if isinstance(failure, (SSLError, boto.SSLError)) and _is_certificate(failure):
        return Refused(Reason.TLS_NOT_VERIFIED, f"{operation}: {wire.words(failure)}")
    if isinstance(failure, (*_NOT_SENT, HTTPError, ResponseParserError)):
        sent = not isinstance(failure, _NOT_SENT)
        return Unreachable(f"{operation}: {wire.words(failure)}", took_effect_possible=sent and mutating(operation))
    return CloudError(Reason.CLOUD_ERROR, f"{operation}: {failure}", took_effect_possible=mutating(operation))


def unreadable(operation: str, error: Exception) -> CloudError:
    """An answer of success that cannot be read: whether it was one for what was asked, nobody knows."""
    return Unreachable(f"{operation}: the answer cannot be read: {error}", took_effect_possible=mutating(operation))


def _answer(operation: str, failure: boto.ClientError, caller: str) -> CloudError:
    # The failed call may be the one for credentials that came before.
    operation = failure.operation_name or operation
    name = code(failure)
    words = _ENCODED.sub("", failure.response.get("Error", {}).get("Message", "")).strip()
    message = f"{operation}: {name}: {words}"
    if name == "OperationNotPermitted" and (protection := _PROTECTIONS.get(operation)):
        reason, kind = protection
        return Refused(
            reason,
            f"the instance has {kind} protection in EC2; take it off there (Actions, Instance settings, Change {kind}"
            f" protection). {message}",
        )
    if name == "InvalidParameterValue" and any(taken in words for taken in _TAKEN):
        return Busy(message)
    if name == "VolumeInUse" and operation in _NEED_A_FREE_VOLUME:
        return Refused(Reason.HAS_DEPENDANTS, message)
    if name == "AuthFailure" and "images" in words:
        return Refused(Reason.IMAGE_NOT_FOUND, message)
    if name.startswith(("UnauthorizedOperation", "AccessDenied")):
        return Refused(Reason.NOT_PERMITTED, _permission(operation, words, caller) + message)
    for pattern, meaning in _CODES:
        if fnmatchcase(name, pattern):
            return meaning(message)
    status = _status(failure)
    if status in {502, 503, 504}:
        return Unreachable(message, took_effect_possible=mutating(operation))
    if status >= 500 or status < 400:
        return CloudError(Reason.CLOUD_ERROR, message, took_effect_possible=mutating(operation))
    return Refused(Reason.REJECTED, message)


def _permission(operation: str, words: str, caller: str) -> str:
    """Which permission is missing, and whose: the action that the answer names (RunInstances needs several), else the
    call's own.
    """
    named = _ACTION.search(words)
    service = "sts" if operation.startswith(("AssumeRole", "GetCallerIdentity")) else "ec2"
    action = named.group(1) if named else f"{service}:{operation}"
    return f"{caller or 'the caller'} lacks the permission {action}. "


def _status(failure: boto.ClientError) -> int:
    return int(failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_certificate(failure: Exception) -> bool:
    """Whether TLS failed because of who answered, rather than because the connection broke in the handshake."""
    text = str(failure)
    return "CERTIFICATE_VERIFY_FAILED" in text or "ingerprint" in text or "doesn't match" in text
