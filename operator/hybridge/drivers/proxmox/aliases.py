"""The alias of a vnet, and the comment of a security group: all the text that PVE keeps of them. Pure.

First comes a name for people, and then the marker.

An alias has at most 256 characters of letters, digits, blanks and ``( ) * + , - . / :  ; < = > ? @ [ ] ^ _`` and
backslashes (pve-network, ``VnetPlugin.pm``), in one line: ``frontend-1a2b3c4d (hybridge.io/owner=<cluster>/<uid>
shop/frontend)``. Where that is too long, namespace and name of the object are left out: then nothing but its uid tells
whose it is.
"""

from __future__ import annotations

import re

from hybridge.core.errors import Refused
from hybridge.core.identity import OWNER, Marker
from hybridge.core.reasons import Reason

#: The kind that a marker read from an alias has.
KIND = "Network"
_LONGEST, _LONGEST_NAME = 256, 63
_ODD = re.compile(r"[^A-Za-z0-9 ._-]+")
_CLUSTER = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MARKED = re.compile(
    rf"(?P<name>.*?) ?\({re.escape(OWNER)}=(?P<owner>[^\s()]+)(?: (?P<namespace>[^\s()/]+)/(?P<object>[^\s()]+))?\)\s*"
)


def plain_name(name: str) -> str:
    """A name in the alphabet of aliases."""
    return _ODD.sub("-", name)[:_LONGEST_NAME].strip()


def write(name: str, marker: Marker | None) -> str:
    """The alias of a vnet. Raises Refused for a cluster id that does not fit."""
    if marker is None:
        return plain_name(name)
    if not _CLUSTER.fullmatch(marker.cluster):
        words = f"the cluster id {marker.cluster!r} does not fit into the alias of a vnet in Proxmox VE"
        raise Refused(Reason.UNSUPPORTED, f"{words}: it has at most 64 letters, digits, dots, colons and dashes")
    owner = f"{plain_name(name)} ({OWNER}={marker.owner}"
    whole = f"{owner} {marker.namespace}/{marker.name})"
    return whole if len(whole) <= _LONGEST else f"{owner})"


def read(alias: str, kind: str = KIND) -> tuple[str, Marker | None]:
    """The name for people, and the marker; ``kind``: of which kind whatever has the alias is."""
    found = _MARKED.fullmatch(alias)
    if found is None:
        return alias, None
    pairs = {OWNER: found["owner"]}
    marker = Marker.read(pairs)
    if marker is None:
        return alias, None
    return found["name"], Marker(marker.cluster, marker.uid, kind, found["namespace"] or "", found["object"] or "")
