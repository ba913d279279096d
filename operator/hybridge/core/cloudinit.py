"""What cloud-init is given: the user's own data, with hostname and SSH keys added beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from hybridge.core.machine import CloudInit

#: First lines by which cloud-init tells kinds of user data (cloud-init docs, "User data formats").
_TYPES = {
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
    "#include": "x-include-url",
    "## template: jinja": "jinja2",
    "#!": "x-shellscript",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """The two documents of cloud-init's NoCloud format; both may hold secrets."""

    user_data: str = field(repr=False)
    meta_data: str = field(repr=False)


def render(wanted: CloudInit, *, instance_id: str, name: str) -> Rendered:
    """Both documents. JSON is used where YAML is expected: every YAML parser reads it.

    The user's data goes through unchanged when nothing has to be added to it; else both become parts of one MIME
    message, and lists and maps of the two configurations are merged.
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
    message.attach(MIMEText(theirs, _subtype(theirs)))
    return message.as_string()


def _subtype(text: str) -> str:
    return next((kind for start, kind in _TYPES.items() if text.startswith(start)), "plain")
