"""What a Provider's conditions say about rights, and how soon they are looked at again."""

from __future__ import annotations

import pytest

from hybridge.api.provider import Credentials, Provider, ProviderSpec
from hybridge.api.shared import ObjectMeta
from hybridge.core.conditions import Condition, Type
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Connection, Right
from hybridge.engine.provider_conditions import connected, tell
from hybridge.engine.provider_connection import CHECK_AGE, DENIED_AGE, LACKING_AGE, patience

PROVIDER = Provider(metadata=ObjectMeta(name="cloud"), spec=ProviderSpec(credentials=Credentials()))
CLONE = Right("VM.Clone", "/vms/9000", "making machines")
ALLOCATE = Right("VM.Allocate", "/vms", "making machines")
POWER = Right("VM.PowerMgmt", "/vms", "making machines")
UPLOAD = Right("Datastore.AllocateTemplate", "/storage/nfs", "user data")


def conditions_of(connection: Connection) -> dict[Type, Condition]:
    return {condition.type: condition for condition in connected(connection, PROVIDER)}


def test_a_right_is_told_with_its_place_and_what_it_is_for() -> None:
    assert str(CLONE) == "VM.Clone on /vms/9000 (making machines)"
    assert str(Right("ec2:RunInstances", "", "making machines")) == "ec2:RunInstances (making machines)"


def test_rights_of_one_place_are_told_together() -> None:
    told = tell([POWER, CLONE, ALLOCATE])

    assert told == "VM.Allocate, VM.PowerMgmt on /vms (making machines); VM.Clone on /vms/9000 (making machines)"


def test_with_every_right_all_is_well() -> None:
    found = conditions_of(Connection("pve", "9"))

    assert found[Type.READY].status == found[Type.SYNCED].status == "True"
    assert found[Type.SYNCED].message == ""
    assert Type.STALLED not in found


def test_a_missing_right_stalls_but_what_is_seen_stays_ready() -> None:
    found = conditions_of(Connection("pve", "9", missing=(CLONE,), optional=(UPLOAD,)))

    assert found[Type.READY].status == "True"
    assert (found[Type.SYNCED].status, found[Type.SYNCED].reason) == ("False", Reason.NOT_PERMITTED)
    assert str(CLONE) in found[Type.SYNCED].message
    assert str(UPLOAD) in found[Type.SYNCED].message
    assert (found[Type.STALLED].status, found[Type.STALLED].reason) == ("True", Reason.NOT_PERMITTED)


def test_what_only_a_feature_needs_stalls_nothing() -> None:
    found = conditions_of(Connection("pve", "9", optional=(UPLOAD,)))

    assert found[Type.SYNCED].status == "True"
    assert str(UPLOAD) in found[Type.SYNCED].message
    assert Type.STALLED not in found


@pytest.mark.parametrize(
    ("connection", "denied", "failed", "age"),
    [
        (Connection("pve", "9"), False, False, CHECK_AGE),
        (Connection("pve", "9", missing=(CLONE,)), False, False, LACKING_AGE),
        (Connection("pve", "9", optional=(UPLOAD,)), False, False, LACKING_AGE),
        (Connection("pve", "9", proven=False), False, False, LACKING_AGE),
        (Connection("pve", "9"), True, False, DENIED_AGE),
        (Connection("pve", "9"), False, True, DENIED_AGE),
    ],
)
def test_rights_are_looked_at_sooner_where_they_are_in_doubt(
    connection: Connection, denied: bool, failed: bool, age: float
) -> None:
    assert patience(connection, denied=denied, failed=failed) == age
