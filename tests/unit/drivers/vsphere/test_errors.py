"""What a vCenter's answers mean."""

from __future__ import annotations

import ssl

import pytest
import urllib3
import urllib3.exceptions as wire

from hybridge.core.errors import Busy, CloudError, Disposition, IdTaken, Refused, Throttled, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import errors, sdk
from hybridge.drivers.vsphere.sdk import vim, vmodl

POOL = urllib3.HTTPSConnectionPool("vc.example")


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (vim.fault.InvalidLogin(), Refused, Reason.AUTHENTICATION_FAILED),
        (vim.fault.PasswordExpired(), Refused, Reason.AUTHENTICATION_FAILED),
        (vim.fault.NotAuthenticated(), CloudError, Reason.AUTHENTICATION_FAILED),
        (vim.fault.NoPermission(), Refused, Reason.NOT_PERMITTED),
        (vim.fault.DuplicateName(), IdTaken, Reason.NAME_TAKEN),
        (vim.fault.InsufficientResourcesFault(), CloudError, Reason.CAPACITY),
        (vim.fault.InsufficientStorageSpace(), CloudError, Reason.CAPACITY),
        (vim.fault.NoDiskSpace(), CloudError, Reason.CAPACITY),
        (vim.fault.InsufficientMemoryResourcesFault(), CloudError, Reason.CAPACITY),
        (vim.fault.InsufficientFailoverResourcesFault(), CloudError, Reason.CAPACITY),
        (vmodl.fault.HostNotConnected(), CloudError, Reason.CLOUD_ERROR),
        (vim.fault.InvalidHostState(), CloudError, Reason.CAPACITY),
        (vim.fault.InaccessibleDatastore(), CloudError, Reason.CAPACITY),
        (vim.fault.ResourceNotAvailable(), CloudError, Reason.CAPACITY),
        (vim.fault.VmLimitLicense(), CloudError, Reason.QUOTA),
        (vim.fault.OutOfBounds(), Refused, Reason.INVALID_SPEC),
        (vim.fault.TooManyDevices(), Refused, Reason.INVALID_SPEC),
        (vim.fault.MethodDisabled(), Refused, Reason.NOT_PERMITTED),
        (vim.fault.RestrictedByAdministrator(), Refused, Reason.NOT_PERMITTED),
        (vim.fault.MigrationDisabled(), Refused, Reason.UNSUPPORTED),
        (vim.fault.QuestionPending(), Busy, Reason.LOCKED),
        (vim.fault.NumVirtualCpusExceedsLimit(), Refused, Reason.INVALID_SPEC),
        (vmodl.fault.NotEnoughLicenses(), CloudError, Reason.QUOTA),
        (vim.fault.LicenseExpired(), CloudError, Reason.QUOTA),
        (vim.fault.TaskInProgress(), Busy, Reason.LOCKED),
        (vim.fault.ConcurrentAccess(), Busy, Reason.LOCKED),
        (vim.fault.InvalidPowerState(), Busy, Reason.LOCKED),
        (vim.fault.CpuHotPlugNotSupported(), Refused, Reason.RESTART_REQUIRED),
        (vim.fault.InvalidVmConfig(), Refused, Reason.INVALID_SPEC),
        (vmodl.fault.InvalidArgument(), Refused, Reason.INVALID_SPEC),
        (vmodl.fault.NotSupported(), Refused, Reason.UNSUPPORTED),
        (vmodl.fault.ManagedObjectNotFound(), Refused, Reason.NOT_FOUND),
    ],
    ids=lambda value: sdk.fault_name(value) if isinstance(value, Exception) else "",
)
def test_a_known_fault_changed_nothing(fault: object, kind: type[CloudError], reason: Reason) -> None:
    error = errors.classify(fault, "CloneVM_Task")

    assert type(error) is kind
    assert error.reason is reason
    assert not error.took_effect_possible


@pytest.mark.parametrize(("operation", "possible"), [("CloneVM_Task", True), ("RetrievePropertiesEx", False)])
def test_an_unknown_fault_may_have_changed_something(operation: str, possible: bool) -> None:
    error = errors.classify(vmodl.fault.HostCommunication(msg="no host"), operation)

    assert error.disposition is Disposition.RETRY
    assert error.took_effect_possible is possible


def test_a_missing_privilege_is_named_with_its_object() -> None:
    fault = vim.fault.NoPermission(
        msg="Permission to perform this operation was denied.",
        object=vim.Folder("group-v3"),
        privilegeId="VirtualMachine.Inventory.CreateFromExisting",
    )

    words = errors.classify(fault, "CloneVM_Task").message

    assert "VirtualMachine.Inventory.CreateFromExisting on group-v3" in words
    assert words.startswith("NoPermission: Permission to perform")


def test_a_disabled_method_says_by_whom() -> None:
    fault = vim.fault.MethodDisabled(msg="The method is disabled.", source="com.example.backup")

    assert errors.describe(fault) == "MethodDisabled: The method is disabled. (by com.example.backup)"


def test_a_taken_name_says_by_what() -> None:
    assert "vm-7" in errors.describe(vim.fault.DuplicateName(name="web", object=vim.VirtualMachine("vm-7")))


def test_an_error_knows_the_fault_that_it_comes_from() -> None:
    error = errors.classify(fault := vim.fault.InvalidPowerState(), "PowerOnVM_Task")
    error.__cause__ = fault

    assert errors.caused_by(error, "InvalidPowerState")
    assert errors.caused_by(error, "InvalidState")
    assert not errors.caused_by(error, "TaskInProgress")
    assert not errors.caused_by(CloudError(Reason.CLOUD_ERROR, ""), "InvalidState")


@pytest.mark.parametrize(("operation", "possible"), [("CloneVM_Task", True), ("RetrievePropertiesEx", False)])
@pytest.mark.parametrize("failure", [wire.ReadTimeoutError(POOL, "/sdk", "slow"), wire.ProtocolError("reset")])
def test_a_broken_exchange_may_have_changed_something(failure: wire.HTTPError, operation: str, possible: bool) -> None:
    error = errors.transport(failure, operation)

    assert isinstance(error, Unreachable)
    assert error.took_effect_possible is possible


def test_a_certificate_that_is_not_trusted_stops() -> None:
    refused = wire.SSLError(ssl.SSLCertVerificationError("self-signed certificate"))

    assert errors.transport(refused, "Login").reason is Reason.TLS_NOT_VERIFIED
    assert errors.transport(wire.SSLError("Fingerprints did not match."), "Login").reason is Reason.TLS_NOT_VERIFIED


def test_tls_that_breaks_in_the_middle_is_no_question_of_trust() -> None:
    error = errors.transport(wire.SSLError(ssl.SSLEOFError("EOF")), "CloneVM_Task")

    assert isinstance(error, Unreachable)
    assert error.took_effect_possible


@pytest.mark.parametrize(
    ("code", "kind", "possible"),
    [(429, Throttled, False), (503, Unreachable, True), (404, CloudError, False)],
)
def test_a_status_of_a_proxy(code: int, kind: type[CloudError], possible: bool) -> None:
    error = errors.status(code, "CloneVM_Task", "7")

    assert type(error) is kind
    assert error.took_effect_possible is possible
    assert error.retry_after == (7.0 if code == 429 else None)
