"""What PVE's answers mean."""

import ssl

import pytest
import requests
import urllib3.exceptions as wire
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from hybridge.core.errors import Busy, CloudError, Disposition, IdTaken, Refused, Throttled, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers.proxmox.errors import AlreadySo, Answer, Missing, NoStorage, classify, reason_of, transport

POOL = HTTPSConnectionPool("pve")


@pytest.mark.parametrize(
    ("status", "words", "kind", "reason"),
    [
        (401, "authentication failure", Refused, Reason.AUTHENTICATION_FAILED),
        (403, "Permission check failed (/vms/100, VM.Clone)", Refused, Reason.NOT_PERMITTED),
        (429, "Too many requests", Throttled, Reason.THROTTLED),
        (500, "unable to create VM 100: config file already exists", IdTaken, Reason.NAME_TAKEN),
        (500, "CT 100 already exists on node 'pve2'", IdTaken, Reason.NAME_TAKEN),
        (500, "unable to create VM 100: unable to open file '100.conf' - File exists", IdTaken, Reason.NAME_TAKEN),
        (500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist", Missing, Reason.NOT_FOUND),
        (500, "disk image '/mnt/pve/nfs/images/9/vm-9-a.raw' already exists", IdTaken, Reason.NAME_TAKEN),
        (500, "lvcreate 'pve/a' error: Logical Volume \"a\" already exists", IdTaken, Reason.NAME_TAKEN),
        (500, "zfs error: cannot create 'rpool/a': dataset already exists", IdTaken, Reason.NAME_TAKEN),
        (500, "rbd create 'a' error: rbd: create error: (17) File exists", IdTaken, Reason.NAME_TAKEN),
        (500, "volume_size_info on 'nfs:9/vm-9-a.raw' failed - no format", Missing, Reason.NOT_FOUND),
        (500, "zfs error: cannot open 'rpool/a': dataset does not exist", Missing, Reason.NOT_FOUND),
        (500, "command '/sbin/lvs --units b /dev/pve/a' failed: exit code 5", Missing, Reason.NOT_FOUND),
        (500, "can't migrate local disk 'a': owned by other VM (owner = VM 9)", Refused, Reason.UNSUPPORTED),
        (400, "Parameter verification failed. upid: no such task", Missing, Reason.NOT_FOUND),
        (500, "VM 100 already running", AlreadySo, Reason.REJECTED),
        (500, "VM 100 not running", AlreadySo, Reason.REJECTED),
        (500, "can't remove VM 100 - protection mode enabled", Refused, Reason.DELETION_PROTECTED),
        (500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", Busy, Reason.LOCKED),
        (500, "VM is locked (backup)", Busy, Reason.LOCKED),
        (500, "got no worker upid - start worker failed", Busy, Reason.LOCKED),
        (500, "checksum missmatch (file change by other user?)", Busy, Reason.LOCKED),
        (500, "unable to write to storage 'a': No space left on device", CloudError, Reason.CAPACITY),
        (500, "storage 'nope' does not exist", NoStorage, Reason.NOT_FOUND),
        (500, "shrinking disks is not supported", Refused, Reason.UNSUPPORTED),
        (500, "can't clone VM to node 'pve2' (VM uses local storage)", Refused, Reason.UNSUPPORTED),
        (500, "cluster not ready - no quorum?", CloudError, Reason.PROVIDER_DOWN),
        (500, "can't move VM 100 - protection mode enabled", Refused, Reason.DELETION_PROTECTED),
        (500, 'Volume group "pve" has insufficient free space', CloudError, Reason.CAPACITY),
        (500, "storage 'nfs' is disabled", CloudError, Reason.CAPACITY),
        (500, "storage 'nfs' is not available on node 'pve2'", CloudError, Reason.CAPACITY),
        (500, "a: content type 'images' is not available on storage 'b'", Refused, Reason.UNSUPPORTED),
        (500, "Cannot live-migrate replicated VM to node 'b' - not a replication target.", Refused, Reason.UNSUPPORTED),
        (500, "KVM virtualisation configured, but not available.", Refused, Reason.UNSUPPORTED),
        (500, "cannot clone TPM state while VM is running", Refused, Reason.RESTART_REQUIRED),
        (500, "you can't move a disk with snapshots and delete the source", Refused, Reason.UNSUPPORTED),
        (500, "base volume 'local:100/a' is still in use by linked cloned", Refused, Reason.HAS_DEPENDANTS),
        (500, "There is a replication job '100-0' for guest '100'", Refused, Reason.HAS_DEPENDANTS),
        (500, "to use Intel vIOMMU please set the machine type to q35", Refused, Reason.INVALID_SPEC),
        (500, "no storage ID specified", Refused, Reason.INVALID_SPEC),
        (400, "Only root may use this option.", Refused, Reason.NOT_PERMITTED),
        (403, "Permission check failed (pool 'shop' does not exist)", Refused, Reason.NOT_FOUND),
        (500, "update pools failed: pool 'shop' does not exist", Refused, Reason.NOT_FOUND),
        (500, "update pools failed: VM 100 is already a pool member", AlreadySo, Reason.REJECTED),
        (400, "Parameter verification failed. target: target is local node.", AlreadySo, Reason.REJECTED),
        (400, "Parameter verification failed.", Refused, Reason.INVALID_SPEC),
        (501, "Method 'GET /x' not implemented", Refused, Reason.UNSUPPORTED),
    ],
)
def test_an_answer_that_proves_that_nothing_was_changed(
    status: int, words: str, kind: type[CloudError], reason: Reason
) -> None:
    meaning = classify(Answer("Call", status, words, changing=True))

    assert type(meaning) is kind
    assert meaning.reason is reason
    assert not meaning.took_effect_possible
    assert words in meaning.message


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_that_gave_up_may_have_passed_the_change_on(status: int) -> None:
    assert classify(Answer("Call", status, "", changing=True)).took_effect_possible
    assert not classify(Answer("Call", status, "", changing=False)).took_effect_possible
    assert isinstance(classify(Answer("Call", status, "")), Unreachable)


def test_an_error_nobody_knows_may_have_changed_something() -> None:
    meaning = classify(Answer("Call", 500, "unexpected", changing=True))

    assert meaning.reason is Reason.CLOUD_ERROR
    assert meaning.took_effect_possible


@pytest.mark.parametrize(("status", "effect"), [(595, False), (596, True), (599, True)])
def test_a_node_that_is_away_does_not_count_against_the_endpoint(status: int, *, effect: bool) -> None:
    meaning = classify(Answer("Call", status, "No route to host", changing=True))

    assert not isinstance(meaning, Unreachable)
    assert meaning.disposition is Disposition.WAIT
    assert meaning.took_effect_possible is effect


def test_the_fields_that_are_wrong_are_named() -> None:
    meaning = classify(Answer("Call", 400, "Parameter verification failed.", {"newid": "invalid format\n"}))

    assert "newid: invalid format" in meaning.message


def test_waiting_is_as_long_as_asked() -> None:
    assert classify(Answer("Call", 429, "", retry_after=7.0)).retry_after == 7.0


def test_the_reason_of_a_failed_task() -> None:
    assert reason_of("clone failed: No space left on device") is Reason.CAPACITY
    assert reason_of("unable to create VM 100: config file already exists") is Reason.NAME_TAKEN
    assert reason_of("kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory") is Reason.CAPACITY
    assert reason_of("migration aborted; can't migrate local disk 'a:iso/x': local cdrom image") is Reason.UNSUPPORTED
    assert reason_of("something else") is None


def test_what_a_running_guest_did_not_take_is_written_down_all_the_same() -> None:
    meaning = classify(Answer("Call", 400, "Parameter verification failed.", {"net0": "hotplug problem - x"}, True))

    assert meaning.reason is Reason.RESTART_REQUIRED
    assert meaning.disposition is Disposition.WAIT
    assert meaning.took_effect_possible


def test_a_connection_that_never_was_changed_nothing() -> None:
    refused = wire.NewConnectionError(HTTPSConnection("pve"), "Connection refused")

    code, meaning = transport("Call", requests.ConnectionError(wire.MaxRetryError(POOL, "/", refused)), changing=True)

    assert code == "unreachable"
    assert isinstance(meaning, Unreachable)
    assert not meaning.took_effect_possible


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (requests.ReadTimeout(wire.ReadTimeoutError(POOL, "/", "timed out")), "timeout"),
        (requests.ConnectionError(wire.ProtocolError("aborted", ConnectionResetError(104, "reset"))), "reset"),
    ],
)
def test_a_lost_answer_may_hide_a_change(error: requests.RequestException, code: str) -> None:
    assert transport("Call", error, changing=True)[0] == code
    assert transport("Call", error, changing=True)[1].took_effect_possible
    assert not transport("Call", error, changing=False)[1].took_effect_possible


def test_a_certificate_that_nobody_vouches_for() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")

    code, meaning = transport("Call", requests.exceptions.SSLError(wire.SSLError(untrusted)), changing=True)

    assert (code, meaning.reason) == ("tls", Reason.TLS_NOT_VERIFIED)
