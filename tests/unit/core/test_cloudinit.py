"""User data as cloud-init reads it."""

from __future__ import annotations

import json
from email import message_from_string
from email.message import Message

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.cloudinit import Rendered, render
from hybridge.core.machine import CloudInit

MULTIPART = """Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/x-shellscript

#!/bin/sh
true
--b
Content-Type: text/cloud-config

#cloud-config
packages: [vim]
--b--
"""
FORMATS = {
    "#cloud-config\npackages: [vim]\n": "text/cloud-config",
    "#cloud-config-archive\n- '#!/bin/sh'\n": "text/cloud-config-archive",
    "#!/bin/sh\necho ä\n": "text/x-shellscript",
    "#include\nhttps://x.example\n": "text/x-include-url",
    "#include-once\nhttps://x.example\n": "text/x-include-once-url",
    "#cloud-boothook\n": "text/cloud-boothook",
    "#part-handler\n": "text/part-handler",
    "## template: jinja\n#cloud-config\n": "text/jinja2",
    "something else": "text/plain",
}


def rendered(wanted: CloudInit) -> Rendered:
    return render(wanted, instance_id="i-1", name="web-1")


def parts(text: str) -> list[Message]:
    """The leaves of a message, as cloud-init walks them."""
    return [part for part in message_from_string(text).walk() if not part.is_multipart()]


def content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@given(st.text())
def test_user_data_goes_through_unchanged_when_nothing_is_added(text: str) -> None:
    assert rendered(CloudInit(user_data=text)).user_data == text


def test_nothing_wanted_is_an_empty_document() -> None:
    assert rendered(CloudInit()).user_data == ""


def test_our_own_configuration_alone_is_one_document() -> None:
    text = rendered(CloudInit(hostname="db", ssh_keys=("ssh-ed25519 A",))).user_data
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text) == {"hostname": "db", "ssh_authorized_keys": ["ssh-ed25519 A"]}


@pytest.mark.parametrize("text", FORMATS)
def test_both_become_parts_of_one_message(text: str) -> None:
    ours, theirs = parts(rendered(CloudInit(hostname="db", user_data=text)).user_data)
    assert ours.get_content_type() == "text/cloud-config"
    assert yaml.safe_load(content(ours))["hostname"] == "db"
    assert theirs.get_content_type() == FORMATS[text]
    assert content(theirs) == text


def test_the_users_own_parts_stay_parts() -> None:
    found = parts(rendered(CloudInit(hostname="db", user_data=MULTIPART)).user_data)
    assert [part.get_content_type() for part in found] == [
        "text/cloud-config",
        "text/x-shellscript",
        "text/cloud-config",
    ]
    assert content(found[1]) == "#!/bin/sh\ntrue"


def test_meta_data_names_instance_and_host() -> None:
    assert json.loads(rendered(CloudInit()).meta_data) == {"instance-id": "i-1", "local-hostname": "web-1"}
    assert json.loads(rendered(CloudInit(hostname="db")).meta_data)["local-hostname"] == "db"


def test_a_secret_does_not_show_in_representations() -> None:
    wanted = CloudInit(hostname="db", user_data="s3cret")
    assert "s3cret" not in f"{wanted!r} {wanted} {rendered(wanted)!r}"
