"""What cloud-init reads in a guest, and what of it is read back."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable

import pytest

from hybridge.core.machine import CloudInit
from hybridge.drivers.vsphere import guestinfo

KEYS = ("ssh-ed25519 AAAA b", "ssh-ed25519 BBBB a")
METADATA = {"instance-id": "i", "local-hostname": "web-1", "public-keys": list(KEYS)}


def packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_what_was_written_is_read_back() -> None:
    wanted = CloudInit("web-1", KEYS, "#!/bin/sh\necho secret\n")

    options = guestinfo.write(wanted, instance_id="i", name="machine", networks={})

    found = guestinfo.read(options[guestinfo.METADATA])
    assert found == METADATA
    assert (guestinfo.hostname(found), guestinfo.ssh_keys(found)) == ("web-1", KEYS)
    assert base64.b64decode(options["guestinfo.userdata"]).decode() == wanted.user_data


def test_where_cloud_init_has_nothing_to_do_nothing_is_written() -> None:
    assert guestinfo.write(CloudInit(), instance_id="i", name="machine", networks={}) == {}


def test_another_host_name_leaves_the_rest() -> None:
    options = guestinfo.written_anew({"network": {"version": 2}}, CloudInit(hostname="web-2"), "i")

    assert guestinfo.read(options[guestinfo.METADATA]) == {
        "instance-id": "i",
        "local-hostname": "web-2",
        "network": {"version": 2},
    }


def test_other_user_data_leaves_instance_id_and_keys() -> None:
    known = {"instance-id": "as-it-was", "local-hostname": "web", "public-keys": ["k"]}

    options = guestinfo.written_anew(known, CloudInit(ssh_keys=("other",), user_data="#!/bin/sh\n"), "i")

    assert guestinfo.read(options[guestinfo.METADATA]) == known
    assert base64.b64decode(options["guestinfo.userdata"]).decode() == "#!/bin/sh\n"


YAML = """# written by hand
instance-id: i
local-hostname: "web-1"
public-keys:
- ssh-ed25519 AAAA b
- ssh-ed25519 BBBB a
network: {version: 2, ethernets: {nics: {match: {name: "ens*"}, dhcp4: yes}}}
since: 2026-11-22
"""


@pytest.mark.parametrize("form", [str, coded, packed, lambda text: base64.encodebytes(text.encode()).decode()])
def test_metadata_of_others_is_read_in_its_forms(form: Callable[[str], str]) -> None:
    assert guestinfo.read(form(json.dumps(METADATA))) == METADATA
    found = guestinfo.read(form(YAML))
    assert found is not None
    assert {**METADATA, **found} == found
    assert found["network"] == {"version": 2, "ethernets": {"nics": {"match": {"name": "ens*"}, "dhcp4": True}}}


def test_yaml_of_others_is_kept_when_it_is_written_anew() -> None:
    known = guestinfo.read(coded(YAML))
    assert known is not None

    options = guestinfo.written_anew(known, CloudInit(hostname="web-2"), "another")

    found = guestinfo.read(options[guestinfo.METADATA])
    assert found == {**known, "local-hostname": "web-2"}
    assert known["since"] == "2026-11-22"


@pytest.mark.parametrize("text", ["", "  ", "---", coded("---\n"), "{}", coded("{}"), coded("")])
def test_no_metadata_is_told_apart_from_what_cannot_be_read(text: str) -> None:
    assert guestinfo.read(text) == {}


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    "text",
    [
        *("[1]", "7", "web", "AAAA", "é", "instance-id: web\n{", "a: b: c", "\x00", "{" * 9999, "[" * 9999),
        *(
            coded("\x1f\x8b"),
            packed("instance-id: web")[:-8],
            packed(json.dumps({"a": "b" * 2**21})),
            "a: " + "b" * 10**5,
        ),
        *(LAUGHS, "a: !!python/object:os.system x", "a: !!int x", "a: 2026-99-99", "a: 0x_", "? [a]\n: b", "a: ="),
        *("? 2026-11-22\n: b", "a: .nan"),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_cannot_be_read_is_not_taken_for_nothing(text: str) -> None:
    assert guestinfo.read(text) is None
