"""Snapshots of guests, as PVE lists them, and their names. Pure.

A snapshot is part of its guest's configuration: it has a name there, which stays, a text of any length, and the one
before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from hybridge.core.identity import Marker, read_notes, write_notes
from hybridge.core.managed import State
from hybridge.core.snapshot import Consistency, Snapshot
from hybridge.drivers.proxmox.answers import SnapshotRow

#: What the list calls the guest as it is now.
NOW = "current"
_LONGEST, _KEPT, _DIGITS = 40, 31, 8
_ODD = re.compile(r"[^A-Za-z0-9_-]+")
_ID = re.compile(r"(?P<vmid>[1-9]\d{2,8})/(?P<name>[A-Za-z][A-Za-z0-9_-]{0,63})")
#: The key of the line in the text that tells whether the guest was asked to be quiet.
_QUIET = "hybridge.io/quiesced"
_RESERVED = frozenset({NOW, "pending"})


def plain_name(name: str) -> str:
    """A name in PVE's alphabet, and no longer than there is room: of a long one the beginning, and a digest of all."""
    plain = _ODD.sub("-", name)
    if not plain[:1].isalpha() or len(plain) < 2 or plain.lower() in _RESERVED:
        plain = f"s-{plain}"
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_KEPT].rstrip('-_')}-{sha256(plain.encode()).hexdigest()[:_DIGITS]}"


def join(vmid: str, name: str) -> str:
    """The id of a snapshot of a guest."""
    return f"{vmid}/{name}"


def split(known_id: str) -> tuple[str, str] | None:
    """The guest and the name that an id means; None when it is none."""
    found = _ID.fullmatch(known_id)
    return (found["vmid"], found["name"]) if found else None


def text(marker: Marker, *, quiet: bool) -> str:
    """What is written on a snapshot."""
    return write_notes(marker) + (f"\n{_QUIET}" if quiet else "")


def shown(vmid: str, rows: Sequence[SnapshotRow], lock: str | None, loud: frozenset[str]) -> dict[str, Snapshot]:
    """The snapshots of a guest, by id. ``loud``: ids of those of which the guest did not become quiet in spite of that."""
    parents = {row.name: row.parent for row in rows if row.name != NOW}
    found = {}
    for row in rows:
        if row.name == NOW:
            continue
        known_id = join(vmid, row.name)
        depth = _depth(row.name, parents)
        found[known_id] = Snapshot(
            known_id,
            row.name,
            state=_state(row, lock),
            marker=read_notes(row.description),
            lock=lock,
            ended="its making was broken off in Proxmox VE" if row.snapstate == "prepare" and lock is None else "",
            created_at=float(row.snaptime) or None,
            source_id=vmid,
            consistency=_consistency(row, loud=known_id in loud),
            depth=depth,
            parent=join(vmid, row.parent) if row.parent in parents else None,
        )
    return found


def _state(row: SnapshotRow, lock: str | None) -> State:
    """What is not finished and held by nobody was broken off; its deletion can be repeated."""
    if row.snapstate == "prepare":
        return State.PENDING if lock else State.FAILED
    return State.DELETING if row.snapstate and lock else State.READY


def _consistency(row: SnapshotRow, *, loud: bool) -> Consistency:
    if row.vmstate:
        return Consistency.MEMORY
    quiet = _QUIET in row.description.splitlines() and not loud
    return Consistency.QUIESCED if quiet else Consistency.CRASH


def _depth(name: str, parents: Mapping[str, str]) -> int:
    """How many snapshots come before it."""
    seen = [name]
    while (parent := parents.get(seen[-1], "")) in parents and parent not in seen:
        seen.append(parent)
    return len(seen) - 1
