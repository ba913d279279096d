"""Each answer of EC2 becomes the error that says what to do next."""

from socket import gaierror
from typing import Any

import pytest
import urllib3.exceptions as wire
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.connection import HTTPConnection

from hybridge.core.errors import Busy, CloudError, Disposition, Refused, Throttled, TokenMismatch, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import errors


def answer(
    code: str, status: int = 400, message: str = "the cloud's words", operation: str = "RunInstances"
) -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason"),
    [
        ("RequestLimitExceeded", 503, Throttled, Reason.THROTTLED),
        ("Throttling", 400, Throttled, Reason.THROTTLED),
        ("IdempotentParameterMismatch", 400, TokenMismatch, Reason.SEARCHING),
        ("IdempotentInstanceTerminated", 400, TokenMismatch, Reason.SEARCHING),
        ("UnauthorizedOperation", 403, Refused, Reason.NOT_PERMITTED),
        ("AuthFailure", 401, Refused, Reason.AUTHENTICATION_FAILED),
        ("InvalidClientTokenId", 403, Refused, Reason.AUTHENTICATION_FAILED),
        ("SignatureDoesNotMatch", 403, Refused, Reason.AUTHENTICATION_FAILED),
        ("ExpiredToken", 403, Refused, Reason.AUTHENTICATION_FAILED),
        ("RequestExpired", 400, Refused, Reason.AUTHENTICATION_FAILED),
        ("VcpuLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("InstanceLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("InsufficientInstanceCapacity", 500, CloudError, Reason.CAPACITY),
        ("InsufficientFreeAddressesInSubnet", 400, CloudError, Reason.CAPACITY),
        ("InvalidAMIID.NotFound", 400, Refused, Reason.IMAGE_NOT_FOUND),
        ("InvalidSubnetID.NotFound", 400, Refused, Reason.NOT_FOUND),
        ("InvalidInstanceID.NotFound", 400, Refused, Reason.NOT_FOUND),
        ("InvalidInstanceID.Malformed", 400, Refused, Reason.INVALID_SPEC),
        ("InvalidParameterValue", 400, Refused, Reason.INVALID_SPEC),
        ("MissingParameter", 400, Refused, Reason.INVALID_SPEC),
        ("TagLimitExceeded", 400, Refused, Reason.INVALID_SPEC),
        ("Unsupported", 400, Refused, Reason.UNSUPPORTED),
        ("UnsupportedOperation", 400, Refused, Reason.UNSUPPORTED),
        ("IncorrectInstanceState", 400, Busy, Reason.LOCKED),
        ("VolumeModificationRateExceeded", 400, CloudError, Reason.LOCKED),
        ("OperationNotPermitted", 400, Refused, Reason.NOT_PERMITTED),
        ("AccountDisabled", 400, Refused, Reason.NOT_PERMITTED),
        ("InsufficientHostCapacity", 400, CloudError, Reason.CAPACITY),
        ("ReservationCapacityExceeded", 400, CloudError, Reason.CAPACITY),
        ("UnfulfillableCapacity", 400, CloudError, Reason.CAPACITY),
        ("VolumeLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("NetworkInterfaceLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("AttachmentLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("SecurityGroupsPerInterfaceLimitExceeded", 400, CloudError, Reason.QUOTA),
        ("LimitExceededException", 400, CloudError, Reason.QUOTA),
        ("ServiceQuotaExceededException", 400, CloudError, Reason.QUOTA),
        ("InvalidKeyPair.NotFound", 400, Refused, Reason.NOT_FOUND),
        ("InvalidGroup.NotFound", 400, Refused, Reason.NOT_FOUND),
        ("InvalidGroup.Duplicate", 400, Refused, Reason.NAME_TAKEN),
        ("RouteAlreadyExists", 400, Refused, Reason.NAME_TAKEN),
        ("InvalidParameterCombination", 400, Refused, Reason.INVALID_SPEC),
        ("InvalidIPAddress.InUse", 400, Refused, Reason.INVALID_SPEC),
        ("VPCIdNotSpecified", 400, Refused, Reason.INVALID_SPEC),
        ("DefaultVpcDoesNotExist", 400, Refused, Reason.INVALID_SPEC),
        ("IncompatibleHostRequirements", 400, Refused, Reason.UNSUPPORTED),
        ("InvalidNetworkInterface.InUse", 400, Busy, Reason.LOCKED),
        ("VolumeInUse", 400, Busy, Reason.LOCKED),
        ("InvalidState", 400, Busy, Reason.LOCKED),
        ("SnapshotCreationPerVolumeRateExceeded", 400, Throttled, Reason.THROTTLED),
        ("Resource.AlreadyAssociated", 400, Busy, Reason.LOCKED),
        ("Gateway.NotAttached", 400, Refused, Reason.NOT_FOUND),
        ("IncorrectState", 400, Busy, Reason.LOCKED),
        ("DependencyViolation", 400, Refused, Reason.HAS_DEPENDANTS),
        ("SomethingNew", 400, Refused, Reason.REJECTED),
    ],
)
def test_codes(code: str, status: int, kind: type[CloudError], reason: Reason) -> None:
    error = errors.classify("RunInstances", answer(code, status))
    assert (type(error), error.reason) == (kind, reason)
    assert f"RunInstances: {code}: the cloud's words" in error.message
    assert error.took_effect_possible is (kind is TokenMismatch)


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "InsufficientInstanceCapacity"])
def test_lack_of_room_is_waited_out(code: str) -> None:
    assert errors.classify("RunInstances", answer(code)).disposition is Disposition.WAIT


def test_a_volume_that_rests_is_not_asked_about_with_every_sweep() -> None:
    error = errors.classify("ModifyVolume", answer("VolumeModificationRateExceeded", operation="ModifyVolume"))
    assert (error.disposition, error.retry_after) == (Disposition.RETRY, errors.MODIFICATION_PAUSE)


@pytest.mark.parametrize("operation", ["AttachVolume", "DeleteVolume"])
def test_a_volume_that_an_instance_has_is_not_free(operation: str) -> None:
    error = errors.classify(operation, answer("VolumeInUse", operation=operation))
    assert (type(error), error.reason) == (Refused, Reason.HAS_DEPENDANTS)


def test_a_device_name_that_somebody_was_faster_to_take_is_waited_out() -> None:
    words = "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use"
    assert type(errors.classify("AttachVolume", answer("InvalidParameterValue", message=words))) is Busy


@pytest.mark.parametrize(("status", "kind"), [(500, CloudError), (503, Unreachable), (504, Unreachable)])
def test_a_server_error_may_have_taken_effect_only_where_something_could_change(status: int, kind: type) -> None:
    changed = errors.classify("RunInstances", answer("InternalError", status))
    read = errors.classify("DescribeInstances", answer("InternalError", status, operation="DescribeInstances"))
    assert (type(changed), changed.took_effect_possible) == (kind, True)
    assert (type(read), read.took_effect_possible) == (kind, False)


def test_a_missing_permission_is_named_with_its_caller_and_without_the_encoded_message() -> None:
    words = (
        "You are not authorized to perform this operation. User: arn:aws:iam::1:user/op is not authorized to perform:"
        " iam:PassRole on resource: x. Encoded authorization failure message: abcDEF123"
    )
    error = errors.classify("RunInstances", answer("UnauthorizedOperation", 403, words), "arn:aws:iam::1:user/op")
    assert error.message.startswith("arn:aws:iam::1:user/op lacks the permission iam:PassRole. ")
    assert "abcDEF123" not in error.message


@pytest.mark.parametrize(
    ("operation", "action"),
    [("StopInstances", "ec2:StopInstances"), ("AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity")],
)
def test_a_refusal_that_names_no_action_means_the_failed_calls_own(operation: str, action: str) -> None:
    error = errors.classify("StopInstances", answer("AccessDenied", operation=operation))
    assert error.message.startswith(f"the caller lacks the permission {action}. {operation}: ")


@pytest.mark.parametrize(
    ("operation", "reason", "where"),
    [
        ("TerminateInstances", Reason.DELETION_PROTECTED, "Change termination protection"),
        ("StopInstances", Reason.NOT_PERMITTED, "Change stop protection"),
    ],
)
def test_ec2s_own_protection_is_told_with_where_to_take_it_off(operation: str, reason: Reason, where: str) -> None:
    error = errors.classify(operation, answer("OperationNotPermitted", operation=operation))
    assert (type(error), error.reason) == (Refused, reason)
    assert where in error.message
    assert "the cloud's words" in error.message


def test_what_is_in_use_is_waited_for_whatever_the_code() -> None:
    words = "Network interface 'eni-1' is currently in use."
    error = errors.classify("DeleteNetworkInterface", answer("InvalidParameterValue", message=words))
    assert type(error) is Busy


def test_an_image_of_somebody_else_is_not_a_matter_of_credentials() -> None:
    error = errors.classify("RunInstances", answer("AuthFailure", 403, "Not authorized for images: [ami-1]"))
    assert error.reason is Reason.IMAGE_NOT_FOUND


CONNECTION = HTTPConnection("ec2.example")


@pytest.mark.parametrize(
    ("failure", "possible"),
    [
        (wire.NewConnectionError(CONNECTION, "refused"), False),
        (wire.ConnectTimeoutError("slow"), False),
        (wire.NameResolutionError("ec2.example", CONNECTION, gaierror("no such host")), False),
        (wire.ProtocolError("reset"), True),
        (wire.SSLError("EOF occurred in violation of protocol"), True),
        (ResponseParserError("no XML"), True),
        (boto.EndpointConnectionError(endpoint_url="x"), False),
        (boto.ReadTimeoutError(endpoint_url="x"), False),
    ],
)
def test_whether_a_request_had_left(failure: Exception, possible: bool) -> None:
    error = errors.classify("RunInstances", failure)
    assert (type(error), error.took_effect_possible) == (Unreachable, possible)
    assert not errors.classify("DescribeInstances", failure).took_effect_possible


def test_a_certificate_that_is_not_trusted_is_for_a_person() -> None:
    error = errors.classify("RunInstances", wire.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"))
    assert (type(error), error.reason) == (Refused, Reason.TLS_NOT_VERIFIED)


def test_no_credentials() -> None:
    assert errors.classify("DescribeInstances", boto.NoCredentialsError()).reason is Reason.AUTHENTICATION_FAILED


def test_codes_for_metrics() -> None:
    assert errors.code(answer("VcpuLimitExceeded")) == "VcpuLimitExceeded"
    assert errors.code(answer("", 502)) == "502"
    assert errors.code(wire.ProtocolError("reset")) == "ProtocolError"
