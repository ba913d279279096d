"""What cloud-init reads in a guest of vSphere: two documents among the machine's advanced options. Pure.

Source: cloud-init's datasource "VMware": keys ``guestinfo.metadata`` and ``guestinfo.userdata``, each with an encoding;
``local-hostname`` and ``public-keys`` of the metadata. The metadata holds no secret; the user data may, and is never read.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from hybridge.core import cloudinit
from hybridge.core.machine import CloudInit

METADATA: Final = "guestinfo.metadata"
_USER_DATA: Final = "guestinfo.userdata"
_HOSTNAME: Final = "local-hostname"
_KEYS: Final = "public-keys"
#: Bits that let zlib read what gzip wrote.
_GZIP: Final = 31


def write(wanted: CloudInit, *, instance_id: str, name: str, networks: Mapping[str, object]) -> dict[str, str]:
    """The options of both documents; none where cloud-init has nothing to do.

    ``networks`` is a network configuration, version 2. What the machine shows back stands in the metadata, and the
    user's own data goes through unchanged.
    """
    if not wanted and not networks:
        return {}
    rendered = cloudinit.render(replace(wanted, hostname=None, ssh_keys=()), instance_id=instance_id, name=name)
    metadata = cast("dict[str, object]", json.loads(rendered.meta_data))
    if wanted.hostname:
        metadata[_HOSTNAME] = wanted.hostname
    if wanted.ssh_keys:
        metadata[_KEYS] = list(wanted.ssh_keys)
    if networks:
        metadata["network"] = {"version": 2, "ethernets": networks}
    return _options(METADATA, json.dumps(metadata)) | _options(_USER_DATA, rendered.user_data)


def written_anew(metadata: Mapping[str, object], wanted: CloudInit, instance_id: str) -> dict[str, str]:
    """The options of both documents for a guest that has ``metadata``: its instance id, keys and network stay.

    cloud-init takes them over with the next start; what it does once for each instance id it does not repeat.
    """
    known = {"instance-id": instance_id, **metadata}
    if wanted.hostname:
        known[_HOSTNAME] = wanted.hostname
    rendered = cloudinit.render(replace(wanted, hostname=None, ssh_keys=()), instance_id=instance_id, name="")
    return _options(METADATA, json.dumps(known)) | _options(_USER_DATA, rendered.user_data)


def read(text: str) -> Mapping[str, object]:
    """The metadata in an option: JSON, as it is or in Base64 or packed; nothing where it is none."""
    try:
        plain = base64.b64decode(text, validate=True)
        plain = zlib.decompress(plain, _GZIP) if plain.startswith(b"\x1f\x8b") else plain
        found: object = json.loads(plain)
    except (binascii.Error, zlib.error, ValueError):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def hostname(metadata: Mapping[str, object]) -> str:
    """The guest's host name, empty where it is not given."""
    return str(metadata.get(_HOSTNAME) or "")


def ssh_keys(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """Public keys that may log in."""
    found = metadata.get(_KEYS)
    if isinstance(found, str):
        return tuple(found.splitlines())
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _options(key: str, text: str) -> dict[str, str]:
    if not text:
        return {}
    return {key: base64.b64encode(text.encode()).decode(), f"{key}.encoding": "base64"}
