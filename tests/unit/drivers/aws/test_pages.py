"""Answers of DescribeInstances are read as botocore reads them, and what came before is not read again."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import pytest
from botocore.model import ServiceModel
from botocore.parsers import EC2QueryParser
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.machine import Power
from hybridge.drivers.aws import mapping, subset
from hybridge.drivers.aws.machines import instances
from hybridge.drivers.aws.pages import Pages

MODEL = ServiceModel(subset.cut(), "ec2")
OPERATION = MODEL.operation_model("DescribeInstances")
assert OPERATION.output_shape is not None
SHAPE = OPERATION.output_shape


def one(instance_id: str = "i-1", *, state: str = "running", tags: dict[str, str] | None = None, more: str = "") -> str:
    words = "".join(
        f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>" for key, value in (tags or {}).items()
    )
    return (
        f"<item><instanceId>{instance_id}</instanceId><instanceState><code>16</code><name>{state}</name></instanceState>"
        "<rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs>"
        f"<volumeId>vol-{instance_id}</volumeId></ebs></item></blockDeviceMapping><instanceType>t3.small</instanceType>"
        "<placement><availabilityZone>eu-central-1a</availabilityZone></placement><tagSet>"
        f"{words}</tagSet><cpuOptions><coreCount>2</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>{more}</item>"
    )


def answer(*reservations: str, token: str = "", around: str = "<instancesSet>") -> bytes:
    found = "".join(
        f"<item><reservationId>r-{number}</reservationId>\n  <groupSet/>{around}{inside}</instancesSet></item>\n"
        for number, inside in enumerate(reservations)
    )
    end = f"<nextToken>{token}</nextToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>7</requestId><reservationSet>{found}</reservationSet>{end}</DescribeInstancesResponse>"
    ).encode()


def as_botocore(body: bytes) -> list[mapping.Seen]:
    parsed: dict[str, Any] = EC2QueryParser().parse({"body": body, "headers": {}, "status_code": 200}, SHAPE)
    return instances(parsed.get("Reservations", []))


FULL = one(
    "i-2",
    tags={"Name": "web", "hybridge.io/owner": "c/u", "a<b>": 'x & "y"', "empty": ""},
    more="<privateIpAddress>10.0.0.1</privateIpAddress><privateDnsName>ip-10-0-0-1</privateDnsName><networkInterfaceSet>"
    "<item><networkInterfaceId>eni-1</networkInterfaceId><privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress><association>"
    "<publicIp>192.0.2.1</publicIp></association></item></privateIpAddressesSet><ipv6AddressesSet><item>"
    "<ipv6Address>2001:db8::1</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet>",
)


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer(one()),
        answer(one(), FULL, one("i-3") + one("i-4"), ""),
        answer(one(tags={"trap": "</instancesSet><instancesSet>"}), FULL),
        answer(one(), FULL, around='<instancesSet kind="of another form">'),
    ],
    ids=["none", "one", "several", "trap", "another form"],
)
def test_it_reads_what_botocore_reads(body: bytes) -> None:
    assert Pages(SHAPE).read(body).found == as_botocore(body)


@given(
    st.lists(
        st.dictionaries(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), st.text("<&>é]'")),
        max_size=4,
    )
)
def test_tags_of_any_kind_are_no_trap(tags: list[dict[str, str]]) -> None:
    body = answer(*(one(f"i-{number}", tags=some) for number, some in enumerate(tags)))
    assert Pages(SHAPE).read(body).found == as_botocore(body)


def test_the_token_leads_on() -> None:
    assert Pages(SHAPE).read(answer(one(), token="more")).token == "more"
    assert Pages(SHAPE).read(answer(one())).token is None


def test_what_was_read_before_is_not_read_again_wherever_it_stands() -> None:
    pages = Pages(SHAPE)
    before = pages.read(answer(one(), FULL)).found
    pages.forget()

    first, second, third = pages.read(answer(FULL, one("i-9"), one(), token="x")).found

    assert first is before[1]
    assert second.machine.id == "i-9"
    assert third is before[0]


def test_a_change_is_seen_and_so_is_its_end() -> None:
    pages = Pages(SHAPE)
    powers = []
    for state in ("running", "stopped", "running"):
        powers.append(pages.read(answer(one(state=state), FULL)).found[0].machine.power)
        pages.forget()
    assert powers == [Power.RUNNING, Power.STOPPED, Power.RUNNING]


def test_what_is_gone_is_not_kept_beyond_the_next_sweep() -> None:
    pages = Pages(SHAPE)
    before = pages.read(answer(one())).found[0]
    for _ in range(2):
        pages.forget()
    assert pages.read(answer(one())).found[0] is not before


@pytest.mark.parametrize("length", [10, 300, 600, -40, -1])
def test_half_an_answer_is_none(length: int) -> None:
    pages = Pages(SHAPE)
    whole = answer(one(), FULL)
    pages.read(whole)
    with pytest.raises(ParseError):
        pages.read(whole[:length])


def test_entities_are_refused() -> None:
    bomb = answer(one()).replace(b"?>\n", b'?>\n<!DOCTYPE R [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaa">]>', 1)
    with pytest.raises(ParseError, match="document type"):
        Pages(SHAPE).read(bomb)


@pytest.mark.parametrize("body", [b"<html><body/></html>", b"no XML", b""])
def test_another_answer_is_not_an_empty_one(body: bytes) -> None:
    with pytest.raises(ParseError):
        Pages(SHAPE).read(body)
