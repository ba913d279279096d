"""What cloud-init is given: the user's own data, with hostname and SSH keys added beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from hybridge.core.machine import CloudInit, Nic

#: First lines by which cloud-init tells kinds of user data, the longer before their own beginnings (cloud-init docs,
#: "User data formats"; ``cloudinit/handlers/__init__.py``). It looks itself into what is called plain.
_TYPES = {
    "#cloud-config-archive": "cloud-config-archive",
    "#cloud-config-jsonp": "cloud-config-jsonp",
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
    "#part-handler": "part-handler",
    "#include-once": "x-include-once-url",
    "#include": "x-include-url",
    "## template: jinja": "jinja2",
    "#!": "x-shellscript",
}


#: The fields of a spec that cloud-init is given, by path as in ``Machine.settings``.
HOSTNAME, SSH_KEYS, USER_DATA = "cloudInit.hostname", "cloudInit.sshKeys", "cloudInit.userData"


def described(wanted: CloudInit) -> Mapping[str, str]:
    """What is asked of cloud-init, by path and in words that may stand in a status: keys as a digest, no user data."""
    words: dict[str, str] = {}
    if wanted.hostname is not None:
        words[HOSTNAME] = wanted.hostname
    if wanted.ssh_keys:
        digest = hashlib.sha256("\n".join(sorted(wanted.ssh_keys)).encode()).hexdigest()
        words[SSH_KEYS] = f"{len(wanted.ssh_keys)} of sha256:{digest[:16]}"
    if wanted.source is not None:
        words[USER_DATA] = wanted.source
    return words


def guest_addresses(nic: Nic) -> dict[str, object]:
    """The addresses of an interface in version 2 of cloud-init's network configuration."""
    if not nic.addresses:
        return {"dhcp4": True}
    routes = [{"to": "::/0" if ":" in router else "0.0.0.0/0", "via": router} for router in nic.gateways]
    return {
        "addresses": list(nic.addresses),
        **({"routes": routes} if routes else {}),
        **({"nameservers": {"addresses": list(nic.nameservers)}} if nic.nameservers else {}),
    }


@dataclass(frozen=True, slots=True)
class Rendered:
    """The two documents of cloud-init's NoCloud format; both may hold secrets."""

    user_data: str = field(repr=False)
    meta_data: str = field(repr=False)


def render(wanted: CloudInit, *, instance_id: str, name: str) -> Rendered:
    """Both documents. JSON is used where YAML is expected: every YAML parser reads it.

    The user's data goes through unchanged when nothing has to be added to it; else both become parts of one MIME
    message (a message of the user's own is one part, with its parts), and lists and maps of the configurations are
    merged.
    """
    ours: dict[str, object] = {}
    if wanted.hostname:
        ours["hostname"] = wanted.hostname
    if wanted.ssh_keys:
        ours["ssh_authorized_keys"] = list(wanted.ssh_keys)
    meta = {"instance-id": instance_id, "local-hostname": wanted.hostname or name}
    return Rendered(_merge(wanted.user_data, ours), json.dumps(meta))


def _merge(theirs: str | None, ours: dict[str, object]) -> str:
    if not ours:
        return theirs or ""
    if theirs is None:
        return f"#cloud-config\n{json.dumps(ours)}\n"
    message = MIMEMultipart(boundary="==hybridge==")
    merging = {"merge_how": "list(append)+dict(recurse_array)+str()"}
    message.attach(MIMEText(f"#cloud-config\n{json.dumps(ours | merging)}\n", "cloud-config"))
    message.attach(_part(theirs))
    return message.as_string()


def _part(text: str) -> Message:
    # The mark by which cloud-init knows a message (``cloudinit/user_data.py``, convert_string).
    if "mime-version:" in text[:4096].lower():
        return message_from_string(text)
    return MIMEText(text, next((kind for start, kind in _TYPES.items() if text.startswith(start)), "plain"))
