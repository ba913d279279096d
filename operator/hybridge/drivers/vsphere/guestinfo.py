"""What cloud-init reads in a guest of vSphere: two documents among the machine's advanced options. Pure.

Source: cloud-init's datasource "VMware": keys ``guestinfo.metadata`` and ``guestinfo.userdata``, each with an encoding;
``local-hostname`` and ``public-keys`` of the metadata, which is JSON or YAML. It holds no secret; the user data may, and
is never read. A guest can write both itself, so nothing about their form is taken for granted.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias, cast

import yaml

from hybridge.core import cloudinit
from hybridge.core.machine import CloudInit

METADATA: Final = "guestinfo.metadata"
_USER_DATA: Final = "guestinfo.userdata"
#: All that is written for one machine, and is nobody else's to read.
KEYS: Final = frozenset({METADATA, f"{METADATA}.encoding", _USER_DATA, f"{_USER_DATA}.encoding"})
_HOSTNAME: Final = "local-hostname"
_KEYS: Final = "public-keys"
#: Bits that let zlib read what gzip wrote.
_GZIP: Final = 31
#: Bytes of the longest metadata that is unpacked, and characters of the longest YAML, which takes longer to read than
#: JSON: a few hundred are usual.
_MOST_UNPACKED: Final = 2**20
_MOST_YAML: Final = 2**15
#: What says that there is nothing, as cloud-init has it.
_NOTHING: Final = frozenset({"", "---"})

_NOT_PLAIN: Final = (yaml.AliasToken, yaml.TagToken)

#: The metadata of a guest: empty where it has none, None where there is some that cannot be read.
Metadata: TypeAlias = Mapping[str, object] | None


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


def read(text: str) -> Metadata:
    """The metadata in an option: JSON or YAML, as it is, in Base64, or packed and in Base64."""
    if text.strip() in _NOTHING:
        return {}
    try:
        found = _parsed(_plain(text))
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    if found is None:
        return {}
    return found if isinstance(found, dict) else None


def _plain(text: str) -> str:
    """The text itself. No mapping is valid Base64: it has a colon or a brace."""
    try:
        coded = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return text
    return _unpacked(coded).decode()


def _unpacked(coded: bytes) -> bytes:
    if not coded.startswith(b"\x1f\x8b"):
        return coded
    packed = zlib.decompressobj(_GZIP)
    try:
        unpacked = packed.decompress(coded, _MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not packed.eof:
        raise ValueError("more than metadata ever is, or a part of it")
    return unpacked


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return _yaml(text)


def _yaml(text: str) -> object:
    """Maps, lists and plain values, as JSON has them: a date becomes the word that cloud-init makes of it.

    Anchors would let a short text become a long one, and tags are not needed. Raises ValueError and YAMLError.
    """
    if len(text) > _MOST_YAML:
        raise ValueError("more than metadata ever is")
    if any(isinstance(token, _NOT_PLAIN) for token in yaml.scan(text, yaml.SafeLoader)):
        raise ValueError("aliases and tags are not read")
    try:
        return json.loads(json.dumps(yaml.safe_load(text), default=str, allow_nan=False))
    except TypeError as error:  # a key that is no word
        raise ValueError(str(error)) from error


def hostname(metadata: Metadata) -> str:
    """The guest's host name, empty where it is not given."""
    return str((metadata or {}).get(_HOSTNAME) or "")


def ssh_keys(metadata: Metadata) -> tuple[str, ...]:
    """Public keys that may log in."""
    found = (metadata or {}).get(_KEYS)
    if isinstance(found, str):
        return tuple(found.splitlines())
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _options(key: str, text: str) -> dict[str, str]:
    if not text:
        return {}
    return {key: base64.b64encode(text.encode()).decode(), f"{key}.encoding": "base64"}
